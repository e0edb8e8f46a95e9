#pragma once
// Starts, stops and, after a restart, settles replication jobs; takes machines out of management. Thread-safe.

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
    /// Asks a running job to stop; a commit that has begun is finished all the same. Throws Error{not_found}.
    void cancel(const JobId& job);
    /// Leaves management; answers when it is done, and whether the volumes were kept. The copy is deleted unless it is
    /// to be kept; the volumes of a committed machine belong to the machine in the cloud and are never touched. Holds
    /// the machine's gate: no other job can start meanwhile. Once the first volume may be gone the recovery points are,
    /// too, so that a removal that breaks leaves a machine that is not replicated. Repeatable. Throws Error{conflict}
    /// when the state forbids it or a job runs.
    bool remove(const VmContextId& vm, bool keep_volumes, const std::string& owner);
    /// At start-up: a pass whose commit record is written is finished, any other is cleaned up and its job ends as
    /// failed.
    void settle_interrupted();
    /// Running passes are stopped and cleaned up; one that is past its commit record is finished. What cannot be
    /// recorded any more is settled at the next start. Idempotent.
    void stop();

  private:
    void run(const JobId& job, const VmContextId& vm, bool full, const std::stop_token& stop);
    void succeed(const JobId& job, const VmContextId& vm);
    void fail(const JobId& job, const VmContextId& vm, const Error& error);
    MachineStatus status_after(const VmContextId& vm, const Error& error) const;
    void delete_copy(const VmContextId& vm, joblog::StepContext& step);
    void fail_removal(const JobId& job, const VmContextId& vm, const Error& error);
    void settle(const joblog::Job& job);

    Collaborators use_;
    joblog::JobRunner runner_;
};

}  // namespace mk::replication
