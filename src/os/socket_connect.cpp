// Connecting: every wait obeys the stop token and the limit.

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "os/listen_address.hpp"
#include "os/socket.hpp"
#include "os/socket_address.hpp"
#include "os/stop_event.hpp"

namespace mk::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Deadline = steady_clock::time_point;

/// A listener whose queue is full refuses unix connections at once instead of letting them wait.
constexpr milliseconds queue_pause{5};

Error nobody(const std::string& where, const std::string& reason) {
    return Error(ErrorCode::unavailable, "cannot connect to " + where + ": " + reason, {.retry_safe = true});
}

std::string text_of(int error_number) {
    return std::system_category().message(error_number);
}

/// False when the deadline passed without the event; negative descriptors are not waited for.
bool wait_for(int descriptor, const StopEvent& stop, Deadline deadline) {
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        std::array<pollfd, 2> entries{{{descriptor, POLLOUT, 0}, {stop.descriptor(), POLLIN, 0}}};
        const int ready = ::poll(entries.data(), entries.size(), static_cast<int>(left.count()));
        if (ready < 0 && errno != EINTR) {
            throw system_error("wait for a connection", errno);
        }
        if (ready > 0 && entries[1].revents != 0) {
            throw Error(ErrorCode::cancelled, "connecting was stopped");
        }
        if (ready > 0) {
            return true;
        }
    }
}

void finish_connect(int socket, const std::string& where, const StopEvent& stop, Deadline deadline) {
    if (!wait_for(socket, stop, deadline)) {
        throw nobody(where, "no answer in time");
    }
    int failure = 0;
    socklen_t size = sizeof failure;
    if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) {
        failure = errno;
    }
    if (failure != 0) {
        throw nobody(where, text_of(failure));
    }
}

void connect_socket(int socket, const SocketAddress& address, const std::string& where, const StopEvent& stop,
                    Deadline deadline) {
    while (::connect(socket, address.get(), address.length) != 0) {
        if (errno == EINPROGRESS || errno == EINTR) {
            finish_connect(socket, where, stop, deadline);
            return;
        }
        if (errno != EAGAIN) {
            throw nobody(where, text_of(errno));
        }
        const auto next_try = std::min<Deadline>(deadline, steady_clock::now() + queue_pause);
        wait_for(-1, stop, next_try);
        if (steady_clock::now() >= deadline) {
            throw nobody(where, "too many connections wait there");
        }
    }
}

Deadline deadline_after(milliseconds limit) {
    return steady_clock::now() + std::min<milliseconds>(limit, std::chrono::hours{24});
}

std::string place_of(const std::string& host, std::uint16_t port) {
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

/// What the resolver found, or why not.
struct Resolution {
    std::vector<SocketAddress> addresses{};
    std::string failure{};
};

Resolution resolve_now(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (failure != 0) {
        return {.failure = ::gai_strerror(failure)};
    }
    Resolution resolution;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        SocketAddress address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.length = entry->ai_addrlen;
        resolution.addresses.push_back(address);
    }
    ::freeaddrinfo(found);
    return resolution;
}

/// The resolver cannot be interrupted, so it gets a thread of its own, which is left to its own limits when our time is
/// over.
Resolution resolve(const std::string& host, std::uint16_t port, Deadline deadline, const std::stop_token& stop) {
    if (const auto numeric = numeric_address(host, port)) {
        return {.addresses = {*numeric}};
    }
    struct Answer {
        std::mutex mutex;
        std::condition_variable_any arrived;
        std::optional<Resolution> resolution;
    };
    const auto answer = std::make_shared<Answer>();
    std::thread([answer, host, port] {
        auto resolution = resolve_now(host, port);
        const std::lock_guard lock(answer->mutex);
        answer->resolution = std::move(resolution);
        answer->arrived.notify_all();
    }).detach();
    std::unique_lock lock(answer->mutex);
    answer->arrived.wait_until(lock, stop, deadline, [&] { return answer->resolution.has_value(); });
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "connecting was stopped");
    }
    return answer->resolution ? *answer->resolution : Resolution{.failure = "the name could not be resolved in time"};
}

}  // namespace

Descriptor connect_unix_socket(const std::string& path, milliseconds limit, const std::stop_token& stop) {
    const auto address = unix_address(path);
    const StopEvent stop_event(stop);
    auto socket = make_socket(AF_UNIX);
    connect_socket(socket.get(), address, path, stop_event, deadline_after(limit));
    return socket;
}

Descriptor connect_tcp_socket(const std::string& host, std::uint16_t port, milliseconds limit,
                              const std::stop_token& stop) {
    const auto deadline = deadline_after(limit);
    const auto where = place_of(host, port);
    const StopEvent stop_event(stop);
    const auto resolution = resolve(host, port, deadline, stop);
    auto failure = nobody(where, resolution.failure);
    for (std::size_t i = 0; i < resolution.addresses.size(); ++i) {
        const SocketAddress& address = resolution.addresses[i];
        try {
            // An address that is a black hole must not use up the time of the others.
            const auto now = steady_clock::now();
            const auto share = (deadline - now) / static_cast<std::int64_t>(resolution.addresses.size() - i);
            auto socket = make_socket(address.family());
            connect_socket(socket.get(), address, where, stop_event, now + share);
            return socket;
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            failure = error;
        }
    }
    throw Error(failure);
}

Descriptor connect_to(const std::string& target, milliseconds limit, const std::stop_token& stop) {
    if (target.starts_with('/')) {
        return connect_unix_socket(target, limit, stop);
    }
    const auto place = parse_listen_address(target);
    return connect_tcp_socket(place.host, place.port, limit, stop);
}

}  // namespace mk::os
