#pragma once
// Starts test and live failovers, finishes tests, commits or takes back live ones, cleans up, and settles what a
// restart interrupted. Thread-safe.

#include <functional>
#include <string>
#include <thread>

#include "control/failover/collaborators.hpp"
#include "control/failover/failover_plan.hpp"
#include "control/failover/preflight.hpp"
#include "control/joblog/job_runner.hpp"

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
    /// Takes a live failover back: the machine in the cloud is deleted, the copy is reverted to its recovery point, the
    /// source is started if the failover shut it down. What was written in the cloud is lost. Throws Error{conflict}
    /// once a commit has begun to delete the snapshots.
    JobId go_back(const VmContextId& vm, const std::string& owner);
    /// Ends a live failover for good: its snapshots are deleted, machine and volumes belong to the operator. Deletes
    /// nothing that holds data. Repeatable until it ends well.
    JobId commit(const VmContextId& vm, const std::string& owner);
    /// Rolls back whatever a failed failover left.
    JobId clean_up(const VmContextId& vm, const std::string& owner);
    void cancel(const JobId& job);
    /// At start-up: a failover or rollback that was running when the process died ends as failed, its machine needs a
    /// cleanup; unless it had changed nothing yet, or only its result was not recorded. Answers at once.
    void settle_interrupted();
    /// Rolls back the tests whose time is over.
    void roll_back_due();
    /// Starts the timer that calls roll_back_due().
    void start_timer();
    void stop();

  private:
    using Also = std::function<void(db::Session&, const FailoverJob&)>;
    JobId start_rollback(const VmContextId& vm, MachineAction action, const std::string& operation,
                         const std::string& owner, const Also& also = {});
    void run_failover(const JobId& job, const VmContextId& vm, const FailoverRequest& request,
                      const std::stop_token& stop);
    void run_rollback(const JobId& job, const VmContextId& vm, const FailoverJob& failover,
                      const std::stop_token& stop);
    void run_commit(const JobId& job, const VmContextId& vm, const FailoverJob& failover, const std::stop_token& stop);
    void conclude_failover(const JobId& job, const VmContextId& vm, bool live);
    void conclude_rollback(const JobId& job, const VmContextId& vm);
    void conclude_commit(const JobId& job, const VmContextId& vm);
    void fail_failover(const JobId& job, const VmContextId& vm, const Error& error, bool needs_rollback);
    void fail_rollback(const JobId& job, const VmContextId& vm, const Error& error);
    void fail_commit(const JobId& job, const VmContextId& vm, const Error& error);
    void settle_commit(const joblog::Job& job);
    void settle(const joblog::Job& job);

    Collaborators use_;
    joblog::JobRunner runner_;
    std::jthread timer_;
};

}  // namespace mk::failover
