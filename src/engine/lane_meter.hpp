#pragma once
// What a lane tells while it runs. Written by the lane alone, read by anybody; no locks.

#include <algorithm>
#include <atomic>
#include <chrono>

#include "engine/copier.hpp"

namespace mk::engine {

struct alignas(64) LaneMeter {
    std::atomic<Bytes> read{0};
    std::atomic<Bytes> sent{0};
    std::atomic<Bytes> zeroed{0};
    std::atomic<Bytes> skipped{0};
    std::atomic<Bytes> compared{0};
    std::atomic<Bytes> done{0};
    /// Waiting for the source, for the way to the sink, and for the sink's answers.
    std::atomic<std::int64_t> read_wait_ns{0};
    std::atomic<std::int64_t> send_wait_ns{0};
    std::atomic<std::int64_t> answer_wait_ns{0};

    void put(const CopyCounts& counts, Bytes unanswered) {
        read.store(counts.read, std::memory_order_relaxed);
        sent.store(counts.sent, std::memory_order_relaxed);
        zeroed.store(counts.zeroed, std::memory_order_relaxed);
        skipped.store(counts.skipped, std::memory_order_relaxed);
        compared.store(counts.compared, std::memory_order_relaxed);
        done.store(counts.done - std::min(unanswered, counts.done), std::memory_order_relaxed);
    }
    CopyCounts counts() const {
        return {.read = read, .sent = sent, .zeroed = zeroed, .skipped = skipped, .compared = compared, .done = done};
    }
};

}  // namespace mk::engine
