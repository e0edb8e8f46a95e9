#include "source/vsphere/relay.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"
#include "os/socket.hpp"

namespace mk::vsphere {
namespace {

// Readers of one machine's disks with one connection each, and some to spare.
constexpr std::size_t most_connections = 64;
constexpr std::size_t buffer_size = 256 * KiB;
constexpr std::chrono::seconds connect_limit{10};
/// Before the next client is looked for when the machine had nothing left for one.
constexpr std::chrono::milliseconds shortage_pause{200};

/// False when it was the stop event or an error.
bool wait_for_client(int listener, int stop_fd) {
    std::array<pollfd, 2> watched{{{listener, POLLIN, 0}, {stop_fd, POLLIN, 0}}};
    while (::poll(watched.data(), watched.size(), -1) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return watched[1].revents == 0 && watched[0].revents != 0;
}

/// One direction of a connection.
struct Flow {
    int from;
    int to;
    std::array<char, buffer_size> buffer{};
    std::size_t start = 0;
    std::size_t end = 0;
    bool ended = false;  ///< the sender has closed; what is buffered still goes out

    bool wants_read() const { return !ended && start == end; }
    bool wants_write() const { return start != end; }
    bool is_done() const { return ended && start == end; }

    bool read() {
        const auto got = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        start = 0;
        end = static_cast<std::size_t>(got);
        if (got == 0) {
            ended = true;
            ::shutdown(to, SHUT_WR);
        }
        return true;
    }
    bool write() {
        const auto sent = ::send(to, buffer.data() + start, end - start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        start += static_cast<std::size_t>(sent);
        return true;
    }
};

short events_for(const Flow& incoming, const Flow& outgoing) {
    return static_cast<short>((incoming.wants_read() ? POLLIN : 0) | (outgoing.wants_write() ? POLLOUT : 0));
}

void pump(int client, int server, int stop_fd) {
    const auto up = std::make_unique<Flow>(Flow{client, server});
    const auto down = std::make_unique<Flow>(Flow{server, client});
    while (!up->is_done() || !down->is_done()) {
        std::array<pollfd, 3> watched{
            {{client, events_for(*up, *down), 0}, {server, events_for(*down, *up), 0}, {stop_fd, POLLIN, 0}}};
        if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) {
            return;
        }
        if (watched[2].revents != 0) {
            return;
        }
        const bool is_broken = ((watched[0].revents | watched[1].revents) & (POLLERR | POLLNVAL)) != 0;
        if (is_broken || (watched[0].revents != 0 && up->wants_read() && !up->read()) ||
            (watched[1].revents != 0 && down->wants_read() && !down->read()) || (up->wants_write() && !up->write()) ||
            (down->wants_write() && !down->write())) {
            return;
        }
        // Whoever hung up takes nothing any more, and poll() would report it without end: what it sent is all that is
        // left to deliver.
        if (((watched[0].revents & POLLHUP) != 0 && up->is_done()) ||
            ((watched[1].revents & POLLHUP) != 0 && down->is_done())) {
            return;
        }
    }
}

}  // namespace

struct Relay::Forwarder {
    std::atomic<bool> finished = false;
    std::jthread thread;
};

Relay::Relay(std::string socket_path, std::string host, std::uint16_t port)
    : socket_path_(std::move(socket_path)),
      host_(std::move(host)),
      port_(port),
      listener_(os::listen_unix(socket_path_)),
      stop_event_(stop_.get_token()),
      server_([this] { serve(); }) {}

Relay::~Relay() {
    stop_.request_stop();
    server_ = {};
    forwarders_.clear();
    ::unlink(socket_path_.c_str());
}

void Relay::serve() {
    while (wait_for_client(listener_.get(), stop_event_.descriptor())) {
        std::erase_if(forwarders_, [](const auto& forwarder) { return forwarder->finished.load(); });
        try {
            os::Descriptor client = os::accept_now(listener_.get());
            if (client && forwarders_.size() < most_connections) {
                add_forwarder(std::move(client));
            }
        } catch (const std::exception& error) {
            log::warn("a disk reader cannot be connected now: {}", error.what());
            pause(shortage_pause, stop_.get_token());
        }
    }
}

void Relay::add_forwarder(os::Descriptor client) {
    auto& forwarder = *forwarders_.emplace_back(std::make_unique<Forwarder>());
    forwarder.thread = std::jthread([this, &forwarder, client = std::move(client)] {
        forward(client.get());
        forwarder.finished = true;
    });
}

void Relay::forward(int client_fd) {
    try {
        const auto server = os::connect_tcp_socket(host_, port_, connect_limit, stop_.get_token());
        pump(client_fd, server.get(), stop_event_.descriptor());
    } catch (const Error& error) {
        log::warn("a disk reader is not connected: {}", error.cause());
    }
}

}  // namespace mk::vsphere
