#pragma once
// Carries out the plans of disks: lanes read, test for zeros, take digests and write (docs/data-plane.md section 2).
// Knows no snapshots: source and sink are any block device.
//
//   lane: one thread, one read channel, one write channel. Requests of at most one leaf, many in flight; what is
//   answered first is handled first, from the buffer it was received in.
//
// Failures: a lost channel is opened again for as long as the patience lasts; what was not answered is repeated; when
// the server is another one (BlockSink::instance), all that was not flushed is repeated. A reader that answers with an
// error is asked again a few times. Everything else ends the copy.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/retry.hpp"
#include "block/block_sink.hpp"
#include "block/block_source.hpp"
#include "engine/planner.hpp"
#include "engine/ports.hpp"

namespace mk::engine {

struct CopyCounts {
    Bytes read = 0;
    Bytes sent = 0;  ///< as data; what had to be repeated counts again, as in `read` and `zeroed`
    Bytes zeroed = 0;
    Bytes skipped = 0;   ///< zero on both sides: nothing sent
    Bytes compared = 0;  ///< of the plan, by digests
    Bytes done = 0;      ///< of the plan, each byte once
};

struct CopyOptions {
    std::size_t lanes = 8;                ///< of all disks together
    std::size_t requests_in_flight = 32;  ///< of a lane, at most: ReadDepth finds how many are worth it
    bool takes_digests = true;            ///< false only to measure what they cost: the outcome has none
    int read_attempts = 4;                ///< of a request that the reader answers with an error
    RetryPolicy patience{.first_pause = std::chrono::milliseconds{100},
                         .longest_pause = std::chrono::seconds{15},
                         .give_up_after = std::chrono::minutes{10}};
    /// What was written becomes durable that often: when either is reached. A lane flushes for at most a twentieth of
    /// its time, however slow flushes are.
    std::chrono::milliseconds flush_interval{1'000};
    Bytes flush_bytes = 16 * GiB;
    /// The sink is behind a tunnel: waiting for it to take bytes is the tunnel's doing. Otherwise it is the target's.
    bool through_tunnel = false;
    std::chrono::milliseconds measuring_window{500};  ///< for the number of lanes
};

/// One disk to copy. What it points to must outlive the copy.
struct DiskTask {
    std::string name;  ///< for messages
    const Plan* plan = nullptr;
    /// Called when it is the disk's turn; closed when the disk is done. Throws when the disk is not what was planned.
    std::function<std::shared_ptr<block::BlockSource>(const std::stop_token&)> open_source;
    block::BlockSink* sink = nullptr;
    /// One per lane; needed for plans that compare.
    std::function<std::unique_ptr<TargetDigests>(const std::stop_token&)> open_digests{};
    /// Hears of runs that are durable on the sink, with their digests, and of where the target differed: at least one
    /// difference of each batch before it is mended, the others with the runs; again perhaps. From any lane's thread.
    std::function<void(std::span<const RunDigest>, std::span<const Range> differences)> on_durable{};
};

struct CopyOutcome {
    CopyCounts counts;
    Bytes planned = 0;
    std::vector<RunDigest> digests;  ///< of everything in the plan, in order, resumed runs included
    std::vector<Range> differences;  ///< where a compared target differed, in order, merged
};

struct DiskStatus {
    Bytes planned = 0;  ///< falls while holes of a full copy are found
    CopyCounts counts;  ///< done: answered by the target; all of it only when it is durable
    bool is_finished = false;
};

struct CopyStatus {
    std::vector<DiskStatus> disks;
    std::string bottleneck;  ///< "read", "tunnel", "write": that leg was waited for more than 80 % of the last seconds
    std::string trouble;     ///< what is waited for to pass, with its cause: a lost connection; else ""
    std::size_t lanes = 0;
};

/// A few times a second and once at the end, from the calling thread.
using StatusCallback = std::function<void(const CopyStatus&)>;

/// When it returns, everything is durable on the sinks, proven to cover the plans. Throws what source or sink threw,
/// naming the disk; Error{cancelled} when stopped; the sinks' content is then undefined within the plans' ranges that
/// on_durable did not hear of.
std::vector<CopyOutcome> copy_disks(const std::vector<DiskTask>& tasks, const CopyOptions& options,
                                    const StatusCallback& on_status, const std::stop_token& stop);

/// One disk; a plan without comparisons.
CopyOutcome copy_disk(const Plan& plan, block::BlockSource& source, block::BlockSink& sink, const CopyOptions& options,
                      const std::stop_token& stop);

}  // namespace mk::engine
