#pragma once
// A recovery point: one instant of a machine, whole over all its disks (architecture.md decision 7). The next increment
// starts from its change ids and from nothing else.

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "model/ids.hpp"

namespace mk {

struct RecoveryPointDisk {
    DiskId disk_id;
    VolumeId volume_id;
    std::string change_id;
    std::string backing_uuid;
    Bytes capacity = 0;
    bool incremental = false;
    Bytes bytes_changed = 0;  ///< that had to be handled
    Bytes bytes_sent = 0;     ///< as data; zero ranges are commands
    std::string digest;       ///< of the whole volume after the commit (target/volumes/digest_map.hpp)
};

struct RecoveryPoint {
    RecoveryPointId id;
    VmContextId vm_context_id;
    JobId job_id;
    Instant snapshot_time{};
    std::string consistency;  ///< "crash" or "application"
    bool applied = false;     ///< false between the commit record and the last applied byte
    std::vector<RecoveryPointDisk> disks;
};

}  // namespace mk
