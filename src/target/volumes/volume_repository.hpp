#pragma once
// The volumes that we know: replicas (ossea_volumes) and clones of their snapshots (volume_clones), and where they are
// attached (device_mappings). find() and require() mean replicas; find_known() and require_known() mean both. Whoever
// asks whether a volume is a replica must use find(). Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::volumes {

/// A replica, or a clone as one of the volumes that we know. `snapshot_status` is one of none, creating, ready, failed,
/// rollback_complete.
struct VolumeRow {
    VolumeId id;
    VmContextId vm_context_id;
    DiskId disk_id;
    std::string name;
    Bytes size = 0;
    bool written = false;  ///< somebody may have written to it: it is not known to be zero
    std::optional<std::string> digest;
    std::optional<CloudSnapshotId> snapshot_id;
    std::string snapshot_name;
    std::optional<std::int64_t> snapshot_created_ms;
    std::string snapshot_status = "none";
    std::optional<VolumeId> clone_of{};  ///< the replica whose snapshot it was made from; nothing: it is a replica
};

/// A volume made from a replica's snapshot, recorded before it exists.
struct CloneRow {
    std::string id;                       ///< of the record
    std::string name;                     ///< at CloudStack; unique
    std::optional<VolumeId> volume_id{};  ///< nothing: it was not seen yet
    VolumeId clone_of;
    CloudSnapshotId snapshot_id{};  ///< what it is made from
    VmContextId vm_context_id;
    DiskId disk_id;
    Bytes size = 0;
};

/// Of a clone that was seen.
VolumeRow as_volume(const CloneRow& clone);

/// Where a volume is attached, as last seen.
struct MappingRow {
    VolumeId volume_id;
    VmContextId vm_context_id;
    std::string operation_mode;  ///< oma, failover
    CloudMachineId vm_id;
    std::optional<int> device_id;
    std::string device_path;
    std::string persistent_name;
    std::string symlink_path;
};

class VolumeRepository {
  public:
    VolumeRepository(std::shared_ptr<db::Database> database, const Clock& clock);

    std::optional<VolumeRow> find(const VolumeId& id) const;
    /// Throws Error{not_found}, for a clone Error{conflict}.
    VolumeRow require(const VolumeId& id) const;
    std::optional<VolumeRow> find_known(const VolumeId& id) const;
    /// Throws Error{not_found}.
    VolumeRow require_known(const VolumeId& id) const;
    std::optional<VolumeRow> find_disk(const VmContextId& vm_context_id, const DiskId& disk_id) const;
    std::vector<VolumeRow> list(const std::optional<VmContextId>& vm_context_id) const;
    void insert(const VolumeRow& row);
    /// Error{conflict} while clones of it are recorded.
    void remove(const VolumeId& id);
    void set_size(const VolumeId& id, Bytes size);
    void set_written(const VolumeId& id);
    void set_digest(const VolumeId& id, const std::optional<std::string>& digest);
    /// Snapshot columns only.
    void set_snapshot(const VolumeRow& row);

    std::optional<CloneRow> find_clone(const std::string& name) const;
    std::vector<CloneRow> list_clones(const std::optional<VmContextId>& vm_context_id) const;
    std::vector<CloneRow> list_clones_of(const VolumeId& replica) const;
    /// Gives it its record's id. Error{conflict} when the name is taken.
    CloneRow insert_clone(CloneRow row);
    /// False when the record is not there any more.
    bool set_clone_volume(const std::string& record_id, const VolumeId& volume);
    void remove_clone(const std::string& name);

    std::optional<MappingRow> find_mapping(const VolumeId& id) const;
    void save_mapping(const MappingRow& mapping);
    void remove_mapping(const VolumeId& id);

  private:
    const std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::volumes
