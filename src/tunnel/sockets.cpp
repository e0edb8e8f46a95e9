#include "tunnel/sockets.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.hpp"
#include "os/listen_address.hpp"
#include "os/stop_event.hpp"

namespace mk::tunnel {
namespace {

constexpr int queue_length = 512;
constexpr mode_t owner_only = 0600;

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    // The socket API is made for this cast: every address begins with the family.
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

template <class Native>
Address address_of(const Native& native) {
    Address address;
    std::memcpy(&address.storage, &native, sizeof native);
    address.length = sizeof native;
    return address;
}

Address unix_address(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof name.sun_path) {
        throw Error(ErrorCode::invalid, "'" + path + "' cannot be the path of a socket",
                    {.remedy = "Choose a folder with a shorter path; 107 bytes are the limit."});
    }
    path.copy(name.sun_path, path.size());
    return address_of(name);
}

Address tcp_address(const std::string& host, std::uint16_t port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (host.empty()) {
        v6.sin6_addr = in6addr_any;
        return address_of(v6);
    }
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        return address_of(v4);
    }
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        return address_of(v6);
    }
    throw Error(ErrorCode::invalid, "'" + host + "' is not an IP address to listen on");
}

os::Descriptor make_socket(int family) {
    os::Descriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        throw os::system_error("make a socket", errno);
    }
    return socket;
}

void bind_and_listen(int socket, const Address& address, const std::string& where) {
    if (::bind(socket, address.get(), address.length) != 0 || ::listen(socket, queue_length) != 0) {
        throw os::system_error("listen on " + where, errno);
    }
}

std::uint16_t port_of(int socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
        throw os::system_error("ask for the port", errno);
    }
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);  // the port is at the same place in both families
    return ntohs(v6.sin6_port);
}

Error nobody(const std::string& target, const std::string& reason) {
    return Error(ErrorCode::unavailable, "cannot connect to " + target + ": " + reason, {.retry_safe = true});
}

std::vector<Address> resolve(const std::string& target) {
    if (target.starts_with('/')) {
        return {unix_address(target)};
    }
    const auto place = os::parse_listen_address(target);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int problem = ::getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found);
        problem != 0) {
        throw nobody(target, ::gai_strerror(problem));
    }
    std::vector<Address> addresses;
    for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
        auto& address = addresses.emplace_back();
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.length = entry->ai_addrlen;
    }
    ::freeaddrinfo(found);
    return addresses;
}

/// Nothing when it is connected, else why not.
std::string connect_one(int socket, const Address& address, std::chrono::milliseconds limit,
                        const std::stop_token& stop) {
    if (::connect(socket, address.get(), address.length) == 0) {
        return {};
    }
    if (errno != EINPROGRESS) {
        return std::strerror(errno);
    }
    const os::StopEvent stop_event(stop);
    std::array<pollfd, 2> entries{{{socket, POLLOUT, 0}, {stop_event.descriptor(), POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), static_cast<int>(limit.count()));
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "connecting was stopped");
    }
    int failure = 0;
    socklen_t size = sizeof failure;
    if (entries[0].revents == 0 || ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) {
        return "no answer in time";
    }
    return failure == 0 ? "" : std::strerror(failure);
}

/// Room for one descriptor beside the data.
union ControlBuffer {
    cmsghdr align;
    std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

}  // namespace

os::Descriptor listen_unix(const std::string& path) {
    const auto temporary = path + ".new";
    auto socket = make_socket(AF_UNIX);
    // Linux gives the entry in the file system the mode of the socket, so it is never open to others.
    if (::fchmod(socket.get(), owner_only) != 0) {
        throw os::system_error("set the mode of " + path, errno);
    }
    os::remove_file(temporary);
    bind_and_listen(socket.get(), unix_address(temporary), path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        throw os::system_error("put a socket at " + path, errno);
    }
    return socket;
}

TcpListener listen_tcp(const std::string& host, std::uint16_t port) {
    const auto address = tcp_address(host, port);
    auto socket = make_socket(address.storage.ss_family);
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind_and_listen(socket.get(), address, (host.empty() ? "*" : host) + ":" + std::to_string(port));
    const auto chosen = port_of(socket.get());
    return {.socket = std::move(socket), .port = chosen};
}

os::Descriptor connect_to(const std::string& target, std::chrono::milliseconds limit, const std::stop_token& stop) {
    std::string reason = "there is no such address";
    const auto addresses = resolve(target);
    for (const auto& address : addresses) {
        auto socket = make_socket(address.storage.ss_family);
        reason = connect_one(socket.get(), address, limit / static_cast<int>(addresses.size()), stop);
        if (reason.empty()) {
            return socket;
        }
    }
    throw nobody(target, reason);
}

os::Descriptor accept_now(int listener) {
    while (true) {
        os::Descriptor socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        const int problem = errno;
        if (!socket && (problem == EMFILE || problem == ENFILE || problem == ENOBUFS || problem == ENOMEM)) {
            throw os::system_error("accept a connection", problem);
        }
        if (socket || problem != EINTR) {
            return socket;
        }
    }
}

bool hand_over(const std::string& path, int descriptor) {
    const auto address = unix_address(path);
    const auto socket = make_socket(AF_UNIX);
    if (::connect(socket.get(), address.get(), address.length) != 0) {
        return false;
    }
    char byte = 0;
    iovec data{&byte, sizeof byte};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return ::sendmsg(socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

os::Descriptor receive_descriptor(int connection, std::chrono::milliseconds limit) {
    pollfd entry{connection, POLLIN, 0};
    if (::poll(&entry, 1, static_cast<int>(limit.count())) <= 0) {
        return {};
    }
    char byte = 0;
    iovec data{&byte, sizeof byte};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    // CMSG_SPACE() has padding in which the kernel would put a second one that nobody closes; those that do not fit are
    // closed by the kernel.
    message.msg_controllen = CMSG_LEN(sizeof(int));
    if (::recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1) {
        return {};
    }
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int))) {
        return {};
    }
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return os::Descriptor(descriptor);
}

void tune_accepted(int socket) {
    const int on = 1;
    const int idle_s = 60;
    const int interval_s = 15;
    const int probes = 4;
    // Improvements all of them; a kernel that refuses one only notices a dead peer later.
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::optional<std::chrono::microseconds> round_trip_of(int socket) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return std::nullopt;
    }
    return std::chrono::microseconds{info.tcpi_rtt};
}

}  // namespace mk::tunnel
