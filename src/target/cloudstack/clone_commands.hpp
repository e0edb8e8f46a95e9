#pragma once
// Volumes made from snapshots (cloudstack.md section 5.1). Only target/volumes may use this header. The state that is
// read decides, never the job's answer; every call may be repeated. Thread-safe.

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/bytes.hpp"
#include "model/ids.hpp"
#include "target/cloudstack/volume_commands.hpp"

namespace mk::cloudstack {

struct CloneLimits {
    std::chrono::milliseconds base{std::chrono::minutes{10}};
    Bytes slowest_bytes_per_second = 8 * MiB;  ///< a copy slower than this is given up; sizes make the limit
};

class CloneCommands {
  public:
    CloneCommands(const Client& client, const VolumeCommands& volumes, CloneLimits limits = {})
        : client_(client), volumes_(volumes), limits_(limits) {}

    struct Create {
        std::string name;  ///< unique: a volume whose creation was not answered is found again by it
        CloudSnapshotId snapshot_id;
        Bytes size = 0;  ///< of the volume that the snapshot was taken of
    };
    /// A data disk in state Ready with the content of a snapshot that is BackedUp, in the zone and with the offering of
    /// its volume. One of that name that was made completely is returned instead; one that was left without bytes is
    /// deleted and made again. Error{conflict} when there are several, when the one that exists was made from another
    /// snapshot, or is attached without having been completed.
    VolumeInfo create(const Create& request, const std::stop_token& stop) const;

  private:
    std::chrono::milliseconds limit_for(Bytes size) const;
    std::optional<VolumeInfo> find_made(const Create& request, const std::stop_token& stop) const;

    const Client& client_;
    const VolumeCommands& volumes_;
    CloneLimits limits_;
};

}  // namespace mk::cloudstack
