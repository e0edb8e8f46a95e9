#include "base/retry.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>

namespace mk {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Half to whole of `full`, so that many callers that failed together do not come back together.
milliseconds with_jitter(milliseconds full) {
    thread_local std::minstd_rand generator{std::random_device{}()};
    std::uniform_int_distribution<milliseconds::rep> spread(full.count() / 2, std::max(full.count(), full.count() / 2));
    return milliseconds{spread(generator)};
}

Error stopped() {
    return Error(ErrorCode::cancelled, "the operation was stopped");
}

}  // namespace

bool pause(milliseconds duration, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
}

void retry(const RetryPolicy& policy, const std::stop_token& stop, const std::function<void()>& attempt,
           const std::function<void(const Error&)>& on_retry) {
    const auto deadline = steady_clock::now() + policy.give_up_after;
    milliseconds next_pause = std::max(policy.first_pause, milliseconds{1});
    while (true) {
        if (stop.stop_requested()) {
            throw stopped();
        }
        try {
            return attempt();
        } catch (const Error& error) {
            const milliseconds wait = with_jitter(next_pause);
            if (!error.retryable() || steady_clock::now() + wait > deadline) {
                throw;
            }
            if (on_retry) {
                on_retry(error);
            }
            next_pause = std::min(next_pause * 2, std::max(policy.longest_pause, milliseconds{1}));
            if (!pause(wait, stop)) {
                throw stopped();
            }
        }
    }
}

void wait_until(const std::function<bool()>& done, milliseconds interval, milliseconds limit,
                const std::stop_token& stop, const std::string& what) {
    const auto deadline = steady_clock::now() + limit;
    while (true) {
        if (stop.stop_requested()) {
            throw stopped();
        }
        if (done()) {
            return;
        }
        const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
        if (left <= milliseconds::zero()) {
            throw Error(ErrorCode::timeout, what);
        }
        // The last look comes at the deadline, not an interval before it.
        pause(std::min(std::max(interval, milliseconds{1}), left), stop);
    }
}

}  // namespace mk
