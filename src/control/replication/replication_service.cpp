#include "control/replication/replication_service.hpp"

#include "control/replication/pass_cleanup.hpp"

namespace mk::replication {

namespace {

constexpr const char* deletion_step = "volume-deletion";

Advice still_managed(const VmContextId& vm) {
    return {.consequence = "The machine is still managed; volumes of its copy may have been deleted.",
            .remedy = "Remove it again: migratekit vm remove " + vm.value,
            .retry_safe = true};
}

MachineStatus status_during(const std::optional<RecoveryPoint>& base) {
    return base ? MachineStatus::replicating : MachineStatus::initial_sync;
}

}  // namespace

ReplicationService::ReplicationService(Collaborators use) : use_(std::move(use)), runner_(use_.pacing.record_pause) {}

JobId ReplicationService::start(const VmContextId& vm, bool full, const std::string& owner) {
    const auto base = use_.recovery_points.latest(vm);
    const auto type = base && !full ? "incremental" : "initial";
    const joblog::JobStart start{.type = JobType::migration,
                                 .operation = full ? "full-sync" : "sync",
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = full ? "{\"full\":true}" : "{\"full\":false}",
                                 .steps = pass_steps()};
    const auto job = use_.machines.begin(
        vm, full ? MachineAction::full_sync : MachineAction::sync, status_during(base), start,
        [&](db::Session& session, const JobId& id) { use_.replications.add(session, id, vm, type); });
    try {
        runner_.start(job, [this, job, vm, full](const std::stop_token& stop) { run(job, vm, full, stop); });
    } catch (const Error& error) {
        // Nothing was touched yet: back to where the machine was.
        const auto before = use_.machines.status_before(job).value_or(MachineStatus::failed);
        use_.machines.end_job(vm, job, before, error.cause(), &error, [&](db::Session& session) {
            use_.replications.end(session, job, "failed", "Failed", error.full_text());
        });
        throw;
    }
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
    try {
        PassCoordinator(use_, job, vm, full).run(stop);
    } catch (const std::exception& caught) {
        return fail(job, vm, as_error(caught));
    }
    succeed(job, vm);
}

void ReplicationService::succeed(const JobId& job, const VmContextId& vm) {
    runner_.insist(job, [&] {
        use_.machines.end_job(vm, job, MachineStatus::ready_for_failover, {}, nullptr, [&](db::Session& session) {
            use_.replications.end(session, job, "completed", "Completed", "");
        });
    });
}

MachineStatus ReplicationService::status_after(const VmContextId& vm, const Error& error) const {
    const auto point = use_.recovery_points.latest(vm);
    if (error.code() == ErrorCode::cancelled && !point) {
        return MachineStatus::discovered;
    }
    // A point that is recorded but not on its volumes cannot be failed over to: not "ready", whoever stopped the sync.
    return error.code() == ErrorCode::cancelled && point->applied ? MachineStatus::ready_for_failover
                                                                  : MachineStatus::failed;
}

void ReplicationService::fail(const JobId& job, const VmContextId& vm, const Error& error) {
    runner_.insist(job, [&] {
        const auto point = use_.recovery_points.of_job(job);
        if (point && !point->applied) {
            // The commit record stands: the sessions hold the rest and must not be aborted. The next pass finishes the
            // apply.
            use_.job_log.log(job, joblog::Level::warn,
                             "The recovery point is recorded; applying it goes on with the next sync");
        }
        for (const auto& left : clean_up_pass(use_, job, vm)) {
            use_.job_log.log(job, joblog::Level::warn, "Not cleaned up yet, the next sync does it: " + left);
        }
        const bool cancelled = error.code() == ErrorCode::cancelled;
        use_.machines.end_job(vm, job, status_after(vm, error), error.cause(), &error, [&](db::Session& session) {
            use_.replications.end(session, job, cancelled ? "cancelled" : "failed", cancelled ? "Stopped" : "Failed",
                                  error.full_text());
        });
    });
}

bool ReplicationService::remove(const VmContextId& vm, bool keep_volumes, const std::string& owner) {
    const joblog::JobStart start{.type = JobType::cleanup,
                                 .operation = machines::removal_operation,
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = "{}",
                                 .steps = {{deletion_step, "Delete the volumes of the copy", 1}}};
    const auto job = use_.machines.begin(vm, MachineAction::remove, {}, start);
    try {
        const auto machine = use_.machines.find(vm);
        const bool is_committed = machine && machine->status == MachineStatus::committed;
        if (is_committed || keep_volumes) {
            use_.job_log.skip_step(job, deletion_step,
                                   is_committed ? "the volumes belong to the machine in the cloud" : "they are kept");
        } else {
            use_.job_log.run_step(job, deletion_step, [&](joblog::StepContext& step) { delete_copy(vm, step); });
        }
        use_.machines.remove(vm, job);
        return is_committed || keep_volumes;
    } catch (const std::exception& caught) {
        const auto error = as_error(caught).advised(still_managed(vm));
        fail_removal(job, vm, error);
        throw error;
    }
}

void ReplicationService::delete_copy(const VmContextId& vm, joblog::StepContext& step) {
    const auto volumes = use_.volumes.volumes_of(vm, {});
    for (const auto& volume : volumes) {
        if (volume.vm_id && volume.operation_mode != "oma") {
            throw Error(ErrorCode::conflict, "volume " + volume.name + " is attached to the machine " +
                                                 volume.vm_id->value + ", which is not this appliance");
        }
    }
    for (const auto& volume : volumes) {
        use_.volumes.detach(volume.volume_id, {});
    }
    // Before the first deletion: an increment on a volume that was made anew would be no copy of anything.
    use_.recovery_points.forget_all(vm);
    std::size_t deleted = 0;
    for (const auto& volume : volumes) {
        use_.volumes.remove(volume.volume_id, {});
        step.detail(std::to_string(++deleted) + " of " + std::to_string(volumes.size()) + " volumes deleted");
    }
}

void ReplicationService::fail_removal(const JobId& job, const VmContextId& vm, const Error& error) {
    runner_.insist(job, [&] {
        const auto before = use_.machines.status_before(job).value_or(MachineStatus::failed);
        const bool has_copy = before == MachineStatus::committed || use_.recovery_points.latest(vm);
        use_.machines.end_job(vm, job, has_copy ? before : MachineStatus::discovered, error.cause(), &error);
    });
}

void ReplicationService::settle_interrupted() {
    for (const auto& job : use_.job_log.list({}, true, 1000)) {
        if (job.type == JobType::migration) {
            runner_.start(job.id, [this, job](const std::stop_token&) { settle(job); });
        } else if (job.operation == machines::removal_operation) {
            runner_.start(job.id, [this, job](const std::stop_token&) {
                fail_removal(job.id, job.vm_context_id,
                             Error(ErrorCode::unavailable, "the OMA service was restarted during this removal",
                                   still_managed(job.vm_context_id)));
            });
        }
    }
}

void ReplicationService::settle(const joblog::Job& job) {
    try {
        const auto point = use_.recovery_points.of_job(job.id);
        if (!point) {
            throw Error(ErrorCode::unavailable, "the OMA service was restarted during this sync",
                        {.consequence = "The last recovery point is unchanged.",
                         .remedy = "Start the sync again.",
                         .retry_safe = true});
        }
        if (!point->applied) {
            joblog::StepContext step(use_.job_log, job.id, static_cast<int>(pass_steps().size()), "commit");
            step.info("Continuing after a restart: applying the recorded recovery point");
            PassCoordinator(use_, job.id, job.vm_context_id, false).apply(*point, step, {});
        }
        use_.job_log.complete_interrupted_step(job.id, "commit");
    } catch (const std::exception& caught) {
        return fail(job.id, job.vm_context_id, as_error(caught));
    }
    succeed(job.id, job.vm_context_id);
}

void ReplicationService::stop() {
    runner_.stop();
}

}  // namespace mk::replication
