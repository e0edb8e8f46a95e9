#pragma once
// The nouns as the API shows them (api/oma.yaml). Instants are ISO 8601 in UTC, quantities are bytes.

#include "appliance/oma/services.hpp"
#include "base/json.hpp"

namespace mk::oma {

/// Summary for lists: status, job and flags side by side (gui.md section 4).
Json view(const machines::Machine& machine, const std::vector<machines::MachineDisk>& disks);
Json view(const discovery::DiscoveredMachine& machine);
Json view(const RecoveryPoint& point);
Json view(const joblog::Job& job);
Json view(const joblog::Event& event);
Json view(const replication::ReplicationJob& job);
/// What a verification keeps in its job's metadata; null for null.
Json verification_view(const Json& kept);
Json view(const credentials::Credential& credential);
Json view(const settings::CloudStackSettings& settings);
Json view(const settings::Resources& resources);
Json view(const networks::NetworkMapping& mapping);
Json view(const ledger::Entry& entry);
Json view(const settings::PairedAppliance& appliance);
Json view(const settings::Invitation& invitation);
Json view(const ApplianceState& state);

}  // namespace mk::oma
