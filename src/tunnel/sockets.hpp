#pragma once
// Listening, and passing descriptors between processes (unix(7), SCM_RIGHTS). Free functions, any thread.

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "os/file.hpp"

namespace mk::tunnel {

/// Replaces what is at `path` in one step; only our own user may connect (mode 0600). Error{invalid} when the path is
/// too long for a socket (107 bytes).
os::Descriptor listen_unix(const std::string& path);

struct TcpListener {
    os::Descriptor socket;
    std::uint16_t port = 0;  ///< the one that was chosen, when any free one was wanted
};
/// `host` is numeric, or empty for every address (IPv4 and IPv6). Error{external} when the port is in use.
TcpListener listen_tcp(const std::string& host, std::uint16_t port);

/// A connected socket to "host:port" or to the unix socket at a path (begins with '/'), for those who must wait for
/// several sockets at a time; everybody else takes os::connect_tcp() or os::connect_unix(). A name is looked up with
/// the resolver's own limits. Error{unavailable} when nobody answers within `limit`, Error{cancelled} when stopped.
os::Descriptor connect_to(const std::string& target, std::chrono::milliseconds limit, const std::stop_token& stop);

/// Not blocking; nothing when nobody waits (any more). Throws Error{external} when the machine has nothing left for one
/// more connection: the listener then stays readable, so pause before asking again.
os::Descriptor accept_now(int listener);

/// Not blocking: false when the process behind `path` is not there or does not take connections fast enough.
bool hand_over(const std::string& path, int descriptor);
/// The descriptor that came over `connection`; an empty one when none came within the limit. Only the first is taken.
os::Descriptor receive_descriptor(int connection, std::chrono::milliseconds limit);

/// Dead peers are noticed within about two minutes also when nothing is sent; small messages go at once.
void tune_accepted(int socket);
/// The kernel's estimate of the time to the peer and back; nothing when it is no TCP socket.
std::optional<std::chrono::microseconds> round_trip_of(int socket);

}  // namespace mk::tunnel
