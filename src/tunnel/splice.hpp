#pragma once
// Joins a TLS stream and a local socket: what comes out of one goes into the other, until both have ended.

#include <chrono>

#include "os/file.hpp"
#include "tunnel/metrics.hpp"
#include "tunnel/tls_stream.hpp"

namespace mk::tunnel {

/// `socket` is the one below `stream`, for waiting. An end of one direction is passed on while the other one goes on;
/// when the local side closes altogether, everything ends. Returns at the end, or when no byte has come for
/// `idle_limit`. Errors of either side (also after shut_down(), and of a stream of which one
/// direction has ended) are thrown on. `counted` counts what went over
/// `stream`.
void splice(TlsStream& stream, int socket, os::Descriptor local, std::chrono::milliseconds idle_limit,
            Metrics::Protocol& counted);

}  // namespace mk::tunnel
