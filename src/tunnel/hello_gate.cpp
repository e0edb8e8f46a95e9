#include "tunnel/hello_gate.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "base/retry.hpp"
#include "os/socket.hpp"
#include "os/stop_event.hpp"
#include "tunnel/client_hello.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t events_at_once = 64;
/// When no descriptor is left, for example: the listener stays readable, and nothing is gained by asking again at once.
constexpr milliseconds after_failure{50};

void watch(int epoll, int socket, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = socket;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0) {
        throw os::system_error("watch a connection", errno);
    }
}

}  // namespace

HelloGate::HelloGate(os::TcpListener listener, HelloGateOptions options, Route route)
    : listener_(std::move(listener)),
      options_(std::move(options)),
      route_(std::move(route)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) {
        throw os::system_error("watch the port", errno);
    }
    watch(epoll_.get(), listener_.socket.get(), EPOLLIN);
}

void HelloGate::run(const std::stop_token& stop) {
    const os::StopEvent stop_event(stop);
    watch(epoll_.get(), stop_event.descriptor(), EPOLLIN);
    std::array<epoll_event, events_at_once> events{};
    while (!stop.stop_requested()) {
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_limit());
        try {
            for (int i = 0; i < count; ++i) {
                const int socket = events.at(static_cast<std::size_t>(i)).data.fd;
                if (socket == listener_.socket.get()) {
                    accept_all();
                } else if (socket != stop_event.descriptor()) {
                    look(socket);
                }
            }
        } catch (const std::exception& error) {
            log_.warn("gateway_disturbed reason=\"" + as_error(error).full_text() + "\"");
            pause(after_failure, stop);
        }
        close_overdue();
    }
    waiting_.clear();
}

os::Descriptor HelloGate::accept_one() {
    try {
        return os::accept_now(listener_.socket.get());
    } catch (const Error&) {
        if (!waiting_.empty()) {
            waiting_.pop_front();  // gives its descriptor to the next attempt
        }
        throw;
    }
}

void HelloGate::accept_all() {
    while (auto socket = accept_one()) {
        if (waiting_.size() >= options_.max_waiting) {
            waiting_.pop_front();
        }
        // Edge-triggered: half a hello stays in the socket and would otherwise wake us for ever.
        watch(epoll_.get(), socket.get(), EPOLLIN | EPOLLRDHUP | EPOLLET);
        waiting_.push_back({.socket = std::move(socket), .deadline = steady_clock::now() + options_.patience});
    }
}

void HelloGate::look(int socket) {
    const auto entry = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Waiting& waiting) { return waiting.socket.get() == socket; });
    if (entry == waiting_.end()) {
        return;  // closed since the event came
    }
    std::vector<std::byte> bytes(largest_client_hello);
    const auto got = ::recv(socket, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    const auto hello = parse_client_hello(std::span(bytes).first(static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
    if (got > 0 && hello.state == ClientHello::State::incomplete) {
        return;
    }
    auto own = std::move(entry->socket);
    waiting_.erase(entry);
    const auto wanted = std::find_if(hello.protocols.begin(), hello.protocols.end(),
                                     [this](const std::string& name) { return options_.protocols.contains(name); });
    if (got > 0 && wanted != hello.protocols.end()) {
        pass_on(std::move(own), *wanted);
    }
}

void HelloGate::pass_on(os::Descriptor socket, const std::string& protocol) {
    // Before anybody else may get a descriptor of that number.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket.get(), nullptr);
    try {
        route_(std::move(socket), protocol);
    } catch (const Error& error) {
        log_.warn("connection_not_passed_on protocol=" + protocol + " reason=\"" + error.cause() + "\"");
    }
}

void HelloGate::close_overdue() {
    while (!waiting_.empty() && waiting_.front().deadline <= steady_clock::now()) {
        waiting_.pop_front();
    }
}

int HelloGate::wait_limit() const {
    if (waiting_.empty()) {
        return -1;
    }
    const auto left = std::chrono::ceil<milliseconds>(waiting_.front().deadline - steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

}  // namespace mk::tunnel
