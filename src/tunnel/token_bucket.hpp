#pragma once
// A limit in bytes per second that may change at any time.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/bytes.hpp"

namespace mk::tunnel {

/// The arithmetic. Long-term exact: who takes more than there is leaves a debt that the next one waits for. Not more
/// than 50 ms' worth is saved up while nobody takes. Not thread-safe.
class TokenAccount {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// 0 = no limit.
    TokenAccount(Bytes bytes_per_second, TimePoint now) : rate_(bytes_per_second), settled_(now) {}
    void set_rate(Bytes bytes_per_second, TimePoint now);
    Bytes rate() const { return rate_; }
    /// How long nobody may take anything; zero when now is right.
    std::chrono::nanoseconds wait(TimePoint now);
    void take(Bytes bytes);

  private:
    void settle(TimePoint now);

    Bytes rate_;
    double balance_ = 0;  ///< negative: debt
    TimePoint settled_;
};

/// Thread-safe: everybody who takes from it shares it.
class TokenBucket {
  public:
    /// 0 = no limit.
    explicit TokenBucket(Bytes bytes_per_second = 0);
    void set_rate(Bytes bytes_per_second);
    Bytes rate() const;
    /// Waits until `bytes` may go. A change of the rate takes effect on those who wait. Returns early when stopped.
    void take(Bytes bytes, const std::stop_token& stop = {});

  private:
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    TokenAccount account_;
};

}  // namespace mk::tunnel
