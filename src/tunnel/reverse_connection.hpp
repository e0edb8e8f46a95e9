#pragma once
// One reverse connection at the VMA, from dialling to its end (control_protocol.hpp).

#include <chrono>
#include <stop_token>
#include <string>

#include "tunnel/metrics.hpp"

namespace mk::tunnel {

/// Hears what becomes of a connection, on the connection's thread.
class ReverseObserver {
  public:
    virtual ~ReverseObserver() = default;
    virtual void on_idle() = 0;
    virtual void on_used() = 0;
    virtual void on_round_trip(std::chrono::microseconds time) = 0;
    /// Asked now and then while idle; true ends the connection.
    virtual bool is_superfluous() = 0;
};

struct ReverseRoute {
    std::string folder;   ///< identity and pairing
    std::string vma_api;  ///< see ReverseClientOptions
};

/// Returns when the connection has been used, was superfluous or stopped; throws what ended it otherwise.
void run_reverse_connection(const ReverseRoute& route, ReverseObserver& observer, Metrics::Protocol& counted,
                            const std::stop_token& stop);

}  // namespace mk::tunnel
