#pragma once
// The only loop that looks at Error::retryable(): exponential back-off with jitter, bounded by time, stoppable.

#include <chrono>
#include <functional>
#include <stop_token>

#include "base/error.hpp"

namespace mk {

struct RetryPolicy {
    std::chrono::milliseconds first_pause{500};
    std::chrono::milliseconds longest_pause{10'000};
    std::chrono::milliseconds give_up_after{60'000};
};

/// Sleeps up to `duration`; returns false at once when stop was requested.
bool pause(std::chrono::milliseconds duration, const std::stop_token& stop);

/// Calls `attempt` until it does not throw a retryable Error; rethrows the last error when the policy's time is over
/// and Error{cancelled} when stopped. `on_retry` (may be empty) hears of each failure that will be repeated.
void retry(const RetryPolicy& policy, const std::stop_token& stop, const std::function<void()>& attempt,
           const std::function<void(const Error&)>& on_retry = {});

/// Polls `done` every `interval` until it returns true. Throws Error{timeout, what} after `limit`, Error{cancelled}
/// when stopped.
void wait_until(const std::function<bool()>& done, std::chrono::milliseconds interval, std::chrono::milliseconds limit,
                const std::stop_token& stop, const std::string& what);

}  // namespace mk
