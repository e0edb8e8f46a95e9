#include "os/socket.hpp"

#include <array>

#include <poll.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "os/socket_address.hpp"

namespace mk::os {

namespace {

constexpr std::size_t greeting_limit = 512;

}  // namespace

std::string read_greeting(const std::string& address, std::uint16_t port, std::chrono::milliseconds limit) {
    if (!numeric_address(address, port)) {
        throw Error(ErrorCode::invalid, "'" + address + "' is not an IP address");
    }
    const auto where = address + " port " + std::to_string(port);
    const auto deadline = std::chrono::steady_clock::now() + limit;
    const auto socket = connect_tcp_socket(address, port, limit, {});
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry{socket.get(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&entry, 1, static_cast<int>(left.count())) <= 0) {
        throw Error(ErrorCode::unavailable, where + " does not answer");
    }
    std::array<char, greeting_limit> buffer{};
    const auto got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
        throw Error(ErrorCode::unavailable, where + " closed the connection without a word");
    }
    return {buffer.data(), static_cast<std::size_t>(got)};
}

}  // namespace mk::os
