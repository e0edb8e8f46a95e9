#pragma once
// Warnings that a stranger can cause as often as he likes: the first one is logged at once, then one in ten seconds,
// with the number of those that were left out.

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>

namespace mk::tunnel {

/// Decides; does not log. Thread-safe.
class LogLimit {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// For an event at `now`: nothing when it is to be left out, else how many were left out before it.
    std::optional<std::size_t> pass(TimePoint now);

  private:
    std::mutex mutex_;
    std::optional<TimePoint> next_;
    std::size_t left_out_ = 0;
};

/// Thread-safe.
class LimitedLog {
  public:
    void warn(const std::string& event);

  private:
    LogLimit limit_;
};

}  // namespace mk::tunnel
