#pragma once
// Findings of the reconciler as the API shows them (api/oma.yaml).

#include "base/json.hpp"
#include "control/reconcile/reconcile_service.hpp"

namespace mk::oma {

/// Without `machine`, which the routes add.
Json view(const reconcile::Finding& finding);
Json view(const reconcile::Report& report);

}  // namespace mk::oma
