#pragma once
// SIGTERM and SIGINT as a stop request, for programs that work while they listen.

#include <stop_token>
#include <thread>

namespace mk::os {

/// Call block_termination_signals() before the first thread. The destructor ends the listening thread.
class TerminationListener {
  public:
    TerminationListener();
    ~TerminationListener();
    TerminationListener(const TerminationListener&) = delete;
    TerminationListener& operator=(const TerminationListener&) = delete;
    std::stop_token token() const { return source_.get_token(); }

  private:
    std::stop_source source_;
    std::thread thread_;
};

}  // namespace mk::os
