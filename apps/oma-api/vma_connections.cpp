#include "vma_connections.hpp"

#include <utility>

namespace mk::oma {

namespace {

// As many passes as a VMA copies at a time; what is beyond was a burst.
constexpr std::size_t most_idle = 8;

}  // namespace

VmaConnections::Lease VmaConnections::lease(const VmaRoute& route, std::chrono::milliseconds limit) {
    const auto key = route.base_url + '\n' + route.token.reveal();
    std::unique_ptr<Entry> entry;
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(key_, key) != key) {
            idle_.clear();
        }
        if (!idle_.empty()) {
            entry = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    if (!entry) {
        entry = std::make_unique<Entry>(Entry{key, http::ApiClient(route.name, route.base_url, route.token)});
    }
    entry->client.set_limit(limit);
    return {*this, std::move(entry)};
}

void VmaConnections::give_back(std::unique_ptr<Entry> entry) noexcept {
    const std::lock_guard lock(mutex_);
    if (entry->key == key_ && idle_.size() < most_idle) {
        idle_.push_back(std::move(entry));
    }
}

}  // namespace mk::oma
