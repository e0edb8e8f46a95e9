#pragma once
// A connected stream of bytes: a unix or TCP socket here; TLS and compression over one in src/tunnel. What speaks a
// protocol (NBD, digests) takes a ByteStream and does not know what carries it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "os/file.hpp"

namespace mk::os {

/// One thread at a time, except shut_down(). Errors: unavailable (closed, reset, shut down), timeout (no byte moved for
/// the limit). After an Error the stream is useless.
class ByteStream {
  public:
    virtual ~ByteStream() = default;
    /// Sends all pieces one after the other. Returns when the last byte was handed to the layer below, not when the
    /// peer has it.
    virtual void write(std::span<const std::span<const std::byte>> pieces) = 0;
    /// Waits for at least one byte and returns how many were put into the buffer; 0 when the peer closed its side.
    virtual std::size_t read_some(std::span<std::byte> buffer) = 0;
    /// As read_some(), but does not wait: nothing when no byte is there now. A stream that cannot tell says nothing.
    virtual std::optional<std::size_t> read_now(std::span<std::byte> buffer);
    /// Longest wait for progress inside one call. Initially 120 s.
    virtual void set_limit(std::chrono::milliseconds limit) = 0;
    /// From any thread: calls that run now or later fail at once. Does not close the descriptor.
    virtual void shut_down() noexcept = 0;
    /// Time that write() spent waiting because the layer below took nothing. For "which leg is the bottleneck".
    virtual std::chrono::nanoseconds write_wait() const = 0;

    void write(std::span<const std::byte> data);
    /// Fills the buffer; Error{unavailable} when the peer closes before.
    void read(std::span<std::byte> buffer);
};

/// Connects within `limit`. Error{unavailable} naming the address when nobody answers, Error{cancelled} after a stop
/// request.
std::unique_ptr<ByteStream> connect_unix(const std::string& path, std::chrono::milliseconds limit,
                                         const std::stop_token& stop = {});
/// `host` is a name or a numeric address. TCP_NODELAY is set.
std::unique_ptr<ByteStream> connect_tcp(const std::string& host, std::uint16_t port, std::chrono::milliseconds limit,
                                        const std::stop_token& stop = {});
/// Takes over a connected socket, blocking or not, and enlarges its buffers.
std::unique_ptr<ByteStream> stream_on(Descriptor socket);

}  // namespace mk::os
