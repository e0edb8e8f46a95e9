#include "os/socket_address.hpp"

#include <cerrno>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/error.hpp"

namespace mk::os {

SocketAddress unix_address(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof name.sun_path) {
        throw Error(ErrorCode::invalid, "'" + path + "' cannot be the path of a socket",
                    {.remedy = "Choose a folder with a shorter path; 107 bytes are the limit."});
    }
    path.copy(name.sun_path, path.size());
    return address_of(name);
}

std::optional<SocketAddress> numeric_address(const std::string& host, std::uint16_t port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        return address_of(v4);
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        return address_of(v6);
    }
    return std::nullopt;
}

Descriptor make_socket(sa_family_t family) {
    Descriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        throw system_error("make a socket", errno);
    }
    return socket;
}

}  // namespace mk::os
