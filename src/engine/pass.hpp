#pragma once
// One pass over one machine: freeze -> plan -> copy -> flush -> release (architecture.md section 4). All disks come
// from one snapshot. A pass that throws has left the snapshot removed, or says in the error that it could not be.

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/ports.hpp"

namespace mk::engine {

/// What the last recovery point holds of a disk.
struct Base {
    std::string change_id;
    std::string backing_uuid;
    Bytes capacity = 0;
};

struct DiskOrder {
    DiskId id;
    std::optional<Base> base{};   ///< none: full copy
    bool target_is_zero = false;  ///< fresh volume: what is not written already reads as zero
};

struct PassOrder {
    std::vector<DiskOrder> disks;
};

/// A digest of consecutive bytes as they were read from the source; at most 32 MiB long.
struct RangeDigest {
    Range range;
    std::string sha256;
};

struct DiskReport {
    FrozenDisk frozen;
    bool incremental = false;
    std::string full_copy_reason;  ///< why not incremental: "first copy", "change tracking was reset" ...
    Bytes planned = 0;             ///< bytes that must be handled (changed or allocated)
    Bytes read = 0;
    Bytes sent = 0;                    ///< as data
    Bytes zeroed = 0;                  ///< as zero commands
    Bytes skipped = 0;                 ///< known to be zero on both sides: nothing sent
    std::vector<RangeDigest> digests;  ///< of everything planned, in order
};

struct PassReport {
    Instant snapshot_time{};
    std::string consistency;
    std::vector<DiskReport> disks;
};

struct DiskProgress {
    DiskId id;
    Bytes planned = 0;
    Bytes done = 0;  ///< handled: sent, zeroed or skipped
};

struct Progress {
    std::string sync_type;  ///< "initial" or "incremental" (every disk is); empty while unknown
    std::string
        stage;  ///< gui.md section 5: Connecting, Taking snapshot, Measuring, Copying, Flushing, Removing snapshot
    std::vector<DiskProgress> disks;
    Bytes sent = 0;
    Bytes zeroed = 0;
};

using ProgressCallback = std::function<void(const Progress&)>;

/// Throws Error{conflict, native "SourceChanged"} when the snapshot's disks are not exactly those ordered or a capacity
/// is larger than its sink.
PassReport run_pass(Source& source, Target& target, const PassOrder& order, const ProgressCallback& on_progress,
                    const std::stop_token& stop);

}  // namespace mk::engine
