#pragma once
// The configured CloudStack, opened for use. Thread-safe; a Cloud stays valid while somebody holds it, settings changes
// make a new one. Whoever changes something opens it for the objects that he changes.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "target/cloudstack/clone_commands.hpp"
#include "target/cloudstack/snapshot_commands.hpp"
#include "target/cloudstack/volume_commands.hpp"
#include "target/volumes/placement.hpp"
#include "target/volumes/ports.hpp"
#include "target/volumes/unfinished_commands.hpp"

namespace mk::volumes {

class Cloud {
  public:
    explicit Cloud(CloudSettings settings, cloudstack::ClientOptions options = {});

    const cloudstack::Client& client() const { return client_; }
    const cloudstack::VolumeCommands& volumes() const { return volumes_; }
    const cloudstack::SnapshotCommands& snapshots() const { return snapshots_; }
    const cloudstack::CloneCommands& clones() const { return clones_; }
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
    const cloudstack::CloneCommands clones_;
    const Placement placement_;
};

class CloudAccess {
  public:
    /// `options` are those of every client, with the journal; `unfinished` is what the journal had open at the start.
    explicit CloudAccess(const CloudSettingsSource& source, cloudstack::ClientOptions options = {},
                         std::vector<UnfinishedCommand> unfinished = {})
        : source_(source), options_(std::move(options)), unfinished_(std::move(unfinished), options_.journal) {}

    /// To look.
    std::shared_ptr<const Cloud> open();
    /// To change something about these objects (ids, or names of what is to be made): what a former run began about
    /// them has ended when this returns. Throws Error{timeout} when it has not within 35 minutes.
    std::shared_ptr<const Cloud> open_for(const std::vector<std::string>& objects, const Progress& progress);

  private:
    const CloudSettingsSource& source_;
    const cloudstack::ClientOptions options_;
    UnfinishedCommands unfinished_;
    std::mutex current_mutex_;
    std::shared_ptr<const Cloud> current_;
};

}  // namespace mk::volumes
