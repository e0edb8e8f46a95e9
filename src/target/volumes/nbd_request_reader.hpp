#pragma once
// Requests and payloads out of a client's stream with few calls: a payload is received straight into its place, and the
// same call takes the head of the next request when it is already there. Internal to the NBD server; one thread.

#include <array>
#include <cstdint>
#include <optional>

#include "os/byte_stream.hpp"
#include "target/volumes/nbd_protocol.hpp"

namespace mk::volumes {

struct NbdRequest {
    std::uint16_t flags = 0;
    nbd::Command command = nbd::Command::read;  ///< as received: may be a number that is none
    std::uint64_t cookie = 0;
    Range range;
};

class NbdRequestReader {
  public:
    static constexpr std::size_t head_length = 28;

    explicit NbdRequestReader(os::ByteStream& stream) : stream_(stream) {}
    /// Waits for the next request. Nothing when the client left between two requests or does not speak NBD any more.
    /// Throws Error as the stream.
    std::optional<NbdRequest> next();
    /// The next request, when its whole head has arrived already; it stays where it is.
    std::optional<NbdRequest> peek() const;
    /// The next `length` bytes, into the start of `room`, which is head_length longer: what follows it is overwritten.
    void payload(std::span<std::byte> room, std::size_t length);

  private:
    std::size_t available() const { return end_ - begin_; }

    os::ByteStream& stream_;
    std::array<std::byte, 1024> input_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace mk::volumes
