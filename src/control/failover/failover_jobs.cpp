#include "control/failover/failover_jobs.hpp"

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "control/failover/plans.hpp"

namespace mk::failover {

namespace {

/// Who rolls back what was stopped, or was to be rolled back on a failure.
constexpr const char* own_name = "migratekit";

Error stopped(const VmContextId& vm, const std::string& cause) {
    return {ErrorCode::cancelled,
            "the failover was stopped" + (cause.empty() ? "" : ": " + cause),
            {.consequence = "What it has changed, if anything, is rolled back by itself.",
             .remedy = "Watch it: migratekit vm watch " + vm.value,
             .retry_safe = true}};
}

}  // namespace

FailoverJobs::FailoverJobs(Collaborators& use) : use_(use), runner_(use.pacing.record_pause) {}

RunContext FailoverJobs::context_of(const JobId& job, const FailoverJob& row) const {
    return {.use = use_, .job = job, .failover = row.job_id, .vm = row.vm_context_id, .request = row.request};
}

/// The failover that a job is about.
FailoverJob FailoverJobs::subject_of(const JobId& job, const VmContextId& vm) const {
    const auto noted = use_.job_log.recall(job, failover_job_key);
    auto row = use_.failovers.find(noted.is_string() ? JobId{noted.get<std::string>()} : job);
    if (!row) {
        throw Error(ErrorCode::internal, "no failover of " + vm.value + " is recorded for job " + job.value);
    }
    return std::move(*row);
}

void FailoverJobs::launch(const JobId& job, joblog::JobRunner::Work work,
                          const std::function<void(const Error&)>& fail) {
    try {
        runner_.start(job, std::move(work));
    } catch (const Error& error) {
        fail(error);
        throw;
    }
}

void FailoverJobs::launch_failover(const JobId& job, const VmContextId& vm) {
    launch(
        job, [this, job, vm](const std::stop_token& stop) { run_failover(job, vm, stop); },
        [&](const Error& error) { fail_failover(job, vm, error); });
}

void FailoverJobs::launch_commit(const JobId& job, const VmContextId& vm) {
    launch(
        job, [this, job, vm](const std::stop_token& stop) { run_commit(job, vm, stop); },
        [&](const Error& error) { fail_commit(job, vm, error); });
}

JobId FailoverJobs::start_rollback(const VmContextId& vm, MachineAction action, const std::string& operation,
                                   const std::string& owner, const Also& also) {
    const auto failover = use_.failovers.latest(vm);
    joblog::JobStart start{.type = JobType::cleanup,
                           .operation = operation,
                           .owner = owner,
                           .vm_context_id = vm,
                           .metadata = "{}",
                           .steps = {}};
    if (failover) {
        auto context = context_of({}, *failover);
        start.steps = rows_of(rollback_plan(context));
        start.metadata = json::dump(Json{{failover_job_key, failover->job_id.value}});
    }
    const auto job =
        use_.machines.begin(vm, action, MachineStatus::rolling_back, start, [&](db::Session& session, const JobId&) {
            if (!failover) {
                throw Error(ErrorCode::conflict, "there is no failover of this machine to roll back",
                            {.consequence = "Nothing was changed.",
                             .remedy = "Look at the machine: migratekit vm show " + vm.value,
                             .retry_safe = true});
            }
            use_.failovers.set_status(session, failover->job_id, "cleanup");
            joblog::JobLog::remember(session, failover->job_id, rolls_back_key, false);
            if (also) {
                also(session, *failover);
            }
        });
    launch(
        job, [this, job, vm](const std::stop_token& stop) { run_rollback(job, vm, stop); },
        [&](const Error& error) { fail_rollback(job, vm, error); });
    return job;
}

void FailoverJobs::throw_if_cancelled(const JobId& job, const std::stop_token& stop) const {
    if (stop.stop_requested() || use_.job_log.is_cancel_requested(job)) {
        throw Error(ErrorCode::cancelled, "the job was stopped",
                    {.consequence = "Nothing that holds replicated data was deleted.", .retry_safe = true});
    }
}

/// Hours may have passed since the source was shut down, and somebody may have started it again: two of one machine
/// must not run. A source that cannot be asked may be lost, which is what the failover is for.
void FailoverJobs::require_source_off(const RunContext& context, const std::stop_token& stop) const {
    std::string state;
    try {
        state = context.source_power("state", stop).power_state;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        use_.job_log.log(context.job, joblog::Level::warn,
                         "Whether the source is still off could not be asked: " + error.cause());
        return;
    }
    if (state != "poweredOff") {
        throw Error(ErrorCode::conflict,
                    "the source was started again (" + state + ") since its last changes were sent",
                    {.consequence = "The machine in CloudStack was not started.",
                     .remedy = "Clean up, then start the live failover again.",
                     .retry_safe = true});
    }
}

/// From here on the failover cannot be stopped. False when it was stopped already.
bool FailoverJobs::seal(const JobId& job) {
    const std::lock_guard lock(seal_mutex_);
    if (use_.job_log.is_cancel_requested(job)) {
        return false;
    }
    if (use_.job_log.recall(job, sealed_key) != true) {
        use_.job_log.remember(job, sealed_key, true);
    }
    return true;
}

void FailoverJobs::cancel(const JobId& job) {
    const std::lock_guard lock(seal_mutex_);
    const auto found = use_.job_log.find(job);
    if (!found) {
        throw Error(ErrorCode::not_found, "there is no job " + job.value);
    }
    if (is_final(found->status)) {
        throw Error(ErrorCode::conflict, "the job has ended already: " + std::string(to_string(found->status)),
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    if (use_.job_log.recall(job, sealed_key) == true) {
        const auto& vm = found->vm_context_id.value;
        const bool live = found->type == JobType::live_failover;
        throw Error(
            ErrorCode::conflict,
            live ? std::string(no_return_text) + " is passed" : "the test is up already: only its record is left",
            {.consequence = "The failover goes on.",
             .remedy = live ? "Wait for its end, then keep the machine: migratekit failover commit " + vm +
                                  "; or return to the source: migratekit failover back " + vm
                            : "Wait for its end, then finish the test: migratekit failover finish " + vm +
                                  " --verdict VERDICT",
             .retry_safe = true});
    }
    use_.job_log.request_cancel(job);
    runner_.cancel(job);
}

bool FailoverJobs::stays_open(const JobId& job) const {
    if (is_stopping_) {
        log::info("job={} is interrupted by the end of this service and goes on at its next start", job.value);
    }
    return is_stopping_;
}

void FailoverJobs::run_failover(const JobId& job, const VmContextId& vm, const std::stop_token& stop) {
    try {
        auto context = context_of(job, subject_of(job, vm));
        const auto plan = failover_plan(context);
        PlanRunner(use_.job_log, job, [&](const std::string& step) {
            throw_if_cancelled(job, stop);
            if (context.request.live && step == start_step) {
                require_source_off(context, stop);
                if (!seal(job)) {
                    throw stopped(vm, "");
                }
            }
        }).run(plan, stop);
    } catch (const std::exception& caught) {
        return fail_failover(job, vm, as_error(caught));
    }
    conclude_failover(job, vm);
}

void FailoverJobs::conclude_failover(const JobId& job, const VmContextId& vm) {
    bool was_stopped = false;
    runner_.insist(job, [&] {
        was_stopped = !seal(job);
        if (was_stopped) {
            return;
        }
        use_.job_log.run_step(job, record_step, [&](joblog::StepContext&) { use_.failovers.complete(job); });
        const auto row = use_.failovers.find(job);
        use_.machines.end_job(vm, job,
                              row && row->live ? MachineStatus::failed_over_live : MachineStatus::failed_over_test);
    });
    if (was_stopped) {
        fail_failover(job, vm, stopped(vm, ""));
    }
}

void FailoverJobs::fail_failover(const JobId& job, const VmContextId& vm, const Error& error) {
    if (stays_open(job)) {
        return;
    }
    bool is_owed = false;
    runner_.insist(job, [&] { is_owed = end_broken_failover(job, vm, error); });
    if (is_owed) {
        roll_back_by_itself(vm);
    }
}

/// True when its rollback is to start by itself.
bool FailoverJobs::end_broken_failover(const JobId& job, const VmContextId& vm, const Error& error) {
    const auto row = use_.failovers.find(job);
    const auto so_far = use_.job_log.find(job);
    const bool is_touched = so_far && has_touched_something(*so_far);
    if (is_touched && row && row->live) {
        try {
            use_.final_sync.clean_up(job, vm);
        } catch (const std::exception& second) {
            use_.job_log.log(job, joblog::Level::warn,
                             "The final sync is not cleaned up yet, the rollback does it: " + as_error(second).cause());
        }
    }
    // A stop that is accepted meanwhile counts: it is decided and recorded under one lock.
    const std::lock_guard lock(seal_mutex_);
    const auto record = use_.job_log.find(job);
    const bool was_stopped = record && record->cancel_requested;
    const auto told = was_stopped ? stopped(vm, error.code() == ErrorCode::cancelled ? "" : error.cause()) : error;
    const bool is_owed = is_touched && row && (was_stopped || rolls_back_on_failure(row->request));
    if (is_owed) {
        use_.job_log.remember(job, rolls_back_key, true);
    }
    const auto status = is_touched ? MachineStatus::cleanup_required
                                   : use_.machines.status_before(job).value_or(MachineStatus::ready_for_failover);
    use_.machines.end_job(vm, job, status, told.cause(), &told, [&](db::Session& session) {
        use_.failovers.set_status(session, job, "failed", told.full_text());
    });
    return is_owed;
}

void FailoverJobs::roll_back_by_itself(const VmContextId& vm) {
    try {
        start_rollback(vm, MachineAction::cleanup, rollback_operation, own_name);
    } catch (const std::exception& caught) {
        log::warn("vm={} cannot be rolled back now, it is tried again: {}", vm.value, as_error(caught).full_text());
    }
}

void FailoverJobs::start_owed_rollbacks() {
    for (const auto& machine : use_.machines.list()) {
        if (machine.status != MachineStatus::cleanup_required || !machine.current_job.empty()) {
            continue;
        }
        const auto failover = use_.failovers.latest(machine.id);
        if (failover && use_.job_log.recall(failover->job_id, rolls_back_key) == true) {
            roll_back_by_itself(machine.id);
        }
    }
}

void FailoverJobs::run_rollback(const JobId& job, const VmContextId& vm, const std::stop_token& stop) {
    try {
        auto context = context_of(job, subject_of(job, vm));
        PlanRunner(use_.job_log, job, [&](const std::string&) {
            throw_if_cancelled(job, stop);
        }).run(rollback_plan(context), stop);
    } catch (const std::exception& caught) {
        return fail_rollback(job, vm, as_error(caught));
    }
    conclude_rollback(job, vm);
}

void FailoverJobs::conclude_rollback(const JobId& job, const VmContextId& vm) {
    runner_.insist(job, [&] {
        use_.job_log.run_step(job, record_step, [](joblog::StepContext&) {});
        const auto point = use_.recovery_points.latest(vm);
        if (point && point->applied) {
            use_.machines.end_job(vm, job, MachineStatus::ready_for_failover);
        } else {
            // A sync broke after its commit record: not "ready" before the next sync has applied the rest.
            use_.machines.end_job(
                vm, job, MachineStatus::failed,
                "The last recovery point is recorded but not fully applied; the next sync finishes it");
        }
    });
}

void FailoverJobs::fail_rollback(const JobId& job, const VmContextId& vm, const Error& error) {
    if (!stays_open(job)) {
        runner_.insist(job,
                       [&] { use_.machines.end_job(vm, job, MachineStatus::cleanup_required, error.cause(), &error); });
    }
}

void FailoverJobs::run_commit(const JobId& job, const VmContextId& vm, const std::stop_token& stop) {
    try {
        auto context = context_of(job, subject_of(job, vm));
        PlanRunner(use_.job_log, job, [&](const std::string&) {
            throw_if_cancelled(job, stop);
        }).run(commit_plan(context), stop);
    } catch (const std::exception& caught) {
        return fail_commit(job, vm, as_error(caught));
    }
    conclude_commit(job, vm);
}

void FailoverJobs::conclude_commit(const JobId& job, const VmContextId& vm) {
    runner_.insist(job, [&] {
        use_.job_log.run_step(job, record_step, [](joblog::StepContext&) {});
        use_.machines.end_job(vm, job, MachineStatus::committed);
    });
}

void FailoverJobs::fail_commit(const JobId& job, const VmContextId& vm, const Error& error) {
    if (!stays_open(job)) {
        runner_.insist(job,
                       [&] { use_.machines.end_job(vm, job, MachineStatus::failed_over_live, error.cause(), &error); });
    }
}

void FailoverJobs::stop() {
    is_stopping_ = true;
    runner_.stop();
}

}  // namespace mk::failover
