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

namespace mk::replication {

/// The steps of a pass, in order, for JobStart.
std::vector<joblog::StepPlan> pass_steps();

class PassCoordinator {
  public:
    PassCoordinator(Collaborators& use, JobId job, VmContextId vm, bool full);

    /// Runs all steps. Throws what failed; then every session of the pass is aborted (best effort, said in the log).
    RecoveryPoint run(const std::stop_token& stop);
    /// After a crash between commit record and last applied byte: finishes the apply. Idempotent.
    void apply(const RecoveryPoint& point, joblog::StepContext& step, const std::stop_token& stop);
    /// After a failure: see clean_up_pass().
    std::vector<std::string> clean_up();

  private:
    void throw_if_cancelled(const std::stop_token& stop) const;
    void check_source(joblog::StepContext& step, const std::stop_token& stop);
    void finish_applying(joblog::StepContext& step, const std::stop_token& stop);
    void prepare_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void open_sessions(joblog::StepContext& step, const std::stop_token& stop);
    void copy(joblog::StepContext& step, const std::stop_token& stop);
    contracts::PassProgress follow_copy(joblog::StepContext& step, const std::stop_token& stop);
    void require_every_disk(const contracts::PassResult& result) const;
    const contracts::Volume& volume_of(const DiskId& disk) const;
    void note_progress(const contracts::PassProgress& progress, joblog::StepContext& step, std::string& last_stage);
    void verify(joblog::StepContext& step, const std::stop_token& stop);
    RecoveryPoint commit(joblog::StepContext& step);
    contracts::PassRequest pass_request() const;
    const SourceDisk& source_disk(const DiskId& disk) const;

    Collaborators& use_;
    JobId job_;
    VmContextId vm_;
    bool full_;
    machines::Machine machine_;
    std::optional<RecoveryPoint> base_;
    std::vector<contracts::Volume> volumes_;
    std::vector<contracts::WriteSession> sessions_;
    std::optional<contracts::PassResult> result_;
};

}  // namespace mk::replication
