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
    Bytes bytes_changed = 0;        ///< that had to be handled
    Bytes bytes_sent = 0;           ///< as data; zero ranges are commands
    Bytes bytes_read = 0;           ///< from the source
    Bytes bytes_zeroed = 0;         ///< sent as zero commands
    Bytes bytes_skipped = 0;        ///< zeros that the target held already
    Bytes bytes_resumed = 0;        ///< of bytes_changed, taken over from an attempt that was interrupted
    Bytes bytes_compared = 0;       ///< read and compared with the copy by digests
    Bytes bytes_different = 0;      ///< of these, where the copy differed although nothing was said to have changed
    Bytes bytes_verified = 0;       ///< read back from the target and found equal to what was read at the source
    std::uint64_t digest_runs = 0;  ///< in how many digests
    std::string digest;             ///< of the whole volume after the commit (target/volumes/digest_map.hpp)
};

struct RecoveryPoint {
    RecoveryPointId id;
    VmContextId vm_context_id;
    JobId job_id;
    Instant snapshot_time{};
    std::string consistency;  ///< "crash" or "application"
    Bytes bytes_wire = 0;     ///< of all disks on the way to the target, after compression
    bool applied = false;     ///< false between the commit record and the last applied byte
    std::vector<RecoveryPointDisk> disks;
};

}  // namespace mk
