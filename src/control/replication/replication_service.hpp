#pragma once
// Starts, stops and, after a restart, settles replication jobs. Thread-safe.

#include <string>

#include "control/joblog/job_runner.hpp"
#include "control/replication/pass_coordinator.hpp"

namespace mk::replication {

class ReplicationService {
  public:
    explicit ReplicationService(Collaborators use);

    /// Answers at once with the job. `full` copies everything anew (staged: the last recovery point stays whole).
    /// Throws Error{conflict} with the reason when the machine's state forbids it.
    JobId start(const VmContextId& vm, bool full, const std::string& owner);
    /// Asks a running job to stop. Throws Error{not_found}.
    void cancel(const JobId& job);
    /// At start-up: a pass whose commit record is written is finished, any other is cleaned up and its job ends as failed.
    void settle_interrupted();
    /// Bounded; running passes end as interrupted and are settled at the next start.
    void stop();

  private:
    void run(const JobId& job, const VmContextId& vm, bool full, const std::stop_token& stop);
    void fail(const JobId& job, const VmContextId& vm, const Error& error, PassCoordinator& pass);
    void settle(const joblog::Job& job);

    Collaborators use_;
    joblog::JobRunner runner_;
};

}  // namespace mk::replication
