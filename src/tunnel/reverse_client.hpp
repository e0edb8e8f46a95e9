#pragma once
// The VMA's end of the reverse connections: keeps some idle ones at the gateway, and joins those that are used to
// vma-api. Works through any interruption: while the gateway cannot be reached, or this appliance is not paired, it
// tries again with growing pauses (half a second to 30 s, jittered), one connection at a time.

#include <cstddef>
#include <memory>
#include <string>

namespace mk::tunnel {

struct ReverseClientOptions {
    std::string folder;            ///< identity and pairing
    std::string vma_api;           ///< "host:port", or the path of a unix socket (begins with '/')
    std::string metrics_folder{};  ///< see metrics.hpp; empty: none
    std::size_t idle = 4;          ///< kept ready; doubles when they become rare, up to
    std::size_t max_idle = 16;     ///< ... this, and comes down again after some quiet minutes
    std::size_t max_connections = 64;
};

class ReverseClient {
  public:
    /// Begins at once. Throws Error{invalid} for a vma_api that is no address.
    explicit ReverseClient(ReverseClientOptions options);
    ~ReverseClient();

    struct Count {
        std::size_t idle = 0;  ///< accepted by the gateway
        std::size_t used = 0;
    };
    Count count() const;
    /// Prometheus text.
    std::string metrics() const;
    /// Cuts everything. Idempotent.
    void stop();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mk::tunnel
