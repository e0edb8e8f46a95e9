#pragma once
// A limit in bytes per second that may change at any time. Thread-safe: everybody who takes from it shares it.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/bytes.hpp"

namespace mk::tunnel {

class TokenBucket {
  public:
    /// 0 = no limit.
    explicit TokenBucket(Bytes bytes_per_second = 0);
    void set_rate(Bytes bytes_per_second);
    Bytes rate() const;
    /// Waits until `bytes` may go. A change of the rate takes effect on those who wait. Returns early when stopped.
    void take(Bytes bytes, const std::stop_token& stop = {});
};

}  // namespace mk::tunnel
