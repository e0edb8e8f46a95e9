#include "target/volumes/nbd_server.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.hpp"
#include "target/volumes/nbd_connection.hpp"

namespace mk::volumes {
namespace {

os::Descriptor listener_on(int family, const sockaddr* address, socklen_t length, const std::string& name) {
    os::Descriptor listener(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    if (!listener || ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        ::bind(listener.get(), address, length) != 0 || ::listen(listener.get(), 64) != 0) {
        throw os::system_error("listen for NBD clients on " + name, errno);
    }
    return listener;
}

}  // namespace

NbdServer::NbdServer(NbdServerOptions options) : options_(std::move(options)), wake_(::eventfd(0, EFD_CLOEXEC)) {
    if (!options_.address.empty()) {
        listen_tcp();
    }
    if (!options_.socket.empty()) {
        listen_unix();
    }
    acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_loop(stop); });
}

NbdServer::~NbdServer() {
    stop();
}

void NbdServer::listen_tcp() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    if (::inet_pton(AF_INET, options_.address.c_str(), &address.sin_addr) != 1) {
        throw Error(ErrorCode::invalid, "'" + options_.address + "' is not an IPv4 address to listen on");
    }
    const auto name = fmt::format("{}:{}", options_.address, options_.port);
    listeners_.push_back(listener_on(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address, name));
    socklen_t length = sizeof address;
    if (::getsockname(listeners_.back().get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        throw os::system_error("ask the address of " + name, errno);
    }
    port_ = ntohs(address.sin_port);
}

void NbdServer::listen_unix() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options_.socket.size() >= sizeof address.sun_path) {
        throw Error(ErrorCode::invalid, "the path of the NBD socket is too long: " + options_.socket);
    }
    std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
    os::remove_file(options_.socket);  // left by a daemon that died
    listeners_.push_back(
        listener_on(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address, options_.socket));
    if (::chmod(options_.socket.c_str(), 0600) != 0) {
        throw os::system_error("protect " + options_.socket, errno);
    }
}

std::string NbdServer::uri_of(const std::string& name) const {
    if (options_.address.empty()) {
        return "nbd+unix:///" + name + "?socket=" + options_.socket;
    }
    return fmt::format("nbd://{}:{}/{}", options_.address == "0.0.0.0" ? "127.0.0.1" : options_.address, port_, name);
}

void NbdServer::add_export(const std::string& name, std::shared_ptr<ExportBackend> backend) {
    const std::lock_guard lock(exports_mutex_);
    if (!exports_.emplace(name, std::move(backend)).second) {
        throw Error(ErrorCode::conflict, "the export " + name + " exists already");
    }
}

bool NbdServer::has_export(const std::string& name) const {
    const std::lock_guard lock(exports_mutex_);
    return exports_.contains(name);
}

void NbdServer::remove_export(const std::string& name) {
    std::unique_lock lock(exports_mutex_);
    exports_.erase(name);
    const auto serves_it = [&](const Connection& c) { return c.export_name == name && !c.is_over; };
    for (auto& connection : connections_) {
        if (serves_it(connection)) {
            ::shutdown(connection.socket.get(), SHUT_RDWR);
        }
    }
    connection_over_.wait(lock, [&] { return std::none_of(connections_.begin(), connections_.end(), serves_it); });
}

void NbdServer::stop() {
    acceptor_.request_stop();
    const std::uint64_t one = 1;
    if (::write(wake_.get(), &one, sizeof one) < 0) {
        log::warn("the NBD server could not be woken: {}", std::strerror(errno));
    }
    if (acceptor_.joinable()) {
        acceptor_.join();
    }
    std::unique_lock lock(exports_mutex_);
    exports_.clear();
    for (auto& connection : connections_) {
        ::shutdown(connection.socket.get(), SHUT_RDWR);
    }
    connection_over_.wait(
        lock, [&] { return std::all_of(connections_.begin(), connections_.end(), [](auto& c) { return c.is_over; }); });
    auto ended = std::move(connections_);
    connections_.clear();
    lock.unlock();
    ended.clear();  // joins
    if (!options_.socket.empty()) {
        os::remove_file(options_.socket);
    }
}

void NbdServer::accept_loop(const std::stop_token& stop) {
    std::vector<pollfd> watched;
    for (const auto& listener : listeners_) {
        watched.push_back({listener.get(), POLLIN, 0});
    }
    watched.push_back({wake_.get(), POLLIN, 0});
    while (!stop.stop_requested()) {
        if (::poll(watched.data(), watched.size(), 5'000) < 0 && errno != EINTR) {
            log::error("the NBD server cannot wait for clients: {}", std::strerror(errno));
            return;
        }
        for (std::size_t i = 0; i + 1 < watched.size(); ++i) {
            if ((watched[i].revents & POLLIN) != 0) {
                accept_one(watched[i].fd);
            }
        }
        reap();
    }
}

void NbdServer::accept_one(int listener) {
    os::Descriptor socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) {
        return;
    }
    const int yes = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // refused on unix sockets, which need none
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    const std::lock_guard lock(exports_mutex_);
    if (connections_.size() >= options_.max_connections) {
        log::warn("an NBD client was turned away: {} connections are open", connections_.size());
        return;
    }
    auto& connection = connections_.emplace_back();
    connection.socket = std::move(socket);
    try {
        connection.thread = std::jthread([this, &connection] { run(connection); });
    } catch (const std::system_error& error) {
        log::error("an NBD client was turned away: {}", error.what());
        connections_.pop_back();
    }
}

void NbdServer::run(Connection& connection) {
    try {
        NbdConnection client(connection.socket.get(), [&](const std::string& name, bool for_transmission) {
            return find_export(connection, name, for_transmission);
        });
        client.serve();
    } catch (const std::exception& error) {
        log::error("an NBD connection ended: {}", as_error(error).full_text());
    }
    const std::lock_guard lock(exports_mutex_);
    ::shutdown(connection.socket.get(), SHUT_RDWR);
    connection.is_over = true;
    connection_over_.notify_all();
}

std::shared_ptr<ExportBackend> NbdServer::find_export(Connection& connection, const std::string& name,
                                                      bool for_transmission) {
    const std::lock_guard lock(exports_mutex_);
    const auto found = exports_.find(name);
    if (found == exports_.end()) {
        return nullptr;
    }
    if (for_transmission) {
        connection.export_name = name;
    }
    return found->second;
}

void NbdServer::reap() {
    std::list<Connection> ended;
    const std::lock_guard lock(exports_mutex_);
    for (auto it = connections_.begin(); it != connections_.end();) {
        const auto next = std::next(it);
        if (it->is_over) {
            it->thread.join();  // its last act was to set the flag under our lock
            ended.splice(ended.end(), connections_, it);
        }
        it = next;
    }
}

}  // namespace mk::volumes
