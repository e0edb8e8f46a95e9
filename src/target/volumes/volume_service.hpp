#pragma once
// The life of the volumes that we know: replicas created and grown, replicas and clones attached, detached, deleted,
// and where they are. Every operation reads the state back and may be repeated. Operations on one volume are serialised
// by the caller (operation runner, key = volume id); the ones on one machine are serialised here. Thread-safe.
//
// Nothing that is a replica (a row in ossea_volumes) is ever deleted except by remove(): detached, without a write
// session, a snapshot, a clone.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "target/volumes/cloud_access.hpp"
#include "target/volumes/device_locator.hpp"
#include "target/volumes/digest_map.hpp"
#include "target/volumes/key_locks.hpp"
#include "target/volumes/operation_runner.hpp"
#include "target/volumes/persistent_names.hpp"
#include "target/volumes/volume_repository.hpp"
#include "target/volumes/write_session_repository.hpp"

namespace mk::volumes {

struct CreateRequest {
    VmContextId vm_context_id;
    DiskId disk_id;
    std::string name;
    Bytes size = 0;  ///< rounded up to whole GiB at CloudStack
};

/// A replica or a clone with what CloudStack says now.
struct VolumeView {
    VolumeRow row;
    std::string state;
    std::string type;
    std::optional<CloudMachineId> vm_id;
    std::optional<int> device_id;
    std::string operation_mode;  ///< oma, failover, or empty when detached
    std::string device_path;
    std::string symlink_path;
};

struct DeviceView {
    bool attached = false;
    std::string device_path;
    std::string symlink_path;
    std::string vm_id;
};

struct MachineVolume {
    VolumeId id;
    std::string type;
    std::optional<int> device_id;
    bool is_replica = false;
    bool is_clone = false;
};

/// "<name>-<8 hex digits of context and disk>": unique, and the same when a creation is repeated.
std::string cloud_volume_name(const CreateRequest& request);

class VolumeService {
  public:
    struct Parts {
        CloudAccess& cloud;
        VolumeRepository& volumes;
        WriteSessionRepository& sessions;
        const DeviceLocator& locator;
        const PersistentNames& names;
        const DigestMap& digests;
        Ledger& ledger;
        KeyLocks& locks;
    };
    explicit VolumeService(Parts parts, std::chrono::milliseconds device_limit = std::chrono::seconds{30})
        : parts_(parts), device_limit_(device_limit) {}

    VolumeView create(const CreateRequest& request, const Progress& progress);
    VolumeView get(const VolumeId& id, const std::stop_token& stop) const;
    /// The replicas.
    std::vector<VolumeView> list(const std::optional<VmContextId>& vm_context_id, const std::stop_token& stop) const;
    /// Rows with what CloudStack says now; state "Absent" where it has the volume no more.
    std::vector<VolumeView> views_of(const std::vector<VolumeRow>& rows, const std::stop_token& stop) const;
    /// Without a machine: to this appliance, and its device is found.
    VolumeView attach(const VolumeId& id, const std::optional<CloudMachineId>& vm_id, std::optional<int> device_id,
                      const Progress& progress);
    VolumeView attach_root(const VolumeId& id, const CloudMachineId& vm_id, const Progress& progress);
    VolumeView detach(const VolumeId& id, const Progress& progress);
    VolumeView resize(const VolumeId& id, Bytes size, const Progress& progress);
    /// A replica or a clone; nothing happens when it is neither any more.
    void remove(const VolumeId& id, const Progress& progress);
    /// The same, refusing replicas.
    void remove_clone(const VolumeId& id, const Progress& progress);
    DeviceView device(const VolumeId& id, const std::stop_token& stop) const;
    /// Reads the whole volume from its device.
    std::string digest(const VolumeId& id, const Progress& progress);
    std::vector<MachineVolume> machine_volumes(const CloudMachineId& vm_id, const std::stop_token& stop) const;

  private:
    VolumeView view_of(const VolumeRow& row, const cloudstack::VolumeInfo& info, const Cloud& cloud) const;
    VolumeView note_attached(const VolumeRow& row, const cloudstack::VolumeInfo& info, const Cloud& cloud,
                             const Progress& progress);
    void forget_attachment(const VolumeRow& row);
    cloudstack::VolumeInfo create_in_cloud(const CreateRequest& request, const std::string& name, const Cloud& cloud,
                                           const Progress& progress);
    void forget_unmade(const std::string& name, const Cloud& cloud, const Progress& progress);
    void require_removable(const VolumeRow& replica, const Cloud& cloud, bool exists, const Progress& progress) const;

    Parts parts_;
    const std::chrono::milliseconds device_limit_;
};

}  // namespace mk::volumes
