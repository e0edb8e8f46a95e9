#include "control/replication/replication_service.hpp"

#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"
#include "control/replication/kept_sessions.hpp"
#include "control/replication/pass_cleanup.hpp"
#include "control/replication/verification.hpp"

namespace mk::replication {

namespace {

constexpr const char* deletion_step = "volume-deletion";
constexpr const char* expiry_step = "session-closing";
/// The machine's reason for its state, which is to be the same after the job.
constexpr const char* reason_key = "status_reason";

Advice still_managed(const VmContextId& vm) {
    return {.consequence = "The machine is still managed; volumes of its copy may have been deleted.",
            .remedy = "Remove it again: migratekit vm remove " + vm.value,
            .retry_safe = true};
}

MachineStatus status_during(const std::optional<RecoveryPoint>& base) {
    return base ? MachineStatus::replicating : MachineStatus::initial_sync;
}

std::string operation_of(const PassOptions& options) {
    return options.full ? "full-sync" : options.compare ? "compare-sync" : "sync";
}

/// They are the operator's from now on, and no left-overs.
void hand_over_volumes(ledger::Ledger& ledger, const VmContextId& vm) {
    for (const auto& entry : ledger.open_entries(vm)) {
        if (entry.kind == "volume") {
            ledger.hand_over(entry.id);
        }
    }
}

Error restarted_during(const std::string& what, Advice advice) {
    return Error(ErrorCode::unavailable, "the OMA service was restarted during this " + what, std::move(advice));
}

}  // namespace

ReplicationService::ReplicationService(Collaborators use) : use_(std::move(use)), runner_(use_.pacing.record_pause) {}

JobId ReplicationService::start(const VmContextId& vm, const PassOptions& options, const std::string& owner) {
    check_options(options);
    const auto base = use_.recovery_points.latest(vm);
    // Before it begins: a machine is not "failed" because nobody can look at it that way.
    if (const auto machine = use_.machines.find(vm); options.compare && base && machine && !use_.source.can_compare()) {
        throw cannot_compare(machine->source.name);
    }
    const joblog::JobStart start{.type = JobType::migration,
                                 .operation = operation_of(options),
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = json::dump(to_json(options)),
                                 .steps = pass_steps()};
    const auto job = begin(vm, options.full ? MachineAction::full_sync : MachineAction::sync, status_during(base),
                           start, base && !options.full ? "incremental" : "initial");
    launch(job, vm, [this, job, vm, options](const std::stop_token& stop) { run(job, vm, options, stop); });
    return job;
}

JobId ReplicationService::verify(const VmContextId& vm, int percent, const std::string& owner) {
    if (percent < 1 || percent > 100) {
        throw Error(ErrorCode::invalid, std::to_string(percent) + " % of a machine cannot be compared",
                    {.consequence = "Nothing was changed.", .remedy = "Ask for 1 to 100 %.", .retry_safe = true});
    }
    const joblog::JobStart start{.type = JobType::verification,
                                 .operation = "verify",
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = json::dump(Json{{"percent", percent}}),
                                 .steps = verification_steps()};
    const auto job = begin(vm, MachineAction::verify, {}, start, "verification");
    launch(job, vm,
           [this, job, vm, percent](const std::stop_token& stop) { run_verification(job, vm, percent, stop); });
    return job;
}

JobId ReplicationService::begin(const VmContextId& vm, MachineAction action, std::optional<MachineStatus> during,
                                const joblog::JobStart& start, const std::string& type) {
    return use_.machines.begin(vm, action, during, start, [&](db::Session& session, const JobId& id) {
        use_.replications.add(session, id, vm, type);
    });
}

void ReplicationService::launch(const JobId& job, const VmContextId& vm, joblog::JobRunner::Work work) {
    try {
        runner_.start(job, std::move(work));
    } catch (const Error& error) {
        // Nothing was touched yet: back to where the machine was.
        const auto before = use_.machines.status_before(job).value_or(MachineStatus::failed);
        use_.machines.end_job(vm, job, before, error.cause(), &error, [&](db::Session& session) {
            use_.replications.end(session, job, "failed", "Failed", error.full_text());
        });
        throw;
    }
}

void ReplicationService::cancel(const JobId& job) {
    if (!use_.job_log.find(job)) {
        throw Error(ErrorCode::not_found, "there is no job " + job.value);
    }
    use_.job_log.request_cancel(job);
    runner_.cancel(job);
}

void ReplicationService::run(const JobId& job, const VmContextId& vm, const PassOptions& options,
                             const std::stop_token& stop) {
    try {
        PassCoordinator(use_, job, vm, options).run(stop);
    } catch (const std::exception& caught) {
        return fail(job, vm, as_error(caught));
    }
    succeed(job, vm);
}

void ReplicationService::succeed(const JobId& job, const VmContextId& vm) {
    runner_.insist(job, [&] {
        const auto status = resting(job, MachineStatus::ready_for_failover);
        use_.machines.end_job(vm, job, status, {}, nullptr, [&](db::Session& session) {
            use_.replications.end(session, job, "completed", "Completed", "");
        });
    });
}

MachineStatus ReplicationService::resting(const JobId& job, MachineStatus wanted) const {
    return beside_a_test(use_.machines.status_before(job).value_or(wanted), MachineAction::sync, wanted);
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
        if (error.code() == ErrorCode::corrupt) {
            forget_kept(use_, job);
        }
        clean_up(job, vm);
        if (keeps_sessions(use_, job)) {
            use_.job_log.log(job, joblog::Level::info, "What arrived is kept: the next sync goes on with it");
        }
        const bool cancelled = error.code() == ErrorCode::cancelled;
        const auto status = resting(job, status_after(vm, error));
        use_.machines.end_job(vm, job, status, error.cause(), &error, [&](db::Session& session) {
            use_.replications.end(session, job, cancelled ? "cancelled" : "failed", cancelled ? "Stopped" : "Failed",
                                  error.full_text());
        });
    });
}

