#pragma once
// The jobs of failovers, rollbacks and commits: their threads, their plans, their ends, and how they go on after a
// restart. Owned by FailoverService. Thread-safe.
//
//   job runs -> plan done                          -> recorded: failed over, ready, committed
//            -> a step failed | it was stopped     -> nothing touched: as before
//                                                  -> cleanup_required -> rollback, by itself where that was asked for
//                                                                         and after every stop
//            -> the service stops | the process dies -> the job stays open -> resumed by the next process

#include <atomic>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

#include "control/failover/plan_runner.hpp"
#include "control/failover/run_context.hpp"
#include "control/joblog/job_runner.hpp"

namespace mk::failover {

class FailoverJobs {
  public:
    using Also = std::function<void(db::Session&, const FailoverJob&)>;

    explicit FailoverJobs(Collaborators& use);

    /// Of a job that is begun. Throws when there is no thread for it; the job has ended then.
    void launch_failover(const JobId& job, const VmContextId& vm);
    void launch_commit(const JobId& job, const VmContextId& vm);
    /// Through the machine's gate. `also` runs in the transaction that starts it, and may refuse by throwing.
    JobId start_rollback(const VmContextId& vm, MachineAction action, const std::string& operation,
                         const std::string& owner, const Also& also = {});
    /// Rollbacks that were to start by themselves and could not yet.
    void start_owed_rollbacks();
    /// Throws Error{not_found}, or Error{conflict} for a failover that is past the point of no return.
    void cancel(const JobId& job);
    /// At start-up. Answers at once: each job goes on on a thread of its own.
    void resume_interrupted();
    /// Running jobs stop where they are and stay open, for the next process. Idempotent.
    void stop();

    /// The context of a job that is to begin, or of none, about the failover `row`.
    RunContext context_of(const JobId& job, const FailoverJob& row) const;

  private:
    void launch(const JobId& job, joblog::JobRunner::Work work, const std::function<void(const Error&)>& fail);
    void run_failover(const JobId& job, const VmContextId& vm, const std::stop_token& stop);
    void run_rollback(const JobId& job, const VmContextId& vm, const std::stop_token& stop);
    void run_commit(const JobId& job, const VmContextId& vm, const std::stop_token& stop);
    void conclude_failover(const JobId& job, const VmContextId& vm);
    void conclude_rollback(const JobId& job, const VmContextId& vm);
    void conclude_commit(const JobId& job, const VmContextId& vm);
    void fail_failover(const JobId& job, const VmContextId& vm, const Error& error);
    void fail_rollback(const JobId& job, const VmContextId& vm, const Error& error);
    void fail_commit(const JobId& job, const VmContextId& vm, const Error& error);
    bool end_broken_failover(const JobId& job, const VmContextId& vm, const Error& error);
    void roll_back_by_itself(const VmContextId& vm);
    FailoverJob subject_of(const JobId& job, const VmContextId& vm) const;
    void throw_if_cancelled(const JobId& job, const std::stop_token& stop) const;
    void require_source_off(const RunContext& context, const std::stop_token& stop) const;
    bool seal(const JobId& job);
    bool stays_open(const JobId& job) const;
    void resume(const joblog::Job& job, const std::stop_token& stop);
    bool may_go_on(const joblog::Job& job);
    std::string obstacle_to(const joblog::Job& job, const std::optional<machines::Machine>& machine) const;

    Collaborators& use_;
    std::mutex seal_mutex_;  // held while it is decided whether a failover may still be stopped
    std::atomic<bool> is_stopping_ = false;
    joblog::JobRunner runner_;
};

}  // namespace mk::failover
