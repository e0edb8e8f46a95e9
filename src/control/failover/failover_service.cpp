#include "control/failover/failover_service.hpp"

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"
#include "contracts/source_machine_json.hpp"
#include "control/failover/commit_run.hpp"
#include "control/failover/failover_run.hpp"
#include "control/failover/rollback_run.hpp"

namespace mk::failover {

namespace {

machines::Machine managed(Collaborators& use, const VmContextId& vm) {
    auto machine = use.machines.find(vm);
    if (!machine) {
        throw Error(
            ErrorCode::not_found, "there is no managed machine " + vm.value,
            {.consequence = "Nothing was changed.", .remedy = "List them: migratekit vm list", .retry_safe = true});
    }
    return std::move(*machine);
}

FailoverJob row_for(const machines::Machine& machine, const FailoverRequest& request) {
    FailoverJob row;
    row.vm_context_id = machine.id;
    row.live = request.live;
    row.source_vm_name = machine.source.name;
    row.source_vm_spec = json::dump(contracts::to_json(machine.source));
    row.network_mappings = json::dump(Json{{"network_ids", request.network_ids}, {"probe", request.probe}});
    if (request.test_duration) {
        row.test_duration_s = request.test_duration->count();
    }
    row.auto_cleanup = request.auto_cleanup;
    return row;
}

}  // namespace

FailoverService::FailoverService(Collaborators use) : use_(std::move(use)), runner_(use_.pacing.record_pause) {}

PreflightResult FailoverService::check(const VmContextId& vm, const FailoverRequest& request,
                                       const std::stop_token& stop) {
    check_request(request);
    const auto machine = managed(use_, vm);
    auto result = preflight(use_, machine, request, stop);
    if (const auto refused =
            refusal(machine.status, request.live ? MachineAction::live_failover : MachineAction::test_failover)) {
        result.findings.insert(result.findings.begin(), {Severity::blocker, "state", refused->reason, refused->remedy});
    }
    return result;
}

JobId FailoverService::start(const VmContextId& vm, const FailoverRequest& request, const std::string& owner) {
    check_request(request);
    use_.boot.check(request.probe);
    const auto machine = managed(use_, vm);
    const auto type = request.live ? JobType::live_failover : JobType::test_failover;
    const joblog::JobStart start{.type = type,
                                 .operation = std::string(to_string(type)),
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = "{}",
                                 .steps = failover_steps(request.live)};
    const auto job =
        use_.machines.begin(vm, request.live ? MachineAction::live_failover : MachineAction::test_failover,
                            request.live ? MachineStatus::failing_over_live : MachineStatus::failing_over_test, start,
                            [&](db::Session& session, const JobId& id) {
                                auto row = row_for(machine, request);
                                row.job_id = id;
                                use_.failovers.add(session, row);
                            });
    try {
        runner_.start(job,
                      [this, job, vm, request](const std::stop_token& stop) { run_failover(job, vm, request, stop); });
    } catch (const Error& error) {
        fail_failover(job, vm, error, false);
        throw;
    }
    return job;
}

void FailoverService::run_failover(const JobId& job, const VmContextId& vm, const FailoverRequest& request,
                                   const std::stop_token& stop) {
    FailoverRun run(use_, job, vm, request);
    try {
        run.run(stop);
    } catch (const std::exception& caught) {
        return fail_failover(job, vm, as_error(caught), run.needs_rollback());
    }
    conclude_failover(job, vm, request.live);
}

void FailoverService::conclude_failover(const JobId& job, const VmContextId& vm, bool live) {
    runner_.insist(job, [&] {
        use_.job_log.run_step(job, record_step, [&](joblog::StepContext&) { use_.failovers.complete(job); });
        use_.machines.end_job(vm, job, live ? MachineStatus::failed_over_live : MachineStatus::failed_over_test);
    });
}

void FailoverService::fail_failover(const JobId& job, const VmContextId& vm, const Error& error, bool needs_rollback) {
    runner_.insist(job, [&] {
        const auto failover = use_.failovers.find(job);
        if (failover && failover->live && needs_rollback) {
            try {
                use_.final_sync.clean_up(job, vm);
            } catch (const std::exception& second) {
                use_.job_log.log(
                    job, joblog::Level::warn,
                    "The final sync is not cleaned up yet, the rollback does it: " + as_error(second).cause());
            }
        }
        const auto status = needs_rollback
                                ? MachineStatus::cleanup_required
                                : use_.machines.status_before(job).value_or(MachineStatus::ready_for_failover);
        use_.machines.end_job(vm, job, status, error.cause(), &error, [&](db::Session& session) {
            use_.failovers.set_status(session, job, "failed", error.full_text());
        });
    });
}

JobId FailoverService::finish_test(const VmContextId& vm, const std::string& verdict, const std::string& note,
                                   const std::string& owner) {
    if (!verdict.empty() && verdict != "worked" && verdict != "failed") {
        throw Error(ErrorCode::invalid, "unknown verdict '" + verdict + "'",
                    {.consequence = "Nothing was changed.", .remedy = "Use worked or failed.", .retry_safe = true});
    }
    return start_rollback(
        vm, MachineAction::finish_test, "rollback", owner, [&](db::Session& session, const FailoverJob& failover) {
            use_.failovers.set_verdict(session, failover.job_id, verdict, note);
            use_.machines.set_last_test(session, vm, use_.clock.now(), verdict.empty() ? "no verdict" : verdict);
        });
}

JobId FailoverService::go_back(const VmContextId& vm, const std::string& owner) {
    return start_rollback(
        vm, MachineAction::go_back, "go-back", owner, [&](db::Session& session, const FailoverJob& failover) {
            if (joblog::JobLog::recall(session, failover.job_id, commit_begun_key) == true) {
                throw Error(ErrorCode::conflict, "a commit has begun to delete the snapshots, so there is no way back",
                            {.consequence = "Nothing was changed.",
                             .remedy = "Finish it: migratekit failover commit " + vm.value,
                             .retry_safe = true});
            }
        });
}

JobId FailoverService::commit(const VmContextId& vm, const std::string& owner) {
    managed(use_, vm);
    const auto failover = use_.failovers.latest(vm);
    const joblog::JobStart start{.type = JobType::cleanup,
                                 .operation = commit_operation,
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = "{}",
                                 .steps = commit_steps()};
    const auto job = use_.machines.begin(vm, MachineAction::commit, {}, start, [&](db::Session&, const JobId&) {
        if (!failover || !failover->live) {
            throw Error(ErrorCode::conflict, "there is no live failover of this machine to commit",
                        {.consequence = "Nothing was changed.",
                         .remedy = "Look at the machine: migratekit vm show " + vm.value,
                         .retry_safe = true});
        }
    });
    try {
        runner_.start(job, [this, job, vm, failover = *failover](const std::stop_token& stop) {
            run_commit(job, vm, failover, stop);
        });
    } catch (const Error& error) {
        fail_commit(job, vm, error);
        throw;
    }
    return job;
}

void FailoverService::run_commit(const JobId& job, const VmContextId& vm, const FailoverJob& failover,
                                 const std::stop_token& stop) {
    try {
        CommitRun(use_, job, vm, failover).run(stop);
    } catch (const std::exception& caught) {
        return fail_commit(job, vm, as_error(caught));
    }
    conclude_commit(job, vm);
}

void FailoverService::conclude_commit(const JobId& job, const VmContextId& vm) {
    runner_.insist(job, [&] {
        use_.job_log.run_step(job, record_step, [](joblog::StepContext&) {});
        use_.machines.end_job(vm, job, MachineStatus::committed);
    });
}

void FailoverService::fail_commit(const JobId& job, const VmContextId& vm, const Error& error) {
    runner_.insist(job,
                   [&] { use_.machines.end_job(vm, job, MachineStatus::failed_over_live, error.cause(), &error); });
}

JobId FailoverService::clean_up(const VmContextId& vm, const std::string& owner) {
    return start_rollback(vm, MachineAction::cleanup, "cleanup", owner);
}

JobId FailoverService::start_rollback(const VmContextId& vm, MachineAction action, const std::string& operation,
                                      const std::string& owner, const Also& also) {
    managed(use_, vm);
    const auto failover = use_.failovers.latest(vm);
    const joblog::JobStart start{.type = JobType::cleanup,
                                 .operation = operation,
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = "{}",
                                 .steps = rollback_steps(failover && failover->live)};
    const auto job =
        use_.machines.begin(vm, action, MachineStatus::rolling_back, start, [&](db::Session& session, const JobId&) {
            if (!failover) {
                throw Error(ErrorCode::conflict, "there is no failover of this machine to roll back",
                            {.consequence = "Nothing was changed.", .retry_safe = true});
            }
            use_.failovers.set_status(session, failover->job_id, "cleanup");
            if (also) {
                also(session, *failover);
            }
        });
    try {
        runner_.start(job, [this, job, vm, failover = *failover](const std::stop_token& stop) {
            run_rollback(job, vm, failover, stop);
        });
    } catch (const Error& error) {
        fail_rollback(job, vm, error);
        throw;
    }
    return job;
}

void FailoverService::run_rollback(const JobId& job, const VmContextId& vm, const FailoverJob& failover,
                                   const std::stop_token& stop) {
    try {
        RollbackRun(use_, job, vm, failover).run(stop);
    } catch (const std::exception& caught) {
        return fail_rollback(job, vm, as_error(caught));
    }
    conclude_rollback(job, vm);
}

void FailoverService::conclude_rollback(const JobId& job, const VmContextId& vm) {
    runner_.insist(job, [&] {
        use_.job_log.run_step(job, record_step, [](joblog::StepContext&) {});
        const auto point = use_.recovery_points.latest(vm);
        if (point && point->applied) {
            use_.machines.end_job(vm, job, MachineStatus::ready_for_failover);
        } else {
            // A final sync broke after its commit record: not "ready" before the next sync has applied the rest.
            use_.machines.end_job(
                vm, job, MachineStatus::failed,
                "The last recovery point is recorded but not fully applied; the next sync finishes it");
        }
    });
}

void FailoverService::fail_rollback(const JobId& job, const VmContextId& vm, const Error& error) {
    runner_.insist(job,
                   [&] { use_.machines.end_job(vm, job, MachineStatus::cleanup_required, error.cause(), &error); });
}

void FailoverService::cancel(const JobId& job) {
    if (!use_.job_log.find(job)) {
        throw Error(ErrorCode::not_found, "there is no job " + job.value);
    }
    use_.job_log.request_cancel(job);
    runner_.cancel(job);
}

void FailoverService::settle_interrupted() {
    for (const auto& open : use_.job_log.list({}, true, 1000)) {
        if (open.type == JobType::migration || open.type == JobType::verification ||
            open.operation == machines::removal_operation || open.operation == machines::expiry_operation) {
            continue;  // replication's
        }
        // On threads of their own: cleaning up after a final sync may wait for the VMware site.
        runner_.start(open.id, [this, open](const std::stop_token&) {
            if (const auto job = use_.job_log.find(open.id)) {
                settle(*job);
            }
        });
    }
}

void FailoverService::settle_commit(const joblog::Job& job) {
    const auto& vm = job.vm_context_id;
    if (lacks_only_the_record(job)) {
        use_.job_log.log(job.id, joblog::Level::info, "Continuing after a restart: recording the result");
        return conclude_commit(job.id, vm);
    }
    fail_commit(job.id, vm,
                Error(ErrorCode::unavailable, "the OMA service was restarted during this commit",
                      {.consequence = "Machine and volumes in the cloud are unchanged.",
                       .remedy = "Commit again: migratekit failover commit " + vm.value,
                       .retry_safe = true}));
}

void FailoverService::settle(const joblog::Job& job) {
    if (job.operation == commit_operation) {
        return settle_commit(job);
    }
    const bool is_rollback = job.type == JobType::cleanup;
    const auto& vm = job.vm_context_id;
    if (lacks_only_the_record(job)) {
        use_.job_log.log(job.id, joblog::Level::info, "Continuing after a restart: recording the result");
        return is_rollback ? conclude_rollback(job.id, vm)
                           : conclude_failover(job.id, vm, job.type == JobType::live_failover);
    }
    const bool needs_rollback = is_rollback || has_touched_something(job);
    const Error error(
        ErrorCode::unavailable,
        std::string("the OMA service was restarted during this ") + (is_rollback ? "rollback" : "failover"),
        {.consequence =
             needs_rollback ? "The recovery point is unchanged or protected by its snapshots." : "Nothing was changed.",
         .remedy = needs_rollback ? "Roll back with: migratekit cleanup run " + vm.value : "Start it again.",
         .retry_safe = true});
    is_rollback ? fail_rollback(job.id, vm, error) : fail_failover(job.id, vm, error, needs_rollback);
}

void FailoverService::start_timer() {
    timer_ = std::jthread([this](const std::stop_token& stop) {
        while (pause(use_.pacing.timer_interval, stop)) {
            try {
                roll_back_due();
            } catch (const std::exception& error) {
                log::warn("the timer of test failovers could not look: {}", error.what());
            }
        }
    });
}

void FailoverService::roll_back_due() {
    for (const auto& failover : use_.failovers.due_for_rollback(use_.clock.now())) {
        const auto machine = use_.machines.find(failover.vm_context_id);
        if (!machine || machine->status != MachineStatus::failed_over_test || !machine->current_job.empty()) {
            continue;
        }
        try {
            log::info("job={} the test's time is over: rolling back", failover.job_id.value);
            finish_test(failover.vm_context_id, "", "The test's time was over.", "timer");
        } catch (const std::exception& error) {
            // One that cannot be rolled back now must not keep the others waiting.
            log::warn("job={} the test's time is over, but: {}", failover.job_id.value, as_error(error).full_text());
        }
    }
}

void FailoverService::stop() {
    if (timer_.joinable()) {
        timer_.request_stop();
        timer_.join();
    }
    runner_.stop();
}

}  // namespace mk::failover
