#pragma once
// The gateway's connections in the process that serves them. The gateway passes the accepted socket with the
// ClientHello still unread; here the TLS handshake is made, the peer's key is looked up in the pairings, and the stream
// (with compression, where the protocol says so) goes to the handler of its protocol.

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
/// Runs on a thread of its own; returns when the connection is over.
using StreamHandler = std::function<void(Accepted)>;

struct HandOffOptions {
    std::string socket;  ///< unix socket (0600) at which the gateway hands connections over
    std::string folder;  ///< identity and pairings
    std::size_t max_connections = 256;
};

class HandOffListener {
  public:
    /// Listens at once; `handlers` by ALPN name.
    HandOffListener(HandOffOptions options, std::map<std::string, StreamHandler> handlers);
    ~HandOffListener();
    /// Cuts everything and waits for the handlers. Idempotent.
    void stop();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mk::tunnel
