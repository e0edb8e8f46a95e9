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
/// looked at by later calls, so an error may belong to an earlier request. Errors as ReadChannel, plus exhausted (no
/// space at the target). After any error unanswered() tells what may or may not have arrived.
class WriteChannel {
  public:
    virtual ~WriteChannel() = default;
    /// `data` may be reused as soon as this returns. At most max_request() bytes.
    virtual void write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) = 0;
    /// Makes the range read as zero; may be longer than max_request().
    virtual void zero(Range range, const std::stop_token& stop) = 0;
    /// Waits until every request was answered. Arrived is not durable.
    virtual void drain(const std::stop_token& stop) = 0;
    /// drain(), then waits until everything that was answered before - on every channel of the sink - is durable.
    virtual void flush(const std::stop_token& stop) = 0;
    /// Sent, not answered, in the order of sending. Works after an error, too.
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
