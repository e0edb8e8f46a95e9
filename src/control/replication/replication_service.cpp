#include "control/replication/replication_service.hpp"

#include "base/log.hpp"

namespace mk::replication {

namespace {

MachineStatus status_during(const std::optional<RecoveryPoint>& base) {
    return base ? MachineStatus::replicating : MachineStatus::initial_sync;
}

}  // namespace

ReplicationService::ReplicationService(Collaborators use) : use_(std::move(use)) {}

JobId ReplicationService::start(const VmContextId& vm, bool full, const std::string& owner) {
    const auto base = use_.recovery_points.latest(vm);
    const auto type = base && !full ? "incremental" : "initial";
    const joblog::JobStart start{.type = JobType::migration,
                                 .operation = full ? "full-sync" : "sync",
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = full ? "{\"full\":true}" : "{\"full\":false}",
                                 .steps = pass_steps()};
    const auto job = use_.machines.begin(vm, full ? MachineAction::full_sync : MachineAction::sync, status_during(base), start,
                                         [&](db::Session& session, const JobId& id) { use_.replications.add(session, id, vm, type); });
    runner_.start(job, [this, job, vm, full](const std::stop_token& stop) { run(job, vm, full, stop); });
    return job;
}

void ReplicationService::cancel(const JobId& job) {
    if (!use_.job_log.find(job)) {
        throw Error(ErrorCode::not_found, "there is no job " + job.value);
    }
    use_.job_log.request_cancel(job);
    runner_.cancel(job);
}

void ReplicationService::run(const JobId& job, const VmContextId& vm, bool full, const std::stop_token& stop) {
    PassCoordinator pass(use_, job, vm, full);
    try {
        pass.run(stop);
        use_.replications.end(job, "completed", "Completed", "");
        use_.job_log.end(job);
        use_.machines.finish(vm, job, MachineStatus::ready_for_failover);
    } catch (const std::exception& caught) {
        fail(job, vm, as_error(caught), pass);
    }
}

void ReplicationService::fail(const JobId& job, const VmContextId& vm, const Error& error, PassCoordinator& pass) {
    try {
        const auto point = use_.recovery_points.of_job(job);
        if (point && !point->applied) {
            // The commit record stands: the sessions hold the rest and must not be aborted. The next pass finishes the apply.
            use_.job_log.log(job, joblog::Level::warn, "The recovery point is recorded; applying it goes on with the next sync");
        } else {
            for (const auto& left : pass.clean_up()) {
                use_.job_log.log(job, joblog::Level::warn, "Not cleaned up yet, the next sync does it: " + left);
            }
        }
        const bool cancelled = error.code() == ErrorCode::cancelled;
        use_.replications.end(job, cancelled ? "cancelled" : "failed", cancelled ? "Stopped" : "Failed", error.full_text());
        use_.job_log.end(job, &error);
        const bool has_point = use_.recovery_points.latest(vm).has_value();
        const auto status = cancelled ? (has_point ? MachineStatus::ready_for_failover : MachineStatus::discovered)
                                      : MachineStatus::failed;
        use_.machines.finish(vm, job, status, error.cause());
    } catch (const std::exception& second) {
        // The job stays open in the database and is settled at the next start.
        log::error("job={} its end could not be recorded: {}", job.value, second.what());
    }
}

void ReplicationService::settle_interrupted() {
    for (const auto& job : use_.job_log.list({}, true, 1000)) {
        if (job.type != JobType::migration) {
            continue;
        }
        runner_.start(job.id, [this, job](const std::stop_token&) { settle(job); });
    }
}

void ReplicationService::settle(const joblog::Job& job) {
    PassCoordinator pass(use_, job.id, job.vm_context_id, false);
    try {
        const auto point = use_.recovery_points.of_job(job.id);
        if (!point) {
            throw Error(ErrorCode::unavailable, "the OMA service was restarted during this sync",
                        {.consequence = "The last recovery point is unchanged.",
                         .remedy = "Start the sync again.",
                         .retry_safe = true});
        }
        joblog::StepContext step(use_.job_log, job.id, static_cast<int>(pass_steps().size()), "commit");
        if (!point->applied) {
            step.info("Continuing after a restart: applying the recorded recovery point");
            pass.apply(*point, step, {});
        }
        use_.job_log.complete_interrupted_step(job.id, "commit");
        use_.replications.end(job.id, "completed", "Completed", "");
        use_.job_log.end(job.id);
        use_.machines.finish(job.vm_context_id, job.id, MachineStatus::ready_for_failover);
    } catch (const std::exception& caught) {
        fail(job.id, job.vm_context_id, as_error(caught), pass);
    }
}

void ReplicationService::stop() { runner_.stop(); }

}  // namespace mk::replication
