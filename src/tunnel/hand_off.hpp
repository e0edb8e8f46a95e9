#pragma once
// The gateway's connections in the process that serves them. The gateway passes the accepted socket with the
// ClientHello still unread; here the TLS handshake is made, the peer's key is looked up in the pairings, and the stream
// (with compression, where the protocol says so) goes to the handler of its protocol.
//
// Over the unix socket comes one byte with one descriptor per connection, then the sender closes it.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "os/byte_stream.hpp"

namespace mk::tunnel {

struct Accepted {
    std::unique_ptr<os::ByteStream> stream;
    std::string appliance_id;  ///< who dialled
};
/// Runs on a thread of its own; returns when the connection is over. An Error that it throws is logged.
using StreamHandler = std::function<void(Accepted)>;

struct HandOffOptions {
    std::string socket;  ///< unix socket (0600) at which the gateway hands connections over
    std::string folder;  ///< identity and pairings
    std::size_t max_connections = 256;
    /// Of strangers at a time, before they have proved who they are; the oldest one goes for a new one.
    std::size_t max_handshakes = 64;
    /// Where tunnel-hand_off.prom is written every few seconds; empty: nowhere.
    std::string metrics_folder{};
};

class HandOffListener {
  public:
    /// Listens at once; `handlers` by ALPN name. A running connection whose pairing is removed is cut within two
    /// seconds.
    HandOffListener(HandOffOptions options, std::map<std::string, StreamHandler> handlers);
    ~HandOffListener();
    /// Cuts everything and waits for the handlers. Idempotent.
    void stop();

    /// Prometheus text.
    std::string metrics() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mk::tunnel
