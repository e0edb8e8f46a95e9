#pragma once
// Whether CloudStack can take a replica, asked before it is asked to: a refusal inside a job tells the operator a code,
// a check tells what to do (cloudstack.md sections 5.1, 5.2, 6 and 7.4). What the account may not read is left to
// CloudStack to decide. Nothing here changes anything. Thread-safe.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "target/cloudstack/discovery_commands.hpp"
#include "target/cloudstack/volume_commands.hpp"

namespace mk::volumes {

/// Data disks of one machine on KVM (hypervisor_capabilities; only administrators may read it).
inline constexpr std::size_t data_disk_limit = 32;

class Placement {
  public:
    Placement(const cloudstack::Client& client, const cloudstack::VolumeCommands& volumes)
        : discovery_(client), machines_(client), volumes_(volumes) {}

    /// Error{conflict} unless the offering exists and takes a size, and the size is within the cloud's limits.
    void require_size(const std::string& zone_id, const std::string& disk_offering_id, std::uint64_t size_gib,
                      const std::stop_token& stop) const;
    /// Error{conflict} naming the VM snapshots of the machine when it has any.
    void require_no_vm_snapshots(const CloudMachineId& machine, const std::stop_token& stop) const;
    /// Error{exhausted} when the machine has no room for one more data disk.
    void require_free_slot(const CloudMachineId& machine, const std::stop_token& stop) const;

  private:
    cloudstack::DiscoveryCommands discovery_;
    cloudstack::MachineCommands machines_;
    const cloudstack::VolumeCommands& volumes_;
};

}  // namespace mk::volumes
