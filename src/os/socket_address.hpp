#pragma once
// Addresses as the socket API wants them. Internal to os/.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include <sys/socket.h>

#include "os/file.hpp"

namespace mk::os {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    // The socket API is made for this cast: every address begins with the family.
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sa_family_t family() const { return storage.ss_family; }
};

/// `native` is a sockaddr_in, sockaddr_in6 or sockaddr_un.
template <class Native>
SocketAddress address_of(const Native& native) {
    SocketAddress address;
    std::memcpy(&address.storage, &native, sizeof native);
    address.length = sizeof native;
    return address;
}

/// Throws Error{invalid} when it is empty or longer than 107 bytes.
SocketAddress unix_address(const std::string& path);
/// Nothing when `host` is no numeric IPv4 or IPv6 address.
std::optional<SocketAddress> numeric_address(const std::string& host, std::uint16_t port);
/// A stream socket, close-on-exec and non-blocking.
Descriptor make_socket(sa_family_t family);

}  // namespace mk::os
