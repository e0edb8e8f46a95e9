#include "final_sync.hpp"

#include "control/replication/final_pass.hpp"
#include "control/replication/kept_sessions.hpp"

namespace mk::oma {

RecoveryPoint PassFinalSync::run(const JobId& job, const VmContextId& vm, const std::stop_token& stop) {
    return replication::run_final_pass(use_, job, vm, stop);
}

void PassFinalSync::clean_up(const JobId& job, const VmContextId& vm) {
    replication::abandon_final_pass(use_, job, vm);
}

void PassFinalSync::drop_resumable(const VmContextId& vm) {
    replication::drop_resumable(use_, vm);
}

}  // namespace mk::oma
