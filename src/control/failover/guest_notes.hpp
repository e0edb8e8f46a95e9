#pragma once
// What the preparation of the guest came to, as it is noted for the steps after it. Private to this folder.

#include <optional>

#include "control/failover/run_context.hpp"

namespace mk::failover {

/// Nothing while it has not come to an end.
std::optional<Preparation> prepared_guest(const RunContext& context);

}  // namespace mk::failover
