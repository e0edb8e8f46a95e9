#pragma once
// Disks in memory, for tests of everything that reads and writes blocks. Faults are set from outside, so that they are
// composed in tests and never coded into the thing tested. Thread-safe as the interfaces demand; the public fields are
// set before the first channel is opened and looked at when no channel is used, hooks are called by the channels'
// threads without any lock.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "block/block_sink.hpp"
#include "block/block_source.hpp"

namespace mk::block {

class MemorySource : public BlockSource {
  public:
    explicit MemorySource(std::vector<std::byte> content, Bytes max_request = 2 * MiB);
    Bytes capacity() const override { return content_.size(); }
    Bytes max_request() const override { return max_request_; }
    /// Runs of 4 KiB that are all zero are holes.
    std::vector<Extent> extents(Range range, const std::stop_token& stop) override;
    /// Throws what on_open throws. The source must outlive its channels.
    std::unique_ptr<ReadChannel> open_channel(const std::stop_token& stop) override;

    std::function<void()> on_open;       ///< called before each channel is opened; may throw
    std::function<void(Range)> on_read;  ///< called before each answer; may throw: external is an answer, other codes
                                         ///< break the channel
    /// The n-th answer from now, counted over all channels, breaks its channel instead: Error{unavailable}. 0: none.
    std::atomic<int> break_at = 0;
    bool answers_newest_first = false;
    std::vector<Range> reads;  ///< every range that was read
    std::atomic<int> open_channels = 0;

  private:
    class Channel;

    std::vector<std::byte> content_;
    Bytes max_request_;
    std::mutex mutex_;  // protects reads
};

class MemorySink : public BlockSink {
  public:
    /// Starts filled with `fill`, so that a range nobody wrote is seen.
    explicit MemorySink(Bytes capacity, std::byte fill = std::byte{0}, Bytes max_request = 32 * MiB);
    Bytes capacity() const override { return capacity_; }
    Bytes max_request() const override { return max_request_; }
    bool has_multi_conn() const override { return multi_conn; }
    /// Throws what on_open throws. The sink must outlive its channels.
    std::unique_ptr<WriteChannel> open_channel(const std::stop_token& stop) override;
    std::string instance() const override;

    /// What a power cut does: everything since the last flush is lost, all channels break at their next call, later
    /// ones see another instance. From any thread.
    void restart();

    std::vector<std::byte> content;
    std::vector<Range> writes;  ///< in the order in which they were carried out
    std::vector<Range> zeroes;
    int flushes = 0;
    std::function<void()> on_open;        ///< called before each channel is opened; may throw
    std::function<void(Range)> on_write;  ///< called before each write or zero is carried out; may throw
    std::function<void()> on_flush;       ///< called before a flush becomes durable; may throw
    /// Requests that a channel lets pile up before it carries out the oldest; drain() carries out all.
    std::size_t unanswered_depth = 0;
    bool answers_newest_first = false;
    bool multi_conn = true;
    /// The n-th request from now that is carried out, counted over all channels, breaks its channel instead:
    /// Error{unavailable}. Of the requests that wait behind it every other one is carried out unseen. 0: none.
    std::atomic<int> break_at = 0;
    std::atomic<int> open_channels = 0;

  private:
    class Channel;
    int current_generation() const;

    const Bytes capacity_;
    const Bytes max_request_;
    mutable std::mutex mutex_;  // protects content, writes, zeroes, flushes and what follows
    std::vector<std::byte> durable_;
    int generation_ = 1;  ///< how often the "server" was started
};

}  // namespace mk::block