void ReplicationService::clean_up(const JobId& job, const VmContextId& vm) {
    for (const auto& left : clean_up_pass(use_, job, vm)) {
        use_.job_log.log(job, joblog::Level::warn, "Not cleaned up yet, the next sync does it: " + left);
    }
}

void ReplicationService::run_verification(const JobId& job, const VmContextId& vm, int percent,
                                          const std::stop_token& stop) {
    try {
        Verification(use_, job, vm, percent).run(stop);
    } catch (const std::exception& caught) {
        return end_verification(job, vm, as_error(caught));
    }
    conclude_verification(job, vm);
}

/// A verdict that is noted stands, whatever failed or died after it.
void ReplicationService::end_verification(const JobId& job, const VmContextId& vm, const Error& error) {
    std::optional<bool> has_verdict;
    runner_.insist(job, [&] {
        const bool is_noted = use_.job_log.recall(job, verification_key).is_object();
        if (is_noted) {
            clean_up(job, vm);
            use_.job_log.complete_interrupted_step(job, "result");
        }
        has_verdict = is_noted;
    });
    if (!has_verdict) {
        return;  // the service stops before it could look: settled at the next start
    }
    if (*has_verdict) {
        conclude_verification(job, vm);
    } else {
        fail_verification(job, vm, error);
    }
}

/// The verdict is in the job's metadata; job and machine show it from the same moment.
void ReplicationService::conclude_verification(const JobId& job, const VmContextId& vm) {
    runner_.insist(job, [&] {
        const auto found = use_.job_log.recall(job, verification_key);
        const machines::Verified verified{.when = from_ms(json::require<std::int64_t>(found, "snapshot_ms")),
                                          .verdict = json::require<std::string>(found, "verdict"),
                                          .percent = json::require<int>(found, "percent")};
        const auto status = resting(job, MachineStatus::ready_for_failover);
        use_.machines.end_job(vm, job, status, {}, nullptr, [&](db::Session& session) {
            use_.machines.set_verified(session, vm, verified);
            if (verified.verdict != "identical") {
                use_.machines.set_compare_reason(session, vm, "a verification found differences");
            }
            use_.replications.end(session, job, "completed", "Completed", "");
        });
    });
}

