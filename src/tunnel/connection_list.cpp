#include "tunnel/connection_list.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "tunnel/sockets.hpp"

namespace mk::tunnel {
namespace {

os::Descriptor duplicate(int descriptor) {
    os::Descriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!copy) {
        throw os::system_error("keep a connection", errno);
    }
    return copy;
}

}  // namespace

void ConnectionList::Entry::cut() const {
    if (socket_) {
        ::shutdown(socket_.get(), SHUT_RDWR);
    }
}

ConnectionList::ConnectionList(std::size_t max_known, std::size_t max_strangers)
    : max_known_(max_known), max_strangers_(max_strangers) {}

void ConnectionList::begin(os::Descriptor socket, Serve serve) {
    tune_accepted(socket.get());
    reap();
    drop_oldest_stranger();
    auto second = duplicate(socket.get());
    const std::lock_guard lock(mutex_);
    auto& entry = entries_.emplace_back();
    entry.socket_ = std::move(second);
    try {
        entry.thread_ = std::thread([this, &entry, serve = std::move(serve), first = std::move(socket)]() mutable {
            serve(entry, std::move(first));
            const std::lock_guard over(mutex_);
            entry.socket_.close();
            entry.is_over_ = true;
        });
    } catch (const std::system_error& error) {
        entries_.pop_back();
        throw Error(ErrorCode::exhausted, std::string("cannot serve one more connection: ") + error.what());
    }
}

void ConnectionList::drop_oldest_stranger() {
    const std::lock_guard lock(mutex_);
    const auto is_stranger = [](const Entry& entry) { return !entry.is_over_ && entry.appliance_id_.empty(); };
    const auto strangers = std::count_if(entries_.begin(), entries_.end(), is_stranger);
    if (static_cast<std::size_t>(strangers) >= max_strangers_) {
        std::find_if(entries_.begin(), entries_.end(), is_stranger)->cut();
    }
}

bool ConnectionList::admit(Entry& entry, const Pairing& pairing, const std::string& protocol) {
    const std::lock_guard lock(mutex_);
    const auto known = std::count_if(entries_.begin(), entries_.end(), [](const Entry& other) {
        return !other.is_over_ && !other.appliance_id_.empty();
    });
    if (static_cast<std::size_t>(known) >= max_known_) {
        return false;
    }
    entry.appliance_id_ = pairing.appliance_id;
    entry.fingerprint_ = pairing.fingerprint;
    entry.protocol_ = protocol;
    return true;
}

void ConnectionList::reap() {
    std::list<Entry> over;
    {
        const std::lock_guard lock(mutex_);
        for (auto entry = entries_.begin(); entry != entries_.end();) {
            const auto next = std::next(entry);
            if (entry->is_over_) {
                over.splice(over.end(), entries_, entry);
            }
            entry = next;
        }
    }
    for (auto& entry : over) {
        entry.thread_.join();
    }
}

void ConnectionList::look_after(const std::vector<Pairing>& pairings, Metrics& figures) {
    reap();
    const auto is_paired = [&](const Entry& entry) {
        return std::any_of(pairings.begin(), pairings.end(), [&](const Pairing& pairing) {
            return pairing.appliance_id == entry.appliance_id_ && pairing.fingerprint == entry.fingerprint_;
        });
    };
    figures.forget_round_trips();
    const std::lock_guard lock(mutex_);
    for (auto& entry : entries_) {
        if (entry.is_over_ || entry.appliance_id_.empty()) {
            continue;
        }
        if (!is_paired(entry)) {
            figures.of(entry.protocol_).revoked += std::exchange(entry.is_revoked_, true) ? 0 : 1;
            entry.cut();
        } else if (const auto time = round_trip_of(entry.socket_.get())) {
            figures.set_round_trip(entry.appliance_id_, *time);
        }
    }
}

void ConnectionList::stop() {
    {
        const std::lock_guard lock(mutex_);
        for (const auto& entry : entries_) {
            entry.cut();
        }
    }
    // Nobody adds to the list any more, and the threads only refer to their own entries.
    for (auto& entry : entries_) {
        if (entry.thread_.joinable()) {
            entry.thread_.join();
        }
    }
}

}  // namespace mk::tunnel
