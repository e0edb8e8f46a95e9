#include "source/vsphere/relay.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.hpp"

namespace mk::vsphere {
namespace {

// Readers of one machine's disks with one connection each, and some to spare.
constexpr std::size_t most_connections = 64;
constexpr std::size_t buffer_size = 256 * KiB;
constexpr int connect_limit_ms = 10'000;

/// False when it was the stop event, an error or the limit.
bool wait_for(int fd, short events, int stop_fd, int limit_ms) {
    std::array<pollfd, 2> watched{{{fd, events, 0}, {stop_fd, POLLIN, 0}}};
    while (::poll(watched.data(), watched.size(), limit_ms) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return watched[1].revents == 0 && watched[0].revents != 0;
}

os::Descriptor connect_to(const std::string& host, std::uint16_t port, int stop_fd) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
        return {};
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    for (const auto* address = found; address != nullptr; address = address->ai_next) {
        os::Descriptor socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!socket) {
            continue;
        }
        const bool is_started =
            ::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS;
        int problem = 0;
        socklen_t size = sizeof problem;
        if (is_started && wait_for(socket.get(), POLLOUT, stop_fd, connect_limit_ms) &&
            ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem == 0) {
            return socket;
        }
    }
    return {};
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

os::Descriptor listen_at(const std::string& path) {
    os::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw Error(ErrorCode::invalid, "the socket path " + path + " is too long");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    // The socket interface of C wants the general type.
    const auto* general = reinterpret_cast<const sockaddr*>(&address);
    if (!socket || ::bind(socket.get(), general, sizeof address) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
        throw os::system_error("listen at " + path, errno);
    }
    return socket;
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
      listener_(listen_at(socket_path_)),
      stop_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!stop_event_) {
        throw os::system_error("open an event descriptor", errno);
    }
    server_ = std::jthread([this] { serve(); });
}

Relay::~Relay() {
    ::eventfd_write(stop_event_.get(), 1);
    server_ = {};
    forwarders_.clear();
    ::unlink(socket_path_.c_str());
}

void Relay::serve() {
    while (wait_for(listener_.get(), POLLIN, stop_event_.get(), -1)) {
        os::Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        std::erase_if(forwarders_, [](const auto& forwarder) { return forwarder->finished.load(); });
        if (client && forwarders_.size() < most_connections) {
            add_forwarder(std::move(client));
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
    const auto server = connect_to(host_, port_, stop_event_.get());
    if (!server) {
        log::warn("{}:{} cannot be reached for a disk reader", host_, port_);
        return;
    }
    pump(client_fd, server.get(), stop_event_.get());
}

}  // namespace mk::vsphere
