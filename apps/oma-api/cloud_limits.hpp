#pragma once
// The limits of the CloudStack account, against what a failover would take of it.

#include <vector>

#include "control/failover/ports.hpp"
#include "target/cloudstack/discovery_commands.hpp"

namespace mk::oma {

/// Limits with room are not spoken of. Throws what CloudStack answers when it may not be asked.
std::vector<Finding> assess_limits(const cloudstack::DiscoveryCommands& discovery, const failover::CloudNeeds& needs,
                                   const std::stop_token& stop);

}  // namespace mk::oma
