#pragma once
// The VMA's way to the services of its OMA.

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "os/byte_stream.hpp"
#include "tunnel/token_bucket.hpp"
#include "tunnel/traffic.hpp"

namespace mk::tunnel {

namespace alpn {
inline constexpr const char* nbd = "mk-nbd/1";
inline constexpr const char* nbd_zstd = "mk-nbd-zstd/1";
inline constexpr const char* digest = "mk-digest/1";
inline constexpr const char* control = "mk-control/1";
inline constexpr const char* pair = "mk-pair/1";
}  // namespace alpn

struct DialOptions {
    std::string folder;  ///< identity and pairing of this appliance
    std::chrono::milliseconds limit{30'000};
    std::shared_ptr<TokenBucket> bucket{};  ///< limits what is written, in bytes on the wire; empty: no limit
};

/// Connects to the paired gateway and to the service named by `protocol`. Throws Error{conflict, "NotPaired"} without a
/// pairing, Error{forbidden} when the gateway is not who was paired or refuses us, Error{unavailable} when it cannot be
/// reached or does not serve the protocol at the moment (which includes that it has too many connections),
/// Error{cancelled}. `traffic` (what went over the stream after compression and before TLS) may be empty; several
/// streams may share one. The limit of the stream itself is ByteStream's.
std::unique_ptr<os::ByteStream> dial(const DialOptions& options, const std::string& protocol,
                                     std::shared_ptr<Traffic> traffic, const std::stop_token& stop);

}  // namespace mk::tunnel
