#pragma once
// What a pass needs from the world. Implemented by source/vsphere and block behind apps/migratekit-engine, by fakes in
// tests.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/block_digest.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "block/block_sink.hpp"
#include "block/block_source.hpp"
#include "engine/planner.hpp"
#include "model/ids.hpp"

namespace mk::engine {

/// A disk of the snapshot: what the next increment will start from.
struct FrozenDisk {
    DiskId id;
    Bytes capacity = 0;
    std::string backing_uuid;
    std::string change_id;  ///< empty: change tracking is not working for this disk
};

/// One instant of a machine. Readers must be closed before release().
class FrozenMachine {
  public:
    virtual ~FrozenMachine() = default;
    virtual const std::vector<FrozenDisk>& disks() const = 0;
    virtual Instant taken_at() const = 0;
    virtual std::string consistency() const = 0;  ///< "crash" or "application"
    /// Areas changed since `since`, or allocated areas for "*": sorted, merged, clipped to the capacity, coverage of
    /// the whole disk proven. Throws Error{corrupt, native "ChangeTrackingReset"} when the id is not valid any more.
    virtual std::vector<Range> changed_areas(const DiskId& disk, const std::string& since,
                                             const std::stop_token& stop) = 0;
    virtual std::unique_ptr<block::BlockSource> open(const DiskId& disk, const std::stop_token& stop) = 0;
    /// Removes the snapshot and waits for the consolidation. Safe to repeat.
    virtual void release(const std::stop_token& stop) = 0;
};

class Source {
  public:
    virtual ~Source() = default;
    /// Removes left-over snapshots of ours, enables change tracking where needed, takes the snapshot.
    /// `on_stage` hears "Connecting", "Enabling change tracking", "Taking snapshot" (gui.md section 5).
    virtual std::unique_ptr<FrozenMachine> freeze(const std::function<void(std::string_view)>& on_stage,
                                                  const std::stop_token& stop) = 0;
};

/// Digests of what the target holds now, asked without moving data. One thread.
class TargetDigests {
  public:
    virtual ~TargetDigests() = default;
    /// Of every leaf of the run, which is at most 32 MiB long.
    virtual std::vector<LeafDigest> leaves(Range run, const std::stop_token& stop) = 0;
};

/// Thread-safe.
class Target {
  public:
    virtual ~Target() = default;
    virtual std::unique_ptr<block::BlockSink> open(const DiskId& disk, const std::stop_token& stop) = 0;
    /// Throws Error{conflict} when this way to the target cannot tell digests.
    virtual std::unique_ptr<TargetDigests> open_digests(const DiskId& disk, const std::stop_token& stop) = 0;
};

/// What attempts so far did on the target of a disk.
struct DiskCheckpoint {
    DiskId id;
    std::string session;    ///< the write session's export: what was written is in there
    std::string change_id;  ///< of the last attempt's snapshot; the runs are as they were in it
    std::string backing_uuid;
    Bytes capacity = 0;
    RangeSet touched;                  ///< where any attempt may have written
    std::vector<RunDigest> runs{};     ///< durable, apart from each other
    std::vector<Range> differences{};  ///< where a compared target differed; in any order, twice perhaps
};

/// Survives the engine. A crash at any moment leaves what begin() or append() before it left, or what this one leaves.
class CheckpointLog {
  public:
    virtual ~CheckpointLog() = default;
    /// Empty when there is none, or none that can be understood.
    virtual std::vector<DiskCheckpoint> load() = 0;
    /// Replaces everything. Throws when it cannot be kept: then nothing must be written to the targets.
    virtual void begin(const std::vector<DiskCheckpoint>& disks) = 0;
    /// Thread-safe. What cannot be kept is only not resumed: logged, never thrown.
    /// `differences` are kept before or together with `runs`, never after.
    virtual void append(const DiskId& disk, std::span<const RunDigest> runs,
                        std::span<const Range> differences) noexcept = 0;
};

}  // namespace mk::engine
