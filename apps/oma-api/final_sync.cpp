#include "final_sync.hpp"

#include "control/replication/kept_sessions.hpp"
#include "control/replication/pass_cleanup.hpp"

namespace mk::oma {

void PassFinalSync::clean_up(const JobId& job, const VmContextId& vm) {
    const auto point = use_.recovery_points.of_job(job);
    if (point && !point->applied) {
        return;  // its sessions hold the rest of a committed point: the next pass applies it
    }
    for (const auto& left : replication::abandon_pass(use_, job, vm)) {
        use_.job_log.log(job, joblog::Level::warn, "Not cleaned up yet: " + left);
    }
}

void PassFinalSync::drop_resumable(const VmContextId& vm) {
    replication::drop_resumable(use_, vm);
}

}  // namespace mk::oma
