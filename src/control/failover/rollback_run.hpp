#pragma once
// Undoes a failover from whatever state it is in, in the ten steps of the inventory (H1). Idempotent: every step reads
// reality first, so it can be repeated after any crash. One object per job; runs on the job's thread.

#include <optional>
#include <set>
#include <stop_token>
#include <vector>

#include "control/failover/collaborators.hpp"

namespace mk::failover {

class RollbackRun {
  public:
    RollbackRun(Collaborators& use, JobId job, VmContextId vm, FailoverJob failover);
    /// Throws what failed; the machine then still needs a cleanup.
    void run(const std::stop_token& stop);

  private:
    void read_remains(joblog::StepContext& step, const std::stop_token& stop);
    void stop_machine(joblog::StepContext& step, const std::stop_token& stop);
    void detach_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void revert_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void delete_snapshots(joblog::StepContext& step, const std::stop_token& stop);
    void reattach_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void delete_machine(joblog::StepContext& step, const std::stop_token& stop);
    void restart_source(joblog::StepContext& step, const std::stop_token& stop);
    void bring_back(const contracts::Volume& volume, joblog::StepContext& step, const std::stop_token& stop);
    /// Reads the volume, which must be at the appliance.
    bool holds_the_point(const contracts::Volume& volume, joblog::StepContext& step, const std::stop_token& stop);
    std::string expected_digest(const DiskId& disk) const;

    Collaborators& use_;
    JobId job_;
    VmContextId vm_;
    FailoverJob failover_;
    std::optional<RecoveryPoint> point_;
    std::optional<CloudMachine> machine_;
    std::set<VolumeId>
        unproven_;  // their snapshot was never completed, so nothing was changed since: proven at the end
};

}  // namespace mk::failover
