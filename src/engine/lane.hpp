#pragma once
// One thread with one read channel and one write channel: takes batches of its disk until none is left. Holds a batch
// until it is durable; knows at every moment what would have to be done again.

#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <vector>

#include "engine/disk_copy.hpp"
#include "engine/held_batches.hpp"
#include "engine/lane_meter.hpp"
#include "engine/patience.hpp"
#include "engine/read_side.hpp"
#include "engine/write_side.hpp"

namespace mk::engine {

class Lane {
  public:
    /// When `is_leaving` becomes true the lane takes no more, finishes what it has, and returns.
    Lane(DiskCopy& disk, const CopyOptions& options, LaneMeter& meter, const std::atomic<bool>& is_leaving);
    /// Opens its connections, each tried once. Not needed: run() opens what is not open, with patience.
    void connect(const std::stop_token& stop);
    /// Returns when everything it took is durable. Throws what cannot be repeated, Error{cancelled} when stopped.
    void run(const std::stop_token& stop);

  private:
    using Time = std::chrono::steady_clock::time_point;

    void fill();
    bool take_batch();
    void step(Batch& batch);
    void request_leaf(Batch& batch, const Unit& unit);
    void handle_zeros(Batch& batch, const Unit& unit);
    void compare_zeros(Batch& batch, const Unit& unit);
    bool zero(Range range);
    void ask_target(Batch& batch, const Unit& unit);
    void handle(const ReadSide::Answer& answer);
    void note_difference(Batch& batch, Range range);
    bool is_as_expected(Batch& batch, const Unit& unit, const ReadSide::Answer& answer);
    Bytes send(block::WriteChannel& channel, const Unit& unit, Bytes offset, std::span<const std::byte> data);
    void count_handled(Batch& batch, Bytes bytes);

    template <class Work>
    bool write(const Work& work, Range current);
    void repeat(const WriteLoss& loss, Range current);
    void repeat_one();
    void start_over();

    bool is_flush_due() const;
    void flush();
    void settle();
    void measure_rate(Time now);
    void publish();

    DiskCopy& disk_;
    const CopyOptions& options_;
    LaneMeter& meter_;
    const std::atomic<bool>& is_leaving_;
    std::stop_token stop_;
    ReadSide reader_;
    WriteSide writer_;
    std::unique_ptr<TargetDigests> digests_;
    Patience digest_patience_;
    Bytes max_write_;

    HeldBatches held_;
    std::vector<Redo> redo_;

    CopyCounts counts_;
    bool is_dirty_ = false;  ///< something was sent since the last flush
    Bytes sent_since_flush_ = 0;
    std::size_t held_at_flush_ = 0;
    Bytes piece_;  ///< taken at a time: what takes about half a second, because only whole units are resumed
    Time measured_at_ = std::chrono::steady_clock::now();
    Bytes done_then_ = 0;
    Time next_flush_;
    Time next_look_{};
    Bytes unanswered_ = 0;
};

}  // namespace mk::engine
