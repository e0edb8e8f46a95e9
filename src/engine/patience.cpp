#include "engine/patience.hpp"

#include <algorithm>

namespace mk::engine {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Patience::Patience(const RetryPolicy& policy) : policy_(policy), next_pause_(policy.first_pause) {}

void Patience::progressed() {
    deadline_.reset();
    next_pause_ = policy_.first_pause;
}

void Patience::wait(const Error& cause, const std::stop_token& stop) {
    if (!cause.retryable()) {
        throw cause;
    }
    if (!deadline_) {
        deadline_ = steady_clock::now() + policy_.give_up_after;
    }
    // Half to whole, so that lanes that failed together do not come back together.
    std::uniform_int_distribution<milliseconds::rep> spread(next_pause_.count() / 2, next_pause_.count());
    const milliseconds length{spread(random_)};
    if (steady_clock::now() + length > *deadline_) {
        throw cause;
    }
    next_pause_ = std::min(std::max(next_pause_ * 2, milliseconds{1}), policy_.longest_pause);
    if (!pause(length, stop)) {
        throw Error(ErrorCode::cancelled, "the copy was stopped");
    }
}

}  // namespace mk::engine
