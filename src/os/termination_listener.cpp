#include "os/termination_listener.hpp"

#include <csignal>

#include <pthread.h>

#include "os/signals.hpp"

namespace mk::os {

TerminationListener::TerminationListener()
    : thread_([this] {
          wait_for_termination();
          source_.request_stop();
      }) {}

TerminationListener::~TerminationListener() {
    // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): the signal is blocked and only ends the thread's sigwait
    ::pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
}

}  // namespace mk::os
