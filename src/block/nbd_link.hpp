#pragma once
// One negotiated NBD connection of our own client: stream, export, and the rules for its end. Every wait ends at a stop
// request (the stream is shut down) or after the limit; after an Error it fails for good with that Error. One thread.
// Internal to block/.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.hpp"
#include "block/nbd.hpp"
#include "block/nbd_negotiation.hpp"

namespace mk::block::nbd {

class Link {
  public:
    /// Dials and negotiates.
    Link(const NbdEndpoint& endpoint, const NbdOptions& options, const std::stop_token& stop);
    /// Tells the server when that is possible without waiting.
    ~Link();
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    const Export& info() const { return info_; }
    const std::string& peer() const { return peer_; }
    os::ByteStream& stream() { return *stream_; }
    const os::ByteStream& stream() const { return *stream_; }
    /// Of requests with payload: the options' limit, or the server's when that is smaller.
    Bytes max_request() const { return max_request_; }
    /// The largest request that the server announced, in whole sectors.
    Bytes server_maximum() const { return server_maximum_; }

    /// Calls an action that uses the stream.
    template <typename Action>
    void run(const std::stop_token& stop, Action action) {
        check(stop);
        try {
            const std::stop_callback shut_down(stop, [this] { stream_->shut_down(); });
            action();
        } catch (const Error& error) {
            fail(error, stop);
        }
    }
    /// As ByteStream::read_some(), but the server's end is an Error.
    std::size_t read_some(std::span<std::byte> buffer) { return checked(stream_->read_some(buffer)); }
    /// 0: nothing is there now.
    std::size_t read_now(std::span<std::byte> buffer) {
        const auto got = stream_->read_now(buffer);
        return got ? checked(*got) : 0;
    }
    /// Error{corrupt}: what the server did against the protocol.
    Error broken_rule(const std::string& what) const;

  private:
    void check(const std::stop_token& stop);
    [[noreturn]] void fail(const Error& error, const std::stop_token& stop);
    std::size_t checked(std::size_t got) const;
    void learn_limits(Bytes wanted_max);

    std::string peer_;
    std::unique_ptr<os::ByteStream> stream_;
    Export info_;
    Bytes max_request_ = 0;
    Bytes server_maximum_ = 0;
    std::optional<Error> failure_;
};

/// "Input/output error" and the like for a number of the wire.
std::string error_text(std::uint32_t error_number);

}  // namespace mk::block::nbd
