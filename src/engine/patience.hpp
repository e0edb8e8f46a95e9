#pragma once
// How long a lost connection is tried again: growing pauses with jitter, over when nothing moved for a while. One
// thread.

#include <chrono>
#include <optional>
#include <random>
#include <stop_token>

#include "base/error.hpp"
#include "base/retry.hpp"

namespace mk::engine {

class Patience {
  public:
    explicit Patience(const RetryPolicy& policy);
    /// Something moved since the last failure: begins anew.
    void progressed();
    /// Sleeps the next pause. Throws `cause` when it is not retryable or the patience is over, Error{cancelled} when
    /// stopped.
    void wait(const Error& cause, const std::stop_token& stop);

  private:
    using Time = std::chrono::steady_clock::time_point;

    RetryPolicy policy_;
    std::chrono::milliseconds next_pause_;
    std::optional<Time> deadline_;
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace mk::engine
