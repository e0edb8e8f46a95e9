#pragma once
// One replication pass of one machine as the OMA sees it: check the source, prepare volumes and write sessions, let the
// VMA copy, verify what arrived, commit (architecture.md section 4). Used by the replication job and by a live
// failover's final sync.
//
//   source-check -> volume-preparation -> write-session -> copy -> verification -> commit
//
// Anything that fails before the commit record leaves the last recovery point untouched; after it, apply() is repeated
// until it is done. One object per job; runs on the job's thread.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "control/joblog/job_log.hpp"
#include "control/machines/machine.hpp"
#include "control/replication/collaborators.hpp"
#include "control/replication/pass_options.hpp"
#include "control/replication/pass_request.hpp"

namespace mk::replication {

/// The steps of a pass, in order, for JobStart.
std::vector<joblog::StepPlan> pass_steps();

class PassCoordinator {
  public:
    PassCoordinator(Collaborators& use, JobId job, VmContextId vm, const PassOptions& options);

    /// Runs all steps. Throws what failed; what arrived is kept for the next pass until clean_up_pass() or
    /// abandon_pass() decides (kept_sessions.hpp).
    RecoveryPoint run(const std::stop_token& stop);
    /// After a crash between commit record and last applied byte: finishes the apply. Idempotent. Cannot be stopped:
    /// that would leave a volume between two points.
    void apply(const RecoveryPoint& point, joblog::StepContext& step);

  private:
    void throw_if_cancelled(const std::stop_token& stop) const;
    void check_source(joblog::StepContext& step, const std::stop_token& stop);
    void finish_applying(joblog::StepContext& step);
    std::string reason_to_compare() const;
    void plan_comparison(joblog::StepContext& step);
    void prepare_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void open_sessions(joblog::StepContext& step, const std::stop_token& stop);
    void copy(joblog::StepContext& step, const std::stop_token& stop);
    void note_differences(joblog::StepContext& step);
    const PassTarget& target_of(const DiskId& disk) const;
    void verify(joblog::StepContext& step, const std::stop_token& stop);
    RecoveryPoint commit(joblog::StepContext& step);
    const SourceDisk& source_disk(const DiskId& disk) const;

    Collaborators& use_;
    JobId job_;
    VmContextId vm_;
    PassOptions options_;
    machines::Machine machine_;
    std::optional<RecoveryPoint> base_;
    std::vector<contracts::Volume> volumes_;
    std::vector<PassTarget> targets_;
    int compare_percent_ = 0;
    std::string missed_;  ///< what change tracking was found not to know, for people
    std::optional<contracts::PassResult> result_;
};

}  // namespace mk::replication
