#pragma once
// What a pass needs from the world. Implemented by source/vsphere and block behind apps/migratekit-engine, by fakes in
// tests.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/block_digest.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "block/block_sink.hpp"
#include "block/block_source.hpp"
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

}  // namespace mk::engine
