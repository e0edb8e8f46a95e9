#pragma once
// The configured CloudStack, opened for use. Thread-safe; a Cloud stays valid while somebody holds it, settings changes
// make a new one.

#include <memory>
#include <mutex>

#include "target/cloudstack/snapshot_commands.hpp"
#include "target/cloudstack/volume_commands.hpp"
#include "target/volumes/placement.hpp"
#include "target/volumes/ports.hpp"

namespace mk::volumes {

class Cloud {
  public:
    explicit Cloud(CloudSettings settings);

    const cloudstack::VolumeCommands& volumes() const { return volumes_; }
    const cloudstack::SnapshotCommands& snapshots() const { return snapshots_; }
    const Placement& placement() const { return placement_; }
    /// Throw Error{conflict} naming what is not configured yet.
    const CloudMachineId& appliance() const;
    const std::string& zone_id() const;
    const std::string& disk_offering_id() const;
    bool is_made_from(const CloudSettings& settings) const;

  private:
    const CloudSettings settings_;
    const cloudstack::Client client_;
    const cloudstack::VolumeCommands volumes_;
    const cloudstack::SnapshotCommands snapshots_;
    const Placement placement_;
};

class CloudAccess {
  public:
    explicit CloudAccess(const CloudSettingsSource& source) : source_(source) {}
    std::shared_ptr<const Cloud> open();

  private:
    const CloudSettingsSource& source_;
    std::mutex current_mutex_;
    std::shared_ptr<const Cloud> current_;
};

}  // namespace mk::volumes
