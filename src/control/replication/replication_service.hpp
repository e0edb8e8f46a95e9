#pragma once
// Starts, stops and, after a restart, settles replication and verification jobs; takes machines out of management.
// Thread-safe.

#include <string>
#include <thread>

#include "control/joblog/job_runner.hpp"
#include "control/replication/pass_coordinator.hpp"
#include "control/replication/pass_options.hpp"

namespace mk::replication {

class ReplicationService {
  public:
    explicit ReplicationService(Collaborators use);
    ~ReplicationService() { stop(); }

    /// Answers at once with the job. A full copy is staged, too: the last recovery point stays whole. Throws
    /// Error{conflict} with the reason when the machine's state forbids it or a comparison is asked for that the way to
    /// the source does not allow, Error{invalid} for senseless options.
    JobId start(const VmContextId& vm, const PassOptions& options, const std::string& owner);
    /// Compares the copy with the source without moving data: `percent` (1 to 100) of what has not changed since the
    /// last recovery point. Answers at once with the job, which ends "completed" with its verdict; see
    /// verification.hpp. Throws Error{conflict} when the state forbids it or nothing was copied yet, Error{invalid} for
    /// the share.
    JobId verify(const VmContextId& vm, int percent, const std::string& owner);
    /// Asks a running job to stop; a commit that has begun is finished all the same. Throws Error{not_found}.
    void cancel(const JobId& job);
    /// Leaves management; answers when it is done, and whether the volumes were kept. The copy is deleted unless it is
    /// to be kept; the volumes of a committed machine belong to the machine in the cloud and are never touched. Holds
    /// the machine's gate: no other job can start meanwhile. Once the first volume may be gone the recovery points are,
    /// too, so that a removal that breaks leaves a machine that is not replicated. Repeatable. Throws Error{conflict}
    /// when the state forbids it, a job runs, or volumes are to be kept that are between two recovery points.
    bool remove(const VmContextId& vm, bool keep_volumes, const std::string& owner);
    /// At start-up: a pass whose commit record is written is finished; any other is cleaned up, what arrived is kept
    /// for the next one, and its job ends as failed.
    void settle_interrupted();
    /// Drops what was kept for longer than Pacing::keep_sessions, of machines that no job holds.
    void drop_expired();
    /// Starts the timer that calls drop_expired(), now and then.
    void start_timer();
    /// Running passes are stopped and cleaned up; one that is past its commit record is finished. What cannot be
    /// recorded any more is settled at the next start. Idempotent.
    void stop();

  private:
    JobId begin(const VmContextId& vm, MachineAction action, std::optional<MachineStatus> during,
                const joblog::JobStart& start, const std::string& type);
    void launch(const JobId& job, const VmContextId& vm, joblog::JobRunner::Work work);
    void run(const JobId& job, const VmContextId& vm, const PassOptions& options, const std::stop_token& stop);
    void clean_up(const JobId& job, const VmContextId& vm);
    void run_verification(const JobId& job, const VmContextId& vm, int percent, const std::stop_token& stop);
    void conclude_verification(const JobId& job, const VmContextId& vm);
    void end_verification(const JobId& job, const VmContextId& vm, const Error& error);
    void fail_verification(const JobId& job, const VmContextId& vm, const Error& error);
    void succeed(const JobId& job, const VmContextId& vm);
    void fail(const JobId& job, const VmContextId& vm, const Error& error);
    /// `wanted`, unless a test on clones runs: that goes on.
    MachineStatus resting(const JobId& job, MachineStatus wanted) const;
    MachineStatus status_after(const VmContextId& vm, const Error& error) const;
    void require_untouched(const JobId& job) const;
    void require_whole_copy(const VmContextId& vm) const;
    void delete_copy(const VmContextId& vm, joblog::StepContext& step);
    void fail_removal(const JobId& job, const VmContextId& vm, const Error& error);
    void drop_expired(const machines::Machine& machine);
    void end_expiry(const JobId& job, const VmContextId& vm, const Error* error);
    static bool is_ours(const joblog::Job& job);
    void settle(const joblog::Job& job);
    void settle_pass(const joblog::Job& job);

    Collaborators use_;
    joblog::JobRunner runner_;
    std::jthread timer_;
};

}  // namespace mk::replication
