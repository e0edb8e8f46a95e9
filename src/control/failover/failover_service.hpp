#pragma once
// Starts test and live failovers, finishes tests, cleans up, and settles what a restart interrupted. Thread-safe.

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
    JobId finish_test(const VmContextId& vm, const std::string& verdict, const std::string& note, const std::string& owner);
    /// Rolls back whatever a failed failover left.
    JobId clean_up(const VmContextId& vm, const std::string& owner);
    void cancel(const JobId& job);
    /// At start-up: a failover that was running when the process died ends as failed, its machine needs a cleanup.
    void settle_interrupted();
    /// Starts the timer that rolls back tests whose time is over.
    void start_timer();
    void stop();

  private:
    JobId start_rollback(const VmContextId& vm, MachineAction action, const std::string& operation, const std::string& owner);
    void run_failover(const JobId& job, const VmContextId& vm, const FailoverRequest& request, const std::stop_token& stop);
    void run_rollback(const JobId& job, const VmContextId& vm, const FailoverJob& failover, const std::stop_token& stop);
    void end_failed(const JobId& job, const VmContextId& vm, const Error& error, MachineStatus status);
    void roll_back_due();

    Collaborators use_;
    joblog::JobRunner runner_;
    std::jthread timer_;
};

}  // namespace mk::failover
