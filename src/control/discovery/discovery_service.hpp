#pragma once
// What is at the source, and adding it to management (inventory P). Thread-safe.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "control/credentials/credential_repository.hpp"
#include "control/machines/machine_repository.hpp"
#include "model/source_machine.hpp"

namespace mk::discovery {

/// What a vCenter answered; implemented in apps/oma-api over the VMA's API.
struct Inventory {
    std::string vcenter_uuid;
    std::string version;
    std::vector<SourceMachine> machines;
};

class SourceInventory {
  public:
    virtual ~SourceInventory() = default;
    /// Errors: unauthenticated (password, certificate), unavailable.
    virtual Inventory discover(const contracts::VcenterAccess& access, const std::string& filter,
                               const std::stop_token& stop) = 0;
};

struct DiscoveredMachine {
    SourceMachine source;
    std::optional<VmContextId> managed_as;
};

class DiscoveryService {
  public:
    DiscoveryService(credentials::CredentialRepository& credentials, machines::MachineRepository& machines,
                     SourceInventory& inventory);

    std::vector<DiscoveredMachine> discover(const std::string& vcenter, const std::string& filter,
                                            const std::stop_token& stop);
    /// Adds one machine, found by path, instance UUID or unique name, without replicating anything. Throws
    /// Error{not_found}, Error{conflict} when it is managed already or cannot be replicated (the reason is named).
    VmContextId add(const std::string& vcenter, const std::string& machine, const std::stop_token& stop);
    /// Tries the access, then stores the vCenter under `entry.name`.
    CredentialId add_vcenter(credentials::Credential entry, const Secret& password, const std::string& actor,
                             const std::stop_token& stop);

  private:
    credentials::CredentialRepository& credentials_;
    machines::MachineRepository& machines_;
    SourceInventory& inventory_;
};

}  // namespace mk::discovery
