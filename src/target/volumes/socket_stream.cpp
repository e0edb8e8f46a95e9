#include "target/volumes/socket_stream.hpp"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>

namespace mk::volumes {

using SteadyClock = std::chrono::steady_clock;

void SocketStream::wait_for(short events) {
    pollfd entry{fd_, events, 0};
    while (true) {
        int timeout = -1;
        if (deadline_ != SteadyClock::time_point::max()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - SteadyClock::now()).count();
            if (left <= 0) {
                throw Disconnected{};
            }
            timeout = static_cast<int>(std::min<long>(left, 60'000));
        }
        const int ready = ::poll(&entry, 1, timeout);
        if (ready > 0) {
            return;
        }
        if (ready < 0 && errno != EINTR) {
            throw Disconnected{};
        }
    }
}

void SocketStream::read(std::span<std::byte> buffer) {
    while (!buffer.empty()) {
        wait_for(POLLIN);
        const auto count = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (count > 0) {
            buffer = buffer.subspan(static_cast<std::size_t>(count));
        } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
            throw Disconnected{};
        }
    }
}

void SocketStream::write(std::span<const std::byte> data) {
    while (!data.empty()) {
        const auto count = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
        if (count >= 0) {
            data = data.subspan(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            wait_for(POLLOUT);
        } else if (errno != EINTR) {
            throw Disconnected{};
        }
    }
}

std::string SocketStream::read_text(std::size_t length) {
    std::string text(length, '\0');
    read(std::as_writable_bytes(std::span(text.data(), text.size())));
    return text;
}

}  // namespace mk::volumes
