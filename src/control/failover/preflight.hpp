#pragma once
// Everything that can be known before anything is touched (docs/failover.md section 5). Also used alone: "migratekit
// failover check". Reads only; the guest's disks are read while they are attached to the appliance.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "control/failover/collaborators.hpp"
#include "control/failover/failover_plan.hpp"
#include "control/failover/forecast.hpp"
#include "model/source_machine.hpp"

namespace mk::failover {

struct PreflightResult {
    std::vector<Finding>
        findings;  ///< in the order to be read; passed checks are notes, a blocker forbids the failover
    std::vector<std::string> network_ids;
    std::vector<NicOrder> nics;  ///< what would be ordered, network by network
    std::optional<Forecast> forecast;

    bool passed() const;
};

enum class PreflightScope {
    in_job,  ///< the first step of a failover: the gate has checked the state, and the job holds the machine
    alone,   ///< asked for by itself: state and running jobs are checked too
};

PreflightResult preflight(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request,
                          const std::stop_token& stop, PreflightScope scope = PreflightScope::in_job);
/// Throws Error{conflict} with the first blocker's text and remedy.
void require_passed(const PreflightResult& result, const std::string& machine_name);

/// The machine's cards in the source's order: networks as asked for, else by mapping, else the configured default. Of
/// several that lead to one network only the first is made: CloudStack gives a machine one card per network.
std::vector<NicOrder> nic_orders(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request);

}  // namespace mk::failover
