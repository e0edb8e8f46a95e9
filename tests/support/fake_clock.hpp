#pragma once
// A clock that stands still until a test turns it. Thread-safe.

#include <atomic>

#include "base/clock.hpp"

namespace mk::test {

class FakeClock : public Clock {
  public:
    /// 2026-01-01T00:00:00Z unless told otherwise.
    explicit FakeClock(Instant start = from_ms(1'767'225'600'000)) : now_ms_(to_ms(start)) {}

    Instant now() const override { return from_ms(now_ms_); }
    void advance(std::chrono::milliseconds duration) { now_ms_ += duration.count(); }
    void set(Instant instant) { now_ms_ = to_ms(instant); }

  private:
    std::atomic<std::int64_t> now_ms_;
};

}  // namespace mk::test
