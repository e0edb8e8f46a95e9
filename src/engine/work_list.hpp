#pragma once
// The work of one disk in order: batches of units, made ahead of the copy by asking the source for its holes in ranges
// of 1 GiB. Memory depends on how fragmented the plan is, never on the size of the disk. Thread-safe: one thread
// measures, lanes take.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "block/block_source.hpp"
#include "engine/batch.hpp"
#include "engine/planner.hpp"

namespace mk::engine {

class WorkList {
  public:
    /// `plan` must outlive it.
    explicit WorkList(const Plan& plan);

    /// Fills the list until everything is in it; waits while enough is ready. A failure is thrown by take(). Returns
    /// early when stopped.
    void measure(block::BlockSource& source, const std::stop_token& stop) noexcept;

    /// The next batch, or its beginning: no unit reaches over a multiple of `most`, which is a power of two between
    /// leaf_size and unit_size (but a cleared one). Nothing when none is ready, or all were taken. Throws what
    /// measure() failed with.
    std::unique_ptr<Batch> take(Bytes most = unit_size);
    /// Waits until take() gives something, all were taken, `until` or a stop.
    void wait(std::chrono::steady_clock::time_point until, const std::stop_token& stop);
    bool is_exhausted() const;
    /// To be filled again.
    void give_back(std::unique_ptr<Batch> batch);

    /// Bytes of the plan that must be handled, resumed ones included. Falls while holes of a full copy are found.
    Bytes planned() const { return planned_; }
    /// Bytes of areas that need nothing because they are holes here and zero there.
    Bytes skipped() const { return skipped_; }
    /// Bytes in units of the result; final when is_exhausted().
    Bytes listed() const { return listed_; }

  private:
    struct Segment {
        Range range;
        enum class Kind : std::uint8_t { copy, compare, gap } kind;
    };
    class Filler;

    void append_segments(const RangeSet& ranges, Segment::Kind kind);
    void fill(block::BlockSource& source, const std::stop_token& stop);
    std::unique_ptr<Batch> empty_batch();
    std::unique_ptr<Batch> reused_batch();  ///< the caller holds the mutex
    void put(std::unique_ptr<Batch> batch, const std::stop_token& stop);

    const Plan& plan_;
    std::vector<Segment> segments_;
    std::atomic<Bytes> planned_{0};
    std::atomic<Bytes> skipped_{0};
    std::atomic<Bytes> listed_{0};

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<std::unique_ptr<Batch>> ready_;
    std::vector<std::unique_ptr<Batch>> free_;
    bool is_complete_ = false;
    std::exception_ptr failure_;
};

}  // namespace mk::engine
