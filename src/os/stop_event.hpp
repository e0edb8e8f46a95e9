#pragma once
// Makes a stop request visible to poll(). One thread; lives as long as the wait.

#include <functional>
#include <stop_token>

#include "os/file.hpp"

namespace mk::os {

class StopEvent {
  public:
    /// Throws when the process has no descriptor left.
    explicit StopEvent(const std::stop_token& stop);
    StopEvent(const StopEvent&) = delete;
    StopEvent& operator=(const StopEvent&) = delete;

    /// Readable since the stop was requested.
    int descriptor() const { return event_.get(); }

  private:
    Descriptor event_;
    std::stop_callback<std::function<void()>> callback_;  // last: it must go before the event
};

}  // namespace mk::os
