#pragma once
// The last pass of a live failover: a replication pass as steps of the failover's own job. The source is off meanwhile,
// so it reads no samples.

#include "control/failover/ports.hpp"
#include "control/replication/pass_coordinator.hpp"

namespace mk::oma {

class PassFinalSync : public failover::FinalSync {
  public:
    explicit PassFinalSync(replication::Collaborators& use) : use_(use) {}

    RecoveryPoint run(const JobId& job, const VmContextId& vm, const std::stop_token& stop) override {
        return replication::PassCoordinator(use_, job, vm, {.sample = false}).run(stop);
    }
    void clean_up(const JobId& job, const VmContextId& vm) override;
    void drop_resumable(const VmContextId& vm) override;

  private:
    replication::Collaborators& use_;
};

}  // namespace mk::oma
