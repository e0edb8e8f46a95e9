#pragma once
// The VMA's way to the services of its OMA.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "os/byte_stream.hpp"
#include "tunnel/token_bucket.hpp"

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

/// What went over a stream, after compression and before TLS. Thread-safe counters.
struct Traffic {
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> received{0};
};

/// Connects to the paired gateway and to the service named by `protocol`. Throws Error{conflict, "NotPaired"} without a
/// pairing, Error{forbidden} when the gateway is not who was paired or refuses us, Error{unavailable} when it cannot be
/// reached. `traffic` may be empty.
std::unique_ptr<os::ByteStream> dial(const DialOptions& options, const std::string& protocol,
                                     std::shared_ptr<Traffic> traffic, const std::stop_token& stop);

}  // namespace mk::tunnel
