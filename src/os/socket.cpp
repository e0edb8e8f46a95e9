#include "os/socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "os/file.hpp"

namespace mk::os {

namespace {

constexpr std::size_t greeting_limit = 512;

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
};

Address parse(const std::string& address, std::uint16_t port) {
    Address parsed;
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
        std::memcpy(&parsed.storage, &v4, sizeof v4);
        parsed.length = sizeof v4;
    } else if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
        std::memcpy(&parsed.storage, &v6, sizeof v6);
        parsed.length = sizeof v6;
    } else {
        throw Error(ErrorCode::invalid, "'" + address + "' is not an IP address");
    }
    return parsed;
}

void wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline, const std::string& where) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry{fd, events, 0};
    if (left.count() <= 0 || poll(&entry, 1, static_cast<int>(left.count())) <= 0) {
        throw Error(ErrorCode::unavailable, where + " does not answer");
    }
}

}  // namespace

std::string read_greeting(const std::string& address, std::uint16_t port, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    const auto where = address + " port " + std::to_string(port);
    const auto target = parse(address, port);
    const Descriptor socket(::socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        throw system_error("make a socket", errno);
    }
    // The socket API is made for this cast: every address begins with the family.
    const auto* raw = reinterpret_cast<const sockaddr*>(&target.storage);
    if (::connect(socket.get(), raw, target.length) != 0 && errno != EINPROGRESS) {
        throw Error(ErrorCode::unavailable, where + " cannot be connected: " + std::strerror(errno));
    }
    wait_for(socket.get(), POLLOUT, deadline, where);
    int failure = 0;
    socklen_t size = sizeof failure;
    if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0 || failure != 0) {
        throw Error(ErrorCode::unavailable, where + " cannot be connected: " + std::strerror(failure));
    }
    wait_for(socket.get(), POLLIN, deadline, where);
    std::array<char, greeting_limit> buffer{};
    const auto got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
        throw Error(ErrorCode::unavailable, where + " closed the connection without a word");
    }
    return {buffer.data(), static_cast<std::size_t>(got)};
}

}  // namespace mk::os
