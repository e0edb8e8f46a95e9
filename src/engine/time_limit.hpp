#pragma once
// A stop token that fires by itself after a while: for cleaning up when the caller's own token was used already, and
// for calls that must end. Optionally fires with the caller's token too.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace mk::engine {

class TimeLimit {
  public:
    explicit TimeLimit(std::chrono::milliseconds limit, const std::stop_token& outer = {})
        : on_outer_(outer, [this] { source_.request_stop(); }), timer_([this, limit](const std::stop_token& over) {
              std::unique_lock lock(mutex_);
              if (!wake_.wait_for(lock, over, limit, [] { return false; }) && !over.stop_requested()) {
                  is_over_ = true;
                  source_.request_stop();
              }
          }) {}

    /// True when it was the time that ended it.
    bool is_over() const { return is_over_; }
    std::stop_token token() const { return source_.get_token(); }

  private:
    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::stop_source source_;
    std::atomic<bool> is_over_{false};
    std::stop_callback<std::function<void()>> on_outer_;
    std::jthread timer_;  // last: it uses the others
};

}  // namespace mk::engine
