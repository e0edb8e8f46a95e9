#pragma once
// What the copy engine reads from. Implementations: NbdSource (our client for the data, libnbd for allocation),
// MemorySource (tests).

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/bytes.hpp"
#include "base/error.hpp"

namespace mk::block {

/// A run of the disk that holds data, or that reads as zero without being read.
struct Extent {
    Range range;
    bool is_zero = false;
};

/// Error{external}: the reader answered this request with an error.
class ReadFailure : public Error {
  public:
    ReadFailure(const Error& error, Range range) : Error(error), range_(range) {}
    Range range() const noexcept { return range_; }

  private:
    Range range_;
};

/// A connection of its own for one reading thread. Requests are answered in any order, so several are kept in flight.
/// Errors: unavailable, timeout (connection lost: open another channel), external (a ReadFailure: that request is
/// answered, the channel stays usable), corrupt (the peer broke the protocol), cancelled (the channel is useless).
class ReadChannel {
  public:
    struct Reply {
        Range range;
        /// Valid until the next call on this channel.
        std::span<const std::byte> data;
    };

    virtual ~ReadChannel() = default;
    /// Sends the request, at the latest when a receive() would have to wait. `range` is at most max_request() long,
    /// lies within the capacity, and no two requests in flight are equal.
    virtual void request(Range range) = 0;
    /// Waits for the next answer. At least one request must be in flight.
    virtual Reply receive(const std::stop_token& stop) = 0;
    virtual std::size_t in_flight() const = 0;
};

/// Thread-safe: channels are opened and used by several threads at once.
class BlockSource {
  public:
    virtual ~BlockSource() = default;
    virtual Bytes capacity() const = 0;
    /// The largest request the reader takes.
    virtual Bytes max_request() const = 0;
    /// Covers `range` without gaps, in order. A source that cannot tell, or whose query fails, says "data".
    virtual std::vector<Extent> extents(Range range, const std::stop_token& stop) = 0;
    virtual std::unique_ptr<ReadChannel> open_channel(const std::stop_token& stop) = 0;
};

}  // namespace mk::block
