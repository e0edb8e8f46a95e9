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

void ConnectionList::Entry::cut() {
    is_cut_ = true;
    if (socket_) {
        ::shutdown(socket_.get(), SHUT_RDWR);
    }
}

ConnectionList::ConnectionList(std::size_t max_known, std::size_t max_strangers)
    : max_known_(max_known), max_strangers_(max_strangers) {}

bool ConnectionList::begin(os::Descriptor socket, Serve serve) {
    tune_accepted(socket.get());
    reap();
    if (!make_room_for_stranger()) {
        return false;
    }
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
    return true;
}

/// False when there is none. Whoever was cut has a thread until it has noticed, so those count too.
bool ConnectionList::make_room_for_stranger() {
    const std::lock_guard lock(mutex_);
    std::size_t staying = 0;
    std::size_t ending = 0;
    Entry* oldest = nullptr;
    for (auto& entry : entries_) {
        if (entry.is_over_ || !entry.appliance_id_.empty()) {
            continue;
        }
        ++(entry.is_cut_ ? ending : staying);
        oldest = oldest == nullptr && !entry.is_cut_ ? &entry : oldest;
    }
    if (staying < max_strangers_) {
        return true;
    }
    if (oldest == nullptr || ending >= max_strangers_) {
        return false;
    }
    oldest->cut();
    return true;
}

bool ConnectionList::admit(Entry& entry, const Pairing& pairing, const std::string& protocol) {
    const std::lock_guard lock(mutex_);
    std::size_t known = 0;
    std::size_t own = 0;
    for (const auto& other : entries_) {
        if (!other.is_over_ && !other.appliance_id_.empty()) {
            ++known;
            own += other.appliance_id_ == pairing.appliance_id ? 1 : 0;
        }
    }
    if (known >= max_known_ || own >= max_known_ - max_known_ / 4) {
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
        for (auto& entry : entries_) {
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
