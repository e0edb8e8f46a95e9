#include "control/replication/final_pass.hpp"

#include <algorithm>

#include "control/replication/kept_sessions.hpp"
#include "control/replication/pass_cleanup.hpp"
#include "control/replication/pass_coordinator.hpp"

namespace mk::replication {

namespace {

const joblog::Step& step_named(const joblog::Job& job, const std::string& name) {
    const auto found =
        std::find_if(job.steps.begin(), job.steps.end(), [&](const joblog::Step& step) { return step.name == name; });
    if (found == job.steps.end()) {
        throw Error(ErrorCode::internal, "job " + job.id.value + " has no step '" + name + "'");
    }
    return *found;
}

bool has_begun(const joblog::Job& job) {
    const auto steps = pass_steps();
    return std::any_of(steps.begin(), steps.end(), [&](const joblog::StepPlan& step) {
        return step_named(job, step.name).status != StepStatus::pending;
    });
}

/// The commit record stands: all that is left is to bring the rest onto the volumes.
RecoveryPoint finish(Collaborators& use, const JobId& job, const VmContextId& vm, const RecoveryPoint& point) {
    use.job_log.run_step(job, "commit", [&](joblog::StepContext& step) {
        step.info("Continuing after a restart: the recovery point is recorded, its apply is finished");
        if (!point.applied) {
            PassCoordinator(use, job, vm, {}).apply(point, step);
        }
    });
    forget_checkpoint(use, vm, job);
    return *use.recovery_points.of_job(job);
}

void start_over(Collaborators& use, const JobId& job, const VmContextId& vm) {
    use.job_log.log(job, joblog::Level::info, "The final sync was interrupted: it is cleaned up and run again");
    const auto left = abandon_pass(use, job, vm);
    if (!left.empty()) {
        throw Error(ErrorCode::unavailable, "the interrupted final sync could not be cleaned up yet: " + left.front(),
                    {.consequence = "The last recovery point is unchanged; the source is off.",
                     .remedy = "See that the appliances at both sites can be reached.",
                     .retry_safe = true});
    }
    std::vector<std::string> names;
    for (const auto& step : pass_steps()) {
        names.push_back(step.name);
    }
    use.job_log.reset_steps(job, names);
}

}  // namespace

RecoveryPoint run_final_pass(Collaborators& use, const JobId& job, const VmContextId& vm, const std::stop_token& stop) {
    if (const auto point = use.recovery_points.of_job(job)) {
        return finish(use, job, vm, *point);
    }
    const auto found = use.job_log.find(job);
    if (found && has_begun(*found)) {
        start_over(use, job, vm);
    }
    return PassCoordinator(use, job, vm, {.sample = false}).run(stop);
}

void abandon_final_pass(Collaborators& use, const JobId& job, const VmContextId& vm) {
    for (const auto& left : abandon_pass(use, job, vm)) {
        use.job_log.log(job, joblog::Level::warn, "Not cleaned up yet: " + left);
    }
}

}  // namespace mk::replication
