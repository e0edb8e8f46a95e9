#include "control/failover/failover_service.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"
#include "contracts/source_machine_json.hpp"
#include "control/failover/plans.hpp"

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
    row.request = request;
    row.network_mappings = "{}";
    if (request.test_duration) {
        row.test_duration_s = request.test_duration->count();
    }
    row.auto_cleanup = request.auto_cleanup;
    return row;
}

Error nothing_of_the_kind(const VmContextId& vm, const std::string& cause) {
    return {ErrorCode::conflict,
            cause,
            {.consequence = "Nothing was changed.",
             .remedy = "Look at the machine: migratekit vm show " + vm.value,
             .retry_safe = true}};
}

/// Whether there is something to take back, or will be.
bool has_remains(MachineStatus status) {
    switch (status) {
        case MachineStatus::failing_over_test:
        case MachineStatus::failed_over_test:
        case MachineStatus::failing_over_live:
        case MachineStatus::failed_over_live:
        case MachineStatus::rolling_back:
        case MachineStatus::cleanup_required:
            return true;
        default:
            return false;
    }
}

}  // namespace

FailoverService::FailoverService(Collaborators use) : use_(std::move(use)), jobs_(use_) {}

PreflightResult FailoverService::check(const VmContextId& vm, const FailoverRequest& request,
                                       const std::stop_token& stop) {
    check_request(request);
    return preflight(use_, managed(use_, vm), request, stop, PreflightScope::alone);
}

JobId FailoverService::start(const VmContextId& vm, const FailoverRequest& request, const std::string& owner) {
    check_request(request);
    use_.boot.check(request.boot);
    const auto machine = managed(use_, vm);
    const auto type = request.live ? JobType::live_failover : JobType::test_failover;
    auto row = row_for(machine, request);
    auto context = jobs_.context_of({}, row);
    const joblog::JobStart start{.type = type,
                                 .operation = std::string(to_string(type)),
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = json::dump(Json{{machines::on_clones_key, request.on_clones}}),
                                 .steps = rows_of(failover_plan(context))};
    const auto job =
        use_.machines.begin(vm, request.live ? MachineAction::live_failover : MachineAction::test_failover,
                            request.live ? MachineStatus::failing_over_live : MachineStatus::failing_over_test, start,
                            [&](db::Session& session, const JobId& id) {
                                row.job_id = id;
                                use_.failovers.add(session, row);
                            });
    jobs_.launch_failover(job, vm);
    return job;
}

JobId FailoverService::finish_test(const VmContextId& vm, const std::string& verdict, const std::string& note,
                                   const std::string& owner) {
    if (!verdict.empty() && verdict != "worked" && verdict != "failed") {
        throw Error(ErrorCode::invalid, "unknown verdict '" + verdict + "'",
                    {.consequence = "Nothing was changed.", .remedy = "Use worked or failed.", .retry_safe = true});
    }
    managed(use_, vm);
    return jobs_.start_rollback(vm, MachineAction::finish_test, rollback_operation, owner,
                                [&](db::Session& session, const FailoverJob& failover) {
                                    use_.failovers.set_verdict(session, failover.job_id, verdict, note);
                                    use_.machines.set_last_test(session, vm, use_.clock.now(),
                                                                verdict.empty() ? "no verdict" : verdict);
                                });
}

Instant FailoverService::extend(const VmContextId& vm, std::chrono::seconds by, const std::string& owner) {
    check_duration("the extension", by);
    const auto machine = managed(use_, vm);
    const auto failover = use_.failovers.latest(vm);
    if (!failover || failover->live || machine.status != MachineStatus::failed_over_test) {
        throw nothing_of_the_kind(vm, "no test of " + machine.source.name + " is running");
    }
    const auto end = use_.failovers.extend(failover->job_id, by);
    use_.job_log.log(failover->job_id, joblog::Level::info, owner + " moved the end of the test to " + to_iso8601(end));
    return end;
}

