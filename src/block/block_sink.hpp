#pragma once
// What the copy engine writes to. Implementations: NbdSink (our client), MemorySink (tests).

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace mk::block {

/// A connection of its own for one writing thread. Writes are sent and not waited for; what the target answers is
/// looked at by later calls, so an error may belong to an earlier request. Errors: unavailable, timeout, external (the
/// target answered with an error), exhausted (no space at the target), corrupt, cancelled. After any of them the
/// channel fails for good; unanswered() tells what may or may not have arrived, and includes the whole range of a
/// write() or zero() that threw. Requests are carried out in any order, on all channels: what overlaps must not be
/// unanswered at the same time.
class WriteChannel {
  public:
    virtual ~WriteChannel() = default;
    /// `data` may be reused as soon as this returns. At most max_request() bytes.
    virtual void write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) = 0;
    /// Makes the range read as zero; may be longer than max_request().
    virtual void zero(Range range, const std::stop_token& stop) = 0;
    /// Waits until every request was answered. Arrived is not durable.
    virtual void drain(const std::stop_token& stop) = 0;
    /// drain(), then waits until everything that was answered before - on every channel of the sink - is durable. When
    /// the target answers with an error (external, exhausted), nothing since the last flush that succeeded is safe,
    /// even if instance() stays the same.
    virtual void flush(const std::stop_token& stop) = 0;
    /// Accepted and not answered with success, in the order of acceptance. Works after an error, too.
    virtual std::vector<Range> unanswered() const = 0;

    /// Time spent waiting for the way to take bytes, and for the target's answers.
    virtual std::chrono::nanoseconds send_wait() const = 0;
    virtual std::chrono::nanoseconds answer_wait() const = 0;
    /// Payload bytes handed to the connection.
    virtual Bytes sent() const = 0;
};

/// Thread-safe: channels are opened and used by several threads at once.
class BlockSink {
  public:
    virtual ~BlockSink() = default;
    virtual Bytes capacity() const = 0;
    virtual Bytes max_request() const = 0;
    /// One flush covers all channels. Otherwise only one channel may be open at a time.
    virtual bool has_multi_conn() const = 0;
    virtual std::unique_ptr<WriteChannel> open_channel(const std::stop_token& stop) = 0;
    /// Names the running server and session behind the last opened channel. As long as it stays the same, what was
    /// answered before a cut is still there; when it differs or is empty, only what was flushed is.
    virtual std::string instance() const = 0;
};

}  // namespace mk::block
