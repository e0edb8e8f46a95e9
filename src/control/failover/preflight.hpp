#pragma once
// Everything that can be known before anything is touched (G2). Also used alone: "migratekit failover check".

#include <stop_token>
#include <string>
#include <vector>

#include "control/failover/collaborators.hpp"
#include "control/failover/failover_plan.hpp"
#include "model/source_machine.hpp"

namespace mk::failover {

struct PreflightResult {
    std::vector<Finding> findings;  ///< passed checks are notes; a blocker forbids the failover
    std::vector<std::string> network_ids;

    bool passed() const;
};

PreflightResult preflight(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request,
                          const std::stop_token& stop);
/// Throws Error{conflict} with the first blocker's text and remedy.
void require_passed(const PreflightResult& result, const std::string& machine_name);

}  // namespace mk::failover
