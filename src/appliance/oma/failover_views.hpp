#pragma once
// Failovers as the API shows them (api/oma.yaml).

#include "appliance/oma/services.hpp"
#include "base/json.hpp"

namespace mk::oma {

Json view(const failover::FailoverJob& job);
Json view(const failover::PreflightResult& result);
Json view(const failover::Forecast& forecast);
Json view(const failover::PlannedStep& step);
Json view(const ledger::Effect& effect);

/// The failover with everything that is known of it: recovery point, steps, commands that were sent.
Json report_of(Services& services, const failover::FailoverJob& job);

}  // namespace mk::oma
