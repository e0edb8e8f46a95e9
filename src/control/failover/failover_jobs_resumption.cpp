// How jobs that an earlier process was cut off in go on.

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "control/failover/failover_jobs.hpp"

namespace mk::failover {

namespace {

bool is_failover(const joblog::Job& job) {
    return job.type == JobType::test_failover || job.type == JobType::live_failover;
}

bool is_rollback(const joblog::Job& job) {
    return job.type == JobType::cleanup && (job.operation == rollback_operation || job.operation == go_back_operation ||
                                            job.operation == cleanup_operation);
}

bool is_commit(const joblog::Job& job) {
    return job.type == JobType::cleanup && job.operation == commit_operation;
}

/// In which the job left its machine.
MachineStatus status_during(const joblog::Job& job) {
    return job.type == JobType::test_failover   ? MachineStatus::failing_over_test
           : job.type == JobType::live_failover ? MachineStatus::failing_over_live
           : is_commit(job)                     ? MachineStatus::failed_over_live
                                                : MachineStatus::rolling_back;
}

}  // namespace

void FailoverJobs::resume_interrupted() {
    for (const auto& open : use_.job_log.list({}, true, 1000)) {
        if (is_failover(open) || is_rollback(open) || is_commit(open)) {
            runner_.start(open.id, [this, open](const std::stop_token& stop) { resume(open, stop); });
        }
    }
}

void FailoverJobs::resume(const joblog::Job& job, const std::stop_token& stop) {
    bool goes_on = false;
    runner_.insist(job.id, [&] { goes_on = may_go_on(job); });
    if (!goes_on) {
        return;
    }
    try {
        use_.job_log.log(job.id, joblog::Level::info, "Going on after a restart of the OMA service");
        use_.cloud.settle(job.id, stop);
    } catch (const std::exception& caught) {
        // The steps read reality anyway; what cannot be reached now, they cannot reach either, and say so.
        log::warn("job={} commands of before the restart could not be waited for: {}", job.id.value,
                  as_error(caught).full_text());
    }
    const auto& vm = job.vm_context_id;
    if (is_failover(job)) {
        run_failover(job.id, vm, stop);
    } else if (is_commit(job)) {
        run_commit(job.id, vm, stop);
    } else {
        run_rollback(job.id, vm, stop);
    }
}

/// Ends a job that cannot go on, with the reason.
bool FailoverJobs::may_go_on(const joblog::Job& job) {
    const auto machine = use_.machines.find(job.vm_context_id);
    const auto obstacle = obstacle_to(job, machine);
    if (obstacle.empty()) {
        return true;
    }
    const Error error(ErrorCode::conflict, "interrupted by a restart and not gone on with: " + obstacle,
                      {.consequence = "Nothing was changed since the restart.",
                       .remedy = "Look at the machine: migratekit vm show " + job.vm_context_id.value});
    if (machine && machine->current_job == job.id) {
        // Without what was recorded of it nobody can take the failover back: a sync tells what the copy is worth.
        const bool is_in_it = machine->status == status_during(job) && !is_commit(job);
        use_.machines.end_job(machine->id, job.id, is_in_it ? MachineStatus::failed : machine->status, error.cause(),
                              &error);
    } else {
        use_.job_log.end(job.id, &error);
    }
    return false;
}

std::string FailoverJobs::obstacle_to(const joblog::Job& job, const std::optional<machines::Machine>& machine) const {
    if (!machine) {
        return "the machine is not managed any more";
    }
    if (machine->current_job != job.id) {
        return machine->current_job.empty() ? "the machine is not held by this job"
                                            : "the machine is held by job " + machine->current_job.value;
    }
    if (machine->status != status_during(job)) {
        return "the machine is in the state '" + std::string(to_string(machine->status)) + "', the job left it in '" +
               std::string(to_string(status_during(job))) + "'";
    }
    const auto noted = use_.job_log.recall(job.id, failover_job_key);
    const auto failover = is_failover(job) ? job.id : noted.is_string() ? JobId{noted.get<std::string>()} : JobId{};
    return use_.failovers.find(failover) ? "" : "what was recorded of its failover is missing";
}

}  // namespace mk::failover
