#pragma once
// What speaks against a failover in CloudStack, as far as the account may see: version, offering, limits, sizes, cards,
// VM snapshots of our own machine. Reads only. What may not be read is told as a note.

#include <vector>

#include "control/failover/ports.hpp"
#include "control/settings/cloudstack_settings.hpp"
#include "target/cloudstack/client.hpp"

namespace mk::oma {

std::vector<Finding> assess_cloud(const cloudstack::Client& client, const settings::CloudStackSettings& settings,
                                  const failover::CloudNeeds& needs, const std::stop_token& stop);

/// "10.1.1.7" in "10.1.1.0/24". Nothing when one of the two is no IPv4 address or network.
std::optional<bool> is_in_network(const std::string& address, const std::string& cidr);
/// Releases whose "backed up" volume snapshots still needed a file on primary storage (cloudstack.md section 8).
bool has_unsafe_snapshots(const std::string& version);

}  // namespace mk::oma
