#pragma once
// Carries out the plan of one disk: a thread reads, the calling one tests for zeros, takes digests and writes. Every
// byte of the target is written at most once per pass, so a target that was zero needs no zero commands at all. Ends
// with a flush.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "block/block_sink.hpp"
#include "block/block_source.hpp"
#include "engine/pass.hpp"
#include "engine/planner.hpp"

namespace mk::engine {

struct CopyCounts {
    Bytes read = 0;
    Bytes sent = 0;
    Bytes zeroed = 0;
    Bytes skipped = 0;
    Bytes done = 0;  ///< of Plan::planned
};

struct CopyOptions {
    bool target_is_zero = false;                           ///< zeros need not be written
    bool counts_holes = true;                              ///< holes inside of units are part of Plan::planned
    std::function<void(const CopyCounts&)> on_progress{};  ///< from the calling thread, after each piece
    std::function<void()> on_flush{};                      ///< everything is sent, flushing starts
};

struct CopyOutcome {
    CopyCounts counts;
    std::vector<RangeDigest> digests;
};

/// When it returns, everything is durable on the sink. Throws what source or sink threw, Error{cancelled} when stopped;
/// the sink's content is then undefined within the plan's ranges.
CopyOutcome copy_disk(const Plan& plan, block::BlockSource& source, block::BlockSink& sink, const CopyOptions& options,
                      const std::stop_token& stop);

}  // namespace mk::engine
