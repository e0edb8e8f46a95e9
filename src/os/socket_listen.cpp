// Listening and accepting.

#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "os/socket.hpp"
#include "os/socket_address.hpp"

namespace mk::os {
namespace {

constexpr int queue_length = 512;
constexpr mode_t owner_only = 0600;

SocketAddress listen_address(const std::string& host, std::uint16_t port) {
    if (host.empty()) {
        sockaddr_in6 any{};
        any.sin6_family = AF_INET6;
        any.sin6_port = htons(port);
        any.sin6_addr = in6addr_any;
        return address_of(any);
    }
    if (const auto address = numeric_address(host, port)) {
        return *address;
    }
    throw Error(ErrorCode::invalid, "'" + host + "' is not an IP address to listen on");
}

void bind_and_listen(int socket, const SocketAddress& address, const std::string& where) {
    if (::bind(socket, address.get(), address.length) != 0 || ::listen(socket, queue_length) != 0) {
        throw system_error("listen on " + where, errno);
    }
}

std::uint16_t port_of(int socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
        throw system_error("ask for the port", errno);
    }
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);  // the port is at the same place in both families
    return ntohs(v6.sin6_port);
}

}  // namespace

Descriptor listen_unix(const std::string& path) {
    const auto temporary = path + ".new";
    auto socket = make_socket(AF_UNIX);
    // Linux gives the entry in the file system the mode of the socket, so it is never open to others.
    if (::fchmod(socket.get(), owner_only) != 0) {
        throw system_error("set the mode of " + path, errno);
    }
    remove_file(temporary);
    bind_and_listen(socket.get(), unix_address(temporary), path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        throw system_error("put a socket at " + path, errno);
    }
    return socket;
}

TcpListener listen_tcp(const std::string& host, std::uint16_t port) {
    const auto address = listen_address(host, port);
    auto socket = make_socket(address.family());
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind_and_listen(socket.get(), address, (host.empty() ? "*" : host) + ":" + std::to_string(port));
    const auto chosen = port_of(socket.get());
    return {.socket = std::move(socket), .port = chosen};
}

Descriptor accept_now(int listener) {
    while (true) {
        Descriptor socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        const int problem = errno;
        if (!socket && (problem == EMFILE || problem == ENFILE || problem == ENOBUFS || problem == ENOMEM)) {
            throw system_error("accept a connection", problem);
        }
        if (socket || problem != EINTR) {
            return socket;
        }
    }
}

}  // namespace mk::os
