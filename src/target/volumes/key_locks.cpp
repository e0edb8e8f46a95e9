#include "target/volumes/key_locks.hpp"

#include "base/error.hpp"

namespace mk::volumes {

KeyLocks::Lease::~Lease() {
    if (locks_ != nullptr) {
        locks_->release(key_);
    }
}

std::optional<KeyLocks::Lease> KeyLocks::try_acquire(const std::string& key) {
    const std::lock_guard lock(held_mutex_);
    if (!held_.insert(key).second) {
        return std::nullopt;
    }
    return Lease(this, key);
}

KeyLocks::Lease KeyLocks::acquire(const std::string& key, std::chrono::milliseconds limit,
                                  const std::stop_token& stop) {
    std::unique_lock lock(held_mutex_);
    const bool is_free = released_.wait_for(lock, stop, limit, [&] { return !held_.contains(key); });
    if (!is_free) {
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "stopped while waiting for other work on " + key);
        }
        throw Error(
            ErrorCode::conflict, "other work on " + key + " is not finished yet",
            {.consequence = "Nothing was changed.", .remedy = "Try again when it is finished.", .retry_safe = true});
    }
    held_.insert(key);
    return Lease(this, key);
}

void KeyLocks::release(const std::string& key) {
    {
        const std::lock_guard lock(held_mutex_);
        held_.erase(key);
    }
    released_.notify_all();
    if (on_release_) {
        on_release_();
    }
}

}  // namespace mk::volumes
