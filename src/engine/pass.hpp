#pragma once
// One pass over one machine: freeze -> plan -> copy -> release (architecture.md section 4). All disks come from one
// snapshot. A pass that throws has left the snapshot removed, or says in the error that it could not be.

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/copier.hpp"
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
    std::optional<Base> base{};      ///< none: full copy
    bool target_is_zero = false;     ///< the session began on a volume of zeros
    bool target_has_writes = false;  ///< since then something may have been written through it
    std::string session{};           ///< the target's export; empty: nothing can be resumed
};

struct PassOrder {
    std::vector<DiskOrder> disks;
    /// Of what did not change since the base, this share is compared with the target. Without a base that fits,
    /// everything is compared instead of copied, when it is more than 0.
    int compare_percent = 0;
    /// Nothing is sent: only what did not change since the base is compared.
    bool only_compare = false;
    std::uint64_t sample_seed = 0;  ///< of the choice of what is compared
    CopyOptions copy{};
};

struct DiskReport {
    FrozenDisk frozen;
    bool incremental = false;
    std::string full_copy_reason;  ///< why not incremental: "first copy", "change tracking was reset" ...
    Bytes planned = 0;             ///< bytes that had to be handled (changed, allocated, compared)
    Bytes read = 0;
    Bytes sent = 0;                  ///< as data
    Bytes zeroed = 0;                ///< as zero commands
    Bytes skipped = 0;               ///< known to be zero on both sides: nothing sent
    Bytes resumed = 0;               ///< of `planned`, done by earlier attempts
    Bytes compared = 0;              ///< by digests
    std::vector<Range> differences;  ///< where the target differed although nothing was said to have changed
    std::vector<RunDigest> digests;  ///< of everything planned, in order; none of only_compare
};

struct PassReport {
    Instant snapshot_time{};
    std::string consistency;
    std::vector<DiskReport> disks;
};

struct DiskProgress {
    DiskId id;
    Bytes planned = 0;  ///< falls while holes are found
    Bytes done = 0;     ///< handled, and answered by the target; all of it only when it is durable
};

struct Progress {
    std::string sync_type;  ///< "initial" or "incremental" (every disk is); empty while unknown
    /// gui.md section 5: Connecting, Taking snapshot, Measuring, Copying, Flushing, Removing snapshot
    std::string stage;
    std::vector<DiskProgress> disks;
    Bytes sent = 0;
    Bytes zeroed = 0;        ///< with what was zero on both sides
    std::string bottleneck;  ///< "read", "tunnel", "write" or ""
    std::string trouble;     ///< what is waited for to pass, with its cause; else ""
};

/// From the thread that runs the pass.
using ProgressCallback = std::function<void(const Progress&)>;

/// `checkpoints` may be null: then nothing is resumed and nothing kept. Throws Error{conflict, native "SourceChanged"}
/// when the snapshot's disks are not exactly those ordered or a capacity is larger than its sink.
PassReport run_pass(Source& source, Target& target, CheckpointLog* checkpoints, const PassOrder& order,
                    const ProgressCallback& on_progress, const std::stop_token& stop);

}  // namespace mk::engine
