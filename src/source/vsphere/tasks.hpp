#pragma once
// Following vCenter's tasks to their end, and repeating what a busy machine refuses. A task is never given up silently:
// its object may vanish some minutes after its end, then the caller judges by the result.

#include <functional>
#include <stop_token>
#include <string>

#include "source/vsphere/session.hpp"

namespace mk::vsphere {

struct TaskEnd {
    bool vanished = false;  ///< nobody can say any more how it ended
    Moref result{};
};

/// Polls with back-off until the task succeeded; no upper limit while vCenter answers. Throws the task's error as
/// Error, Error{cancelled} when stopped (the task goes on in vCenter), Error{unavailable} after a long outage.
TaskEnd wait_for_task(Session& session, const Moref& task, const std::string& operation, const std::stop_token& stop);

/// Waits for the queued and running tasks of a machine, however they end.
void wait_for_running_tasks(Session& session, const Moref& vm, const std::stop_token& stop);

/// Runs `attempt` until it does not throw an Error whose handling is wait_and_retry; between attempts the machine's
/// running tasks are waited for, then a growing pause. Bounded by Pacing::busy_attempts.
void retry_while_busy(Session& session, const Moref& vm, const std::string& operation, const std::stop_token& stop,
                      const std::function<void()>& attempt);

/// Starts an idempotent task on a machine and waits for it, with retry_while_busy.
TaskEnd run_task(Session& session, const Moref& vm, const std::string& operation, const std::string& envelope,
                 const std::stop_token& stop);

}  // namespace mk::vsphere
