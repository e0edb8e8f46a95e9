#pragma once
// What a TLS ClientHello asks for, from the first bytes of a connection that nobody has taken from the socket yet
// (RFC 8446, sections 4.1.2 and 5.1; ALPN: RFC 7301). Every byte comes from a stranger.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace mk::tunnel {

/// Of one ClientHello with its record headers. Ours have about 300 bytes; browsers send up to 2 KiB.
inline constexpr std::size_t largest_client_hello = 16 * KiB;

struct ClientHello {
    enum class State {
        incomplete,  ///< so far it is one; more bytes must come
        nonsense,    ///< not a ClientHello, or larger than the limit
        complete,
    };
    State state = State::incomplete;
    /// ALPN names as offered; empty without that extension.
    std::vector<std::string> protocols{};
};

/// `bytes`: everything that came so far.
ClientHello parse_client_hello(std::span<const std::byte> bytes);

}  // namespace mk::tunnel
