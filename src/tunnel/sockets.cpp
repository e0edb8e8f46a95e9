#include "tunnel/sockets.hpp"

#include <array>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "os/socket.hpp"

namespace mk::tunnel {
namespace {

/// Room for one descriptor beside the data.
union ControlBuffer {
    cmsghdr align;
    std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

}  // namespace

bool hand_over(const std::string& path, int descriptor) {
    os::Descriptor socket;
    try {
        socket = os::connect_unix_socket(path, std::chrono::milliseconds{0}, {});
    } catch (const Error& error) {
        if (error.code() != ErrorCode::unavailable) {
            throw;
        }
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
