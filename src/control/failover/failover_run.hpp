#pragma once
// A test or live failover, step by step, in the order the platform allows (decision 13): detach, snapshot, inject,
// create, attach, start. One object per job; runs on the job's thread. Whatever it throws, the rollback can start from
// where it stopped.

#include <stop_token>
#include <vector>

#include "control/failover/collaborators.hpp"
#include "control/failover/failover_plan.hpp"

namespace mk::failover {

class FailoverRun {
  public:
    FailoverRun(Collaborators& use, JobId job, VmContextId vm, FailoverRequest request);

    /// Throws what failed.
    void run(const std::stop_token& stop);
    /// True as soon as something was changed that only a rollback puts right.
    bool needs_rollback() const { return touched_; }

  private:
    void validate(joblog::StepContext& step, const std::stop_token& stop);
    void shut_source_down(joblog::StepContext& step, const std::stop_token& stop);
    void sync_last_changes(const std::stop_token& stop);
    void learn_digests(const std::vector<contracts::Volume>& volumes, joblog::StepContext& step,
                       const std::stop_token& stop);
    void detach_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void snapshot_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void inject_drivers(joblog::StepContext& step, const std::stop_token& stop);
    MachineOrder machine_order() const;
    void create_machine(joblog::StepContext& step, const std::stop_token& stop);
    CloudMachine deploy(const MachineOrder& order, const std::stop_token& stop);
    void attach_volumes(joblog::StepContext& step, const std::stop_token& stop);
    void start_and_prove(joblog::StepContext& step, const std::stop_token& stop);
    void throw_if_cancelled(const std::stop_token& stop) const;
    contracts::PowerState source_power(const std::string& action, const std::stop_token& stop);

    Collaborators& use_;
    JobId job_;
    VmContextId vm_;
    FailoverRequest request_;
    machines::Machine machine_;
    std::vector<contracts::Volume> volumes_;  // boot disk first, then source order
    std::vector<std::string> network_ids_;
    CloudMachineId destination_;
    bool needs_uefi_ = false;
    bool touched_ = false;
};

}  // namespace mk::failover
