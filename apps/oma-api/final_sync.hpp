#pragma once
// The last pass of a live failover (control/replication/final_pass.hpp) behind the failover's port.

#include "control/failover/ports.hpp"
#include "control/replication/collaborators.hpp"

namespace mk::oma {

class PassFinalSync : public failover::FinalSync {
  public:
    explicit PassFinalSync(replication::Collaborators& use) : use_(use) {}

    RecoveryPoint run(const JobId& job, const VmContextId& vm, const std::stop_token& stop) override;
    void clean_up(const JobId& job, const VmContextId& vm) override;
    void drop_resumable(const VmContextId& vm) override;

  private:
    replication::Collaborators& use_;
};

}  // namespace mk::oma
