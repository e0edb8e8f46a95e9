#pragma once
// Starts test and live failovers, finishes tests, commits or takes back live ones, cleans up; goes on with what a
// restart interrupted. The gate to them all; how they run is in failover_jobs.hpp. Thread-safe.

#include <string>
#include <thread>
#include <vector>

#include "control/failover/collaborators.hpp"
#include "control/failover/failover_jobs.hpp"
#include "control/failover/failover_plan.hpp"
#include "control/failover/plan_runner.hpp"
#include "control/failover/preflight.hpp"

namespace mk::failover {

class FailoverService {
  public:
    explicit FailoverService(Collaborators use);
    ~FailoverService() { stop(); }

    /// The preflight alone; changes nothing.
    PreflightResult check(const VmContextId& vm, const FailoverRequest& request, const std::stop_token& stop = {});
    /// Answers at once with the job. Throws Error{conflict|invalid} when state or request forbid it.
    JobId start(const VmContextId& vm, const FailoverRequest& request, const std::string& owner);
    /// Ends a running test: records the operator's verdict ("worked", "failed" or "") and rolls back.
    JobId finish_test(const VmContextId& vm, const std::string& verdict, const std::string& note,
                      const std::string& owner);
    /// Moves the end of a test that ends by itself; answers when it ends then. At most 30 days after its beginning.
    /// Throws Error{invalid} for senseless durations, Error{conflict} when no such test runs.
    Instant extend(const VmContextId& vm, std::chrono::seconds by, const std::string& owner);
    /// Takes a live failover back: the machine in the cloud is deleted, the copy is reverted to its recovery point, the
    /// source is started if the failover shut it down. What was written in the cloud is lost. Throws Error{conflict}
    /// once a commit has begun to delete the snapshots.
    JobId go_back(const VmContextId& vm, const std::string& owner);
    /// Ends a live failover for good: its snapshots are deleted, machine and volumes belong to the operator. Deletes
    /// nothing that holds data. Repeatable until it ends well.
    JobId commit(const VmContextId& vm, const std::string& owner);
    /// Rolls back whatever a failed failover left.
    JobId clean_up(const VmContextId& vm, const std::string& owner);
    /// What a rollback would do now, step by step, from reality; of a machine that is failed over, or needs a cleanup,
    /// or is on the way to or from it. Changes nothing. Throws Error{conflict} where there is nothing to take back.
    std::vector<PlannedStep> plan_cleanup(const VmContextId& vm, const std::stop_token& stop = {});
    /// Stops a job. A failover is rolled back by itself then; one that is past the point of no return is refused with
    /// Error{conflict}.
    void cancel(const JobId& job);
    /// At start-up: what the last process left goes on by itself, under its own id. Answers at once.
    void resume_interrupted();
    /// Rolls back the tests whose time is over, and the failovers whose rollback could not start by itself yet.
    void roll_back_due();
    /// Starts the timer that calls roll_back_due().
    void start_timer();
    void stop();

  private:
    void finish_when_due(const FailoverJob& failover);

    Collaborators use_;
    FailoverJobs jobs_;
    std::jthread timer_;
};

}  // namespace mk::failover
