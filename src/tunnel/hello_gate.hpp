#pragma once
// The port itself: accepts, looks at the ClientHello without taking it from the socket, and passes on those that ask
// for something that is served. Everybody else is closed without a word.
//
// One thread for all: a connection that says nothing costs a descriptor and nothing else. Whoever has not said what he
// wants after 5 s is closed; when too many wait, the one that waits longest goes.

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <set>
#include <stop_token>
#include <string>

#include "os/file.hpp"
#include "os/socket.hpp"
#include "tunnel/limited_log.hpp"
#include "tunnel/sockets.hpp"

namespace mk::tunnel {

struct HelloGateOptions {
    std::set<std::string> protocols;
    std::size_t max_waiting = 1024;
    std::chrono::milliseconds patience{5000};
};

class HelloGate {
  public:
    /// Called on the gate's thread, so it must not wait. Errors are logged; the connection is then closed.
    using Route = std::function<void(os::Descriptor, const std::string& protocol)>;

    HelloGate(os::TcpListener listener, HelloGateOptions options, Route route);
    std::uint16_t port() const { return listener_.port; }
    /// Until stopped.
    void run(const std::stop_token& stop);

  private:
    struct Waiting {
        os::Descriptor socket;
        std::chrono::steady_clock::time_point deadline;
    };
    os::Descriptor accept_one();
    void accept_all();
    void look(int socket);
    void pass_on(os::Descriptor socket, const std::string& protocol);
    void close_overdue();
    int wait_limit() const;

    os::TcpListener listener_;
    const HelloGateOptions options_;
    const Route route_;
    os::Descriptor epoll_;
    LimitedLog log_;              ///< strangers decide how often there is something to say
    std::list<Waiting> waiting_;  ///< in the order in which they came, so that the first one is the first to be overdue
};

}  // namespace mk::tunnel
