#pragma once
// The one place where sockets are made: connecting, listening, accepting. All are close-on-exec and non-blocking. Free
// functions, any thread. Who wants to send and receive takes os::ByteStream (byte_stream.hpp).

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

#include "os/file.hpp"

namespace mk::os {

/// Connects within `limit`. Error{unavailable} naming the address when nobody answers, Error{cancelled} when stopped,
/// Error{invalid} for a path that is no socket's (107 bytes are the limit).
Descriptor connect_unix_socket(const std::string& path, std::chrono::milliseconds limit, const std::stop_token& stop);
/// As above; `host` is a name or a numeric address, whose addresses share the time.
Descriptor connect_tcp_socket(const std::string& host, std::uint16_t port, std::chrono::milliseconds limit,
                              const std::stop_token& stop);
/// One of the two: "/path", "host:port", "[::1]:8082". Error{invalid} for another form.
Descriptor connect_to(const std::string& target, std::chrono::milliseconds limit, const std::stop_token& stop);

/// Replaces what is at `path` in one step; only our own user may connect (mode 0600). Error{invalid} when the path is
/// too long for a socket.
Descriptor listen_unix(const std::string& path);

struct TcpListener {
    Descriptor socket;
    std::uint16_t port = 0;  ///< the one that was chosen, when any free one was wanted
};
/// `host` is numeric, or empty for every address (IPv4 and IPv6). Error{external} when the port is in use.
TcpListener listen_tcp(const std::string& host, std::uint16_t port);

/// Nothing when nobody waits (any more). Throws Error{external} when the machine has nothing left for one more
/// connection: the listener then stays readable, so pause before asking again.
Descriptor accept_now(int listener);

/// Connects to a numeric IPv4 or IPv6 address and returns the first bytes that the peer sends by itself (an SSH or SMTP
/// greeting). A connection alone proves nothing: forwarders accept it for machines that are not there. Throws
/// Error{unavailable} when it cannot be connected, closes without a word or stays silent for `limit`; Error{invalid}
/// for an address that is none.
std::string read_greeting(const std::string& address, std::uint16_t port, std::chrono::milliseconds limit);

}  // namespace mk::os