JobId FailoverService::go_back(const VmContextId& vm, const std::string& owner) {
    managed(use_, vm);
    return jobs_.start_rollback(
        vm, MachineAction::go_back, go_back_operation, owner, [&](db::Session& session, const FailoverJob& failover) {
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
    joblog::JobStart start{.type = JobType::cleanup,
                           .operation = commit_operation,
                           .owner = owner,
                           .vm_context_id = vm,
                           .metadata = "{}",
                           .steps = {}};
    if (failover) {
        auto context = jobs_.context_of({}, *failover);
        start.steps = rows_of(commit_plan(context));
        start.metadata = json::dump(Json{{failover_job_key, failover->job_id.value}});
    }
    const auto job = use_.machines.begin(vm, MachineAction::commit, {}, start, [&](db::Session&, const JobId&) {
        if (!failover || !failover->live) {
            throw nothing_of_the_kind(vm, "there is no live failover of this machine to commit");
        }
    });
    jobs_.launch_commit(job, vm);
    return job;
}

JobId FailoverService::clean_up(const VmContextId& vm, const std::string& owner) {
    managed(use_, vm);
    return jobs_.start_rollback(vm, MachineAction::cleanup, cleanup_operation, owner);
}

std::vector<PlannedStep> FailoverService::plan_cleanup(const VmContextId& vm, const std::stop_token& stop) {
    const auto machine = managed(use_, vm);
    const auto failover = use_.failovers.latest(vm);
    if (!failover || !has_remains(machine.status)) {
        const auto refused = refusal(machine.status, MachineAction::cleanup);
        throw Error(ErrorCode::conflict,
                    refused ? refused->reason : "there is no failover of this machine to take back",
                    {.consequence = "Nothing was changed.",
                     .remedy = refused ? refused->remedy : "Look at the machine: migratekit vm show " + vm.value,
                     .retry_safe = true});
    }
    auto context = jobs_.context_of({}, *failover);
    return look_ahead(rollback_plan(context), stop);
}

void FailoverService::cancel(const JobId& job) {
    jobs_.cancel(job);
}

void FailoverService::resume_interrupted() {
    jobs_.resume_interrupted();
}

void FailoverService::start_timer() {
    timer_ = std::jthread([this](const std::stop_token& stop) {
        while (pause(use_.pacing.timer_interval, stop)) {
            try {
                roll_back_due();
            } catch (const std::exception& error) {
                log::warn("the timer of failovers could not look: {}", error.what());
            }
        }
    });
}

void FailoverService::roll_back_due() {
    for (const auto& failover : use_.failovers.due_for_rollback(use_.clock.now())) {
        const auto machine = use_.machines.find(failover.vm_context_id);
        // A sync beside a test on clones is waited for.
        if (machine && machine->status == MachineStatus::failed_over_test && machine->current_job.empty()) {
            finish_when_due(failover);
        }
    }
    jobs_.start_owed_rollbacks();
}

void FailoverService::finish_when_due(const FailoverJob& failover) {
    const auto& vm = failover.vm_context_id;
    try {
        log::info("job={} the test's time is over: rolling back", failover.job_id.value);
        jobs_.start_rollback(vm, MachineAction::finish_test, rollback_operation, "timer",
                             [&](db::Session& session, const FailoverJob& latest) {
                                 const auto now = FailoverRepository::find(session, failover.job_id);
                                 if (latest.job_id != failover.job_id || !now || now->rollback_at > use_.clock.now()) {
                                     throw Error(ErrorCode::conflict, "its end was moved meanwhile");
                                 }
                                 use_.failovers.set_verdict(session, failover.job_id, "", "The test's time was over.");
                                 use_.machines.set_last_test(session, vm, use_.clock.now(), "no verdict");
                             });
    } catch (const std::exception& error) {
        // One that cannot be rolled back now must not keep the others waiting.
        log::warn("job={} the test's time is over, but: {}", failover.job_id.value, as_error(error).full_text());
    }
}

void FailoverService::stop() {
    if (timer_.joinable()) {
        timer_.request_stop();
        timer_.join();
    }
    jobs_.stop();
}

}  // namespace mk::failover
