#pragma once
// What the tunnel does with sockets beside connecting and listening (os/socket.hpp): passing descriptors between
// processes (unix(7), SCM_RIGHTS), keeping connections alive, asking the kernel. Free functions, any thread.

#include <chrono>
#include <optional>
#include <string>

#include "os/file.hpp"

namespace mk::tunnel {

/// Not blocking: false when the process behind `path` is not there or does not take connections fast enough.
bool hand_over(const std::string& path, int descriptor);
/// The descriptor that came over `connection`; an empty one when none came within the limit. Only the first is taken.
os::Descriptor receive_descriptor(int connection, std::chrono::milliseconds limit);

/// Dead peers are noticed within about two minutes also when nothing is sent; small messages go at once.
void tune_accepted(int socket);
/// The kernel's estimate of the time to the peer and back; nothing when it is no TCP socket.
std::optional<std::chrono::microseconds> round_trip_of(int socket);

}  // namespace mk::tunnel