void ReplicationService::fail_verification(const JobId& job, const VmContextId& vm, const Error& error) {
    runner_.insist(job, [&] {
        clean_up(job, vm);
        const bool cancelled = error.code() == ErrorCode::cancelled;
        const auto status = resting(job, MachineStatus::ready_for_failover);
        use_.machines.end_job(vm, job, status, {}, &error, [&](db::Session& session) {
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
        if (!is_committed) {
            if (keep_volumes) {
                require_untouched(job);
                require_whole_copy(vm);
            }
            drop_resumable(use_, vm);
        }
        if (is_committed || keep_volumes) {
            use_.job_log.skip_step(job, deletion_step,
                                   is_committed ? "the volumes belong to the machine in the cloud" : "they are kept");
            hand_over_volumes(use_.ledger, vm);
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

void ReplicationService::require_untouched(const JobId& job) const {
    if (use_.machines.status_before(job) == MachineStatus::cleanup_required) {
        throw Error(ErrorCode::conflict, "the volumes are what a broken operation left: they would be of no use",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Clean up first, or remove the machine without keeping the volumes.",
                     .retry_safe = true});
    }
}

void ReplicationService::require_whole_copy(const VmContextId& vm) const {
    const auto point = use_.recovery_points.latest(vm);
    if (point && !point->applied) {
        throw Error(ErrorCode::conflict,
                    "the last recovery point is not fully on its volumes yet: they would be of no use",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Finish it with a sync (migratekit sync start " + vm.value +
                               "), or remove the machine without keeping the volumes.",
                     .retry_safe = true});
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
    if (const auto point = use_.recovery_points.latest(vm); point && !point->applied) {
        give_up_sessions(use_, point->job_id);
        use_.recovery_points.forget_all(vm);
    }
    for (const auto& volume : volumes) {
        use_.volumes.detach(volume.volume_id, {});
    }
    // Before the first deletion: an increment on a volume that was made anew would be no copy of anything.
    use_.recovery_points.forget_all(vm);
    std::size_t deleted = 0;
    for (const auto& volume : volumes) {
        if (volume.snapshot_status != "none") {
            use_.volumes.remove_snapshot(volume.volume_id, {});
        }
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

void ReplicationService::drop_expired() {
    for (const auto& machine : use_.machines.list()) {
        if (!machine.current_job.empty() || !has_expired_sessions(use_, machine.id)) {
            continue;
        }
        try {
            drop_expired(machine);
        } catch (const std::exception& error) {
            // One that cannot be asked now must not keep the others waiting.
            log::warn("vm={} what an interrupted sync kept cannot be dropped now: {}", machine.id.value,
                      as_error(error).full_text());
        }
    }
}

/// A job of its own: it goes through the machine's gate, so that no pass can begin to go on with what is dropped.
void ReplicationService::drop_expired(const machines::Machine& machine) {
    const auto& vm = machine.id;
    const joblog::JobStart start{.type = JobType::cleanup,
                                 .operation = machines::expiry_operation,
                                 .owner = "timer",
                                 .vm_context_id = vm,
                                 .metadata = json::dump(Json{{reason_key, machine.status_reason}}),
                                 .steps = {{expiry_step, "Close the sessions of an interrupted sync", 1}}};
    const auto job = use_.machines.begin(vm, MachineAction::sync, {}, start);
    std::optional<Error> failure;
    try {
        use_.job_log.run_step(job, expiry_step, [&](joblog::StepContext& step) {
            step.info("It was interrupted long ago, and nobody went on with it");
            drop_resumable(use_, vm);
        });
    } catch (const std::exception& caught) {
        failure = as_error(caught);
    }
    end_expiry(job, vm, failure ? &*failure : nullptr);
}

void ReplicationService::end_expiry(const JobId& job, const VmContextId& vm, const Error* error) {
    runner_.insist(job, [&] {
        const auto before = use_.machines.status_before(job).value_or(MachineStatus::failed);
        const auto reason = use_.job_log.recall(job, reason_key);
        use_.machines.end_job(vm, job, before, reason.is_string() ? reason.get<std::string>() : "", error);
    });
}

void ReplicationService::start_timer() {
    timer_ = std::jthread([this](const std::stop_token& stop) {
        do {
            try {
                drop_expired();
            } catch (const std::exception& error) {
                log::warn("the timer of interrupted syncs could not look: {}", error.what());
            }
        } while (pause(use_.pacing.timer_interval, stop));
    });
}

void ReplicationService::settle_interrupted() {
    for (const auto& job : use_.job_log.list({}, true, 1000)) {
        if (is_ours(job)) {
            // On threads of their own: cleaning up may wait for the VMware site.
            runner_.start(job.id, [this, job](const std::stop_token&) { settle(job); });
        }
    }
}

bool ReplicationService::is_ours(const joblog::Job& job) {
    return job.type == JobType::migration || job.type == JobType::verification ||
           job.operation == machines::removal_operation || job.operation == machines::expiry_operation;
}

void ReplicationService::settle(const joblog::Job& job) {
    const auto& vm = job.vm_context_id;
    if (job.type == JobType::migration) {
        return settle_pass(job);
    }
    if (job.operation == machines::removal_operation) {
        return fail_removal(job.id, vm, restarted_during("removal", still_managed(vm)));
    }
    const auto error = restarted_during(
        "operation", {.consequence = "Nothing was changed.", .remedy = "Start it again.", .retry_safe = true});
    if (job.operation == machines::expiry_operation) {
        return end_expiry(job.id, vm, &error);
    }
    end_verification(job.id, vm, error);
}

void ReplicationService::settle_pass(const joblog::Job& job) {
    try {
        const auto point = use_.recovery_points.of_job(job.id);
        if (!point) {
            throw restarted_during("sync", {.consequence = "The last recovery point is unchanged.",
                                            .remedy = "Start the sync again.",
                                            .retry_safe = true});
        }
        if (!point->applied) {
            joblog::StepContext step(use_.job_log, job.id, static_cast<int>(pass_steps().size()), "commit");
            step.info("Continuing after a restart: applying the recorded recovery point");
            PassCoordinator(use_, job.id, job.vm_context_id, {}).apply(*point, step);
            forget_checkpoint(use_, job.vm_context_id, job.id);
        }
        use_.job_log.complete_interrupted_step(job.id, "commit");
    } catch (const std::exception& caught) {
        return fail(job.id, job.vm_context_id, as_error(caught));
    }
    succeed(job.id, job.vm_context_id);
}

void ReplicationService::stop() {
    // In this order: what the timer does right now may wait for the runner to be stopped.
    timer_.request_stop();
    runner_.stop();
    if (timer_.joinable()) {
        timer_.join();
    }
}

}  // namespace mk::replication
