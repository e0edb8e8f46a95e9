#pragma once
// Rows of ossea_volumes and device_mappings. Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::volumes {

/// A replica volume. `snapshot_status` is one of none, creating, ready, failed, rollback_complete.
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
};

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
    /// Throws Error{not_found}.
    VolumeRow require(const VolumeId& id) const;
    std::optional<VolumeRow> find_disk(const VmContextId& vm_context_id, const DiskId& disk_id) const;
    std::vector<VolumeRow> list(const std::optional<VmContextId>& vm_context_id) const;
    void insert(const VolumeRow& row);
    void remove(const VolumeId& id);
    void set_size(const VolumeId& id, Bytes size);
    void set_written(const VolumeId& id);
    void set_digest(const VolumeId& id, const std::optional<std::string>& digest);
    /// Snapshot columns only.
    void set_snapshot(const VolumeRow& row);

    std::optional<MappingRow> find_mapping(const VolumeId& id) const;
    void save_mapping(const MappingRow& mapping);
    void remove_mapping(const VolumeId& id);

  private:
    const std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::volumes
