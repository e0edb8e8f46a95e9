#pragma once
// Carries bytes between a Unix socket and one TCP address, unseen: TLS stays end to end between reader and server, so
// the relay weakens nothing. Needed because the curl plugin can be told a socket to connect to, but not an address for
// a name.

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "os/file.hpp"
#include "os/stop_event.hpp"

namespace mk::vsphere {

/// Listens from construction to destruction; at most a few connections at once.
class Relay {
  public:
    Relay(std::string socket_path, std::string host, std::uint16_t port);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    const std::string& socket_path() const { return socket_path_; }

  private:
    void serve();
    void forward(int client_fd);
    void add_forwarder(os::Descriptor client);

    const std::string socket_path_;
    const std::string host_;
    const std::uint16_t port_;
    os::Descriptor listener_;
    std::stop_source stop_;
    os::StopEvent stop_event_;  // every poll() watches it

    struct Forwarder;
    std::vector<std::unique_ptr<Forwarder>> forwarders_;  // of the serving thread, until it is joined
    std::jthread server_;                                 // last: it uses the others
};

}  // namespace mk::vsphere
