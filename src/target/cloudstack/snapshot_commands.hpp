#pragma once
// CloudStack's volume snapshots (cloudstack.md section 8). Only target/volumes may use this header. The state that is
// read decides, never the job's answer; every call may be repeated. Thread-safe.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "target/cloudstack/volume_commands.hpp"

namespace mk::cloudstack {

struct SnapshotInfo {
    CloudSnapshotId id;
    VolumeId volume_id;
    std::string name;
    std::string state;  ///< only BackedUp is usable
    std::string created;
    bool revertable = false;
};

struct SnapshotLimits {
    std::chrono::milliseconds base{std::chrono::minutes{10}};
    Bytes slowest_bytes_per_second = 8 * MiB;  ///< a copy slower than this is given up; sizes make the limit
    std::chrono::milliseconds poll{1'000};
    int revert_attempts = 3;
    int remove_attempts = 3;  ///< of a deletion of which nobody knows what came of it
    int create_attempts = 2;  ///< of a snapshot that ends in Error (section 11, last row)
};

class SnapshotCommands {
  public:
    SnapshotCommands(const Client& client, const VolumeCommands& volumes, SnapshotLimits limits = {})
        : client_(client), volumes_(volumes), limits_(limits) {}

    /// Waits until BackedUp. A snapshot of that name on that volume is adopted. Error{conflict} while the volume is
    /// attached: snapshots of volumes of running machines are off by default. A snapshot that ended in Error is removed
    /// and taken once more; when that fails too it is removed and reported.
    SnapshotInfo create(const VolumeId& volume_id, const std::string& name, const std::stop_token& stop) const;
    std::optional<SnapshotInfo> find(const CloudSnapshotId& id, const std::stop_token& stop) const;
    std::vector<SnapshotInfo> list_of_volume(const VolumeId& volume_id, const std::stop_token& stop) const;
    /// Returns only after a revert job succeeded and the volume is Ready again; a failed one is repeated, because the
    /// copy is not atomic. Error{conflict} while the volume is attached.
    void revert(const CloudSnapshotId& id, const VolumeId& volume_id, const std::stop_token& stop) const;
    /// The absence is seen before this returns. Deleting what is gone is no error. While volumes that were made from it
    /// depend on it CloudStack refuses (530).
    void remove(const CloudSnapshotId& id, const std::stop_token& stop) const;

  private:
    std::chrono::milliseconds limit_for(Bytes size) const;
    bool delete_once(const CloudSnapshotId& id, const std::stop_token& stop) const;
    VolumeInfo require_detached(const VolumeId& volume_id, const char* what, const std::stop_token& stop) const;
    std::optional<SnapshotInfo> find_named(const VolumeId& volume_id, const std::string& name,
                                           const std::stop_token& stop) const;
    CloudSnapshotId take(const VolumeInfo& volume, const std::string& name, const std::stop_token& stop) const;
    std::optional<SnapshotInfo> wait_backed_up(const CloudSnapshotId& id, Bytes size,
                                               const std::stop_token& stop) const;

    const Client& client_;
    const VolumeCommands& volumes_;
    SnapshotLimits limits_;
};

}  // namespace mk::cloudstack
