#include "tunnel/reverse_pool.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>

#include "base/error.hpp"
#include "tunnel/control_protocol.hpp"
#include "tunnel/splice.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds longest_wait{5};
/// A VMA that served somebody so short a time ago is there, even when it has no idle connection at this moment.
constexpr std::chrono::seconds just_now{2};
constexpr std::size_t most_waiting = 64;

void say(TlsStream& stream, std::byte word) {
    const std::array byte{word};
    static_cast<os::ByteStream&>(stream).write(std::span<const std::byte>(byte));
}

Error nonsense() {
    return Error(ErrorCode::external, "the VMA says something that does not belong on a reverse connection");
}

}  // namespace

void ReversePool::serve(const std::string& appliance_id, TlsStream& stream, int socket, Metrics::Protocol& counted,
                        const std::function<bool()>& is_paired) {
    auto local = wait_for_use(appliance_id, stream, socket);
    if (!local) {
        return;
    }
    const auto leave = [&] {
        const std::lock_guard lock(mutex_);
        --appliances_[appliance_id].used;
    };
    try {
        if (!is_paired()) {
            throw Error(ErrorCode::forbidden, "the pairing was removed or has another key now");
        }
        if (make_ready(stream)) {
            splice(stream, socket, std::move(local), control::idle_limit, counted);
        }
    } catch (...) {
        leave();
        if (local) {
            give(appliance_id, std::move(local));  // this connection was dead, the next one may not be
        }
        throw;
    }
    leave();
    const std::lock_guard lock(mutex_);
    appliances_[appliance_id].last_use = steady_clock::now();
}

/// The local connection to serve, counted as used; an empty one when the idle connection has ended.
os::Descriptor ReversePool::wait_for_use(const std::string& appliance_id, TlsStream& stream, int socket) {
    Idle idle{.wake = os::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), .local = {}};
    if (!idle.wake) {
        throw os::system_error("make an event", errno);
    }
    {
        const std::lock_guard lock(mutex_);
        auto& appliance = appliances_[appliance_id];
        appliance.idle.push_front(&idle);
        if (!appliance.waiting.empty()) {
            auto local = std::move(appliance.waiting.front().local);
            appliance.waiting.pop_front();
            give_to_idle(appliance, local);
        }
    }
    std::exception_ptr failure;
    try {
        while (await_use(idle, stream, socket)) {
        }
    } catch (...) {  // all, because `idle` must leave the list
        failure = std::current_exception();
    }
    std::unique_lock lock(mutex_);
    auto& appliance = appliances_[appliance_id];
    appliance.idle.remove(&idle);
    if (failure) {
        appliance.used -= idle.local ? 1 : 0;
        lock.unlock();
        if (idle.local) {
            give(appliance_id, std::move(idle.local));
        }
        std::rethrow_exception(failure);
    }
    return std::move(idle.local);
}

/// One wait; false when the connection is wanted, or over.
bool ReversePool::await_use(Idle& idle, TlsStream& stream, int socket) {
    std::array<pollfd, 2> entries{{{socket, POLLIN, 0}, {idle.wake.get(), POLLIN, 0}}};
    const auto limit = std::chrono::duration_cast<milliseconds>(control::silence_limit);
    const int ready = stream.has_input() ? 1 : ::poll(entries.data(), entries.size(), static_cast<int>(limit.count()));
    if (ready == 0) {
        throw Error(ErrorCode::timeout, "nothing was heard on an idle reverse connection");
    }
    if ((entries[1].revents & POLLIN) != 0) {
        return false;
    }
    std::array<std::byte, 1> word{};
    const auto got = stream.read_now(word);
    if (got && *got == 0) {
        throw Error(ErrorCode::unavailable, "the VMA closed an idle reverse connection");
    }
    if (got && word[0] != control::ping) {
        throw nonsense();
    }
    if (got) {
        say(stream, control::ping);
    }
    return true;
}

/// False when the VMA is there, but its service is not.
bool ReversePool::make_ready(TlsStream& stream) {
    stream.set_limit(control::answer_limit);
    say(stream, control::use);
    std::array<std::byte, 1> word{control::ping};
    while (word[0] == control::ping) {
        static_cast<os::ByteStream&>(stream).read(word);
    }
    if (word[0] != control::ready && word[0] != control::not_ready) {
        throw nonsense();
    }
    stream.set_limit(control::idle_limit);
    return word[0] == control::ready;
}

bool ReversePool::give_to_idle(Appliance& appliance, os::Descriptor& local) {
    if (appliance.idle.empty()) {
        return false;
    }
    Idle& idle = *appliance.idle.front();
    appliance.idle.pop_front();
    idle.local = std::move(local);
    ++appliance.used;  // now already: whoever comes next must know that somebody is there
    ::eventfd_write(idle.wake.get(), 1);
    return true;
}

void ReversePool::give(const std::string& appliance_id, os::Descriptor local) {
    const std::lock_guard lock(mutex_);
    auto& appliance = appliances_[appliance_id];
    if (give_to_idle(appliance, local)) {
        return;
    }
    const bool is_there = appliance.used > 0 || steady_clock::now() - appliance.last_use < just_now;
    if (!is_there || appliance.waiting.size() >= most_waiting) {
        return;
    }
    appliance.waiting.push_back({.local = std::move(local), .deadline = steady_clock::now() + longest_wait});
}

void ReversePool::close_overdue() {
    const auto now = steady_clock::now();
    const std::lock_guard lock(mutex_);
    for (auto& [id, appliance] : appliances_) {
        appliance.waiting.remove_if([&](const Waiting& waiting) { return waiting.deadline <= now; });
    }
}

ReversePool::Count ReversePool::count(const std::string& appliance_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = appliances_.find(appliance_id);
    return found == appliances_.end() ? Count{} : Count{.idle = found->second.idle.size(), .used = found->second.used};
}

}  // namespace mk::tunnel
