#include "tunnel/token_bucket.hpp"

#include <algorithm>

namespace mk::tunnel {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// Small enough that a pause does not end in a burst, large enough for a thread that was not scheduled for a moment.
constexpr Seconds saved_up{0.05};

/// A debt at a very low rate must not become a wait that no clock can hold.
constexpr Seconds longest_wait{3600.0};

}  // namespace

void TokenAccount::settle(TimePoint now) {
    const auto rate = static_cast<double>(rate_);
    balance_ = std::min(balance_ + rate * Seconds(now - settled_).count(), rate * saved_up.count());
    settled_ = now;
}

void TokenAccount::set_rate(Bytes bytes_per_second, TimePoint now) {
    settle(now);
    rate_ = bytes_per_second;
    if (rate_ == 0) {
        balance_ = 0;
    }
}

nanoseconds TokenAccount::wait(TimePoint now) {
    if (rate_ == 0) {
        return nanoseconds::zero();
    }
    settle(now);
    const auto wait = Seconds(-balance_ / static_cast<double>(rate_));
    return std::chrono::ceil<nanoseconds>(std::clamp(wait, Seconds::zero(), longest_wait));
}

void TokenAccount::take(Bytes bytes) {
    if (rate_ != 0) {
        balance_ -= static_cast<double>(bytes);
    }
}

TokenBucket::TokenBucket(Bytes bytes_per_second) : account_(bytes_per_second, steady_clock::now()) {}

void TokenBucket::set_rate(Bytes bytes_per_second) {
    const std::lock_guard lock(mutex_);
    account_.set_rate(bytes_per_second, steady_clock::now());
    changed_.notify_all();
}

Bytes TokenBucket::rate() const {
    const std::lock_guard lock(mutex_);
    return account_.rate();
}

void TokenBucket::take(Bytes bytes, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        const auto wait = account_.wait(steady_clock::now());
        if (wait <= nanoseconds::zero()) {
            account_.take(bytes);
            return;
        }
        changed_.wait_for(lock, stop, wait, [&, seen = account_.rate()] { return account_.rate() != seen; });
    }
}

}  // namespace mk::tunnel
