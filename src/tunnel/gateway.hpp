#pragma once
// The OMA's end of the tunnel: one port, and behind it the Volume Daemon (by hand-off), the reverse connections of the
// VMAs and the pairing exchange.

#include <cstdint>
#include <memory>
#include <string>

namespace mk::tunnel {

struct GatewayOptions {
    std::string host;  ///< numeric address
    std::uint16_t port = 443;
    std::string folder;               ///< identity and pairings
    std::string name = "migratekit";  ///< what VMAs show for this OMA; not in the certificate, which strangers can read
    std::string hand_off_socket;      ///< of the Volume Daemon; see hand_off.hpp
    std::string control_folder;       ///< sockets to the VMAs; see control_sockets.hpp
    std::string metrics_folder;       ///< see metrics.hpp; empty: none
    std::size_t max_half_open = 1024;
    std::size_t max_connections = 512;  ///< reverse ones, of all VMAs together
};

class Gateway {
  public:
    /// Listens and serves at once.
    explicit Gateway(GatewayOptions options);
    ~Gateway();
    std::uint16_t port() const;
    /// Prometheus text.
    std::string metrics() const;
    /// Idempotent. Connections that were handed off go on.
    void stop();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mk::tunnel
