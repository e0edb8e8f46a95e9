#pragma once
// Ends a live failover for good: the machine in the cloud is looked at, the snapshots are deleted, machine and volumes
// are handed over to the operator. Deletes nothing that holds data. Idempotent: every step reads reality first. One
// object per job; runs on the job's thread.

#include <stop_token>
#include <string>

#include "control/failover/collaborators.hpp"

namespace mk::failover {

class CommitRun {
  public:
    CommitRun(Collaborators& use, JobId job, VmContextId vm, FailoverJob failover);
    /// Throws what failed; the machine then is failed over as before, and the commit can be repeated.
    void run(const std::stop_token& stop);

  private:
    void check(joblog::StepContext& step, const std::stop_token& stop);
    /// What speaks against letting the snapshots go; empty for nothing.
    std::string obstacle(joblog::StepContext& step, const std::stop_token& stop);
    void delete_snapshots(joblog::StepContext& step, const std::stop_token& stop);
    void hand_over(joblog::StepContext& step, const std::stop_token& stop);

    Collaborators& use_;
    JobId job_;
    VmContextId vm_;
    FailoverJob failover_;
};

}  // namespace mk::failover
