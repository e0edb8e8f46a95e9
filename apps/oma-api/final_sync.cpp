#include "final_sync.hpp"

namespace mk::oma {

void PassFinalSync::clean_up(const JobId& job, const VmContextId& vm) {
    const auto point = use_.recovery_points.of_job(job);
    if (point && !point->applied) {
        return;  // its sessions hold the rest of a committed point: the next pass applies it
    }
    for (const auto& left : replication::PassCoordinator(use_, job, vm, false).clean_up()) {
        use_.job_log.log(job, joblog::Level::warn, "Not cleaned up yet: " + left);
    }
}

}  // namespace mk::oma
