#include "control/failover/failover_service.hpp"

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"
#include "contracts/source_machine_json.hpp"
#include "control/failover/failover_run.hpp"
#include "control/failover/rollback_run.hpp"

namespace mk::failover {

namespace {

constexpr auto timer_interval = std::chrono::seconds{5};

machines::Machine managed(Collaborators& use, const VmContextId& vm) {
    auto machine = use.machines.find(vm);
    if (!machine) {
        throw Error(ErrorCode::not_found, "there is no managed machine " + vm.value,
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

FailoverService::FailoverService(Collaborators use) : use_(std::move(use)) {}

PreflightResult FailoverService::check(const VmContextId& vm, const FailoverRequest& request, const std::stop_token& stop) {
    check_request(request);
    const auto machine = managed(use_, vm);
    auto result = preflight(use_, machine, request, stop);
    if (const auto reason = refusal(machine.status, request.live ? MachineAction::live_failover : MachineAction::test_failover)) {
        result.findings.insert(result.findings.begin(), {Severity::blocker, "state", *reason, {}});
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
    const auto job = use_.machines.begin(vm, request.live ? MachineAction::live_failover : MachineAction::test_failover,
                                         request.live ? MachineStatus::failing_over_live : MachineStatus::failing_over_test, start,
                                         [&](db::Session& session, const JobId& id) {
                                             auto row = row_for(machine, request);
                                             row.job_id = id;
                                             use_.failovers.add(session, row);
                                         });
    runner_.start(job, [this, job, vm, request](const std::stop_token& stop) { run_failover(job, vm, request, stop); });
    return job;
}

void FailoverService::run_failover(const JobId& job, const VmContextId& vm, const FailoverRequest& request,
                                   const std::stop_token& stop) {
    const auto status_before = MachineStatus::ready_for_failover;
    FailoverRun run(use_, job, vm, request);
    try {
        run.run(stop);
        use_.job_log.run_step(job, "vm-context-status-update", [&](joblog::StepContext&) { use_.failovers.complete(job); });
        use_.job_log.end(job);
        use_.machines.finish(vm, job, request.live ? MachineStatus::failed_over_live : MachineStatus::failed_over_test);
    } catch (const std::exception& caught) {
        end_failed(job, vm, as_error(caught), run.needs_rollback() ? MachineStatus::cleanup_required : status_before);
    }
}

void FailoverService::end_failed(const JobId& job, const VmContextId& vm, const Error& error, MachineStatus status) {
    try {
        if (use_.failovers.find(job)) {
            use_.failovers.set_status(job, "failed", error.full_text());
            if (use_.failovers.find(job)->live && status == MachineStatus::cleanup_required) {
                use_.final_sync.clean_up(job, vm);
            }
        }
        use_.job_log.end(job, &error);
        use_.machines.finish(vm, job, status, error.cause());
    } catch (const std::exception& second) {
        // The job stays open in the database and is settled at the next start.
        log::error("job={} its end could not be recorded: {}", job.value, second.what());
    }
}

JobId FailoverService::finish_test(const VmContextId& vm, const std::string& verdict, const std::string& note,
                                   const std::string& owner) {
    if (!verdict.empty() && verdict != "worked" && verdict != "failed") {
        throw Error(ErrorCode::invalid, "unknown verdict '" + verdict + "'",
                    {.consequence = "Nothing was changed.", .remedy = "Use worked or failed.", .retry_safe = true});
    }
    const auto failover = use_.failovers.latest(vm);
    const auto job = start_rollback(vm, MachineAction::finish_test, "rollback", owner);
    if (failover) {
        use_.failovers.set_verdict(failover->job_id, verdict, note);
        use_.machines.set_last_test(vm, use_.clock.now(), verdict.empty() ? "no verdict" : verdict);
    }
    return job;
}

JobId FailoverService::clean_up(const VmContextId& vm, const std::string& owner) {
    return start_rollback(vm, MachineAction::cleanup, "cleanup", owner);
}

JobId FailoverService::start_rollback(const VmContextId& vm, MachineAction action, const std::string& operation,
                                      const std::string& owner) {
    managed(use_, vm);
    const auto failover = use_.failovers.latest(vm);
    const joblog::JobStart start{.type = JobType::cleanup,
                                 .operation = operation,
                                 .owner = owner,
                                 .vm_context_id = vm,
                                 .metadata = "{}",
                                 .steps = rollback_steps(failover && failover->live)};
    const auto job = use_.machines.begin(vm, action, MachineStatus::rolling_back, start, [&](db::Session&, const JobId&) {
        if (!failover) {
            throw Error(ErrorCode::conflict, "there is no failover of this machine to roll back",
                        {.consequence = "Nothing was changed.", .retry_safe = true});
        }
    });
    use_.failovers.set_status(failover->job_id, "cleanup");
    runner_.start(job, [this, job, vm, failover = *failover](const std::stop_token& stop) {
        run_rollback(job, vm, failover, stop);
    });
    return job;
}

void FailoverService::run_rollback(const JobId& job, const VmContextId& vm, const FailoverJob& failover,
                                   const std::stop_token& stop) {
    try {
        RollbackRun(use_, job, vm, failover).run(stop);
        use_.job_log.run_step(job, "vm-context-status-update", [](joblog::StepContext&) {});
        use_.job_log.end(job);
        use_.machines.finish(vm, job, MachineStatus::ready_for_failover);
    } catch (const std::exception& caught) {
        end_failed(job, vm, as_error(caught), MachineStatus::cleanup_required);
    }
}

void FailoverService::cancel(const JobId& job) {
    use_.job_log.request_cancel(job);
    runner_.cancel(job);
}

void FailoverService::settle_interrupted() {
    for (const auto& job : use_.job_log.list({}, true, 1000)) {
        if (job.type == JobType::migration) {
            continue;
        }
        const bool rollback = job.type == JobType::cleanup;
        end_failed(job.id, job.vm_context_id,
                   Error(ErrorCode::unavailable,
                         std::string("the OMA service was restarted during this ") + (rollback ? "rollback" : "failover"),
                         {.consequence = "The recovery point is protected by its snapshots.",
                          .remedy = "Roll back with: migratekit cleanup run " + job.vm_context_id.value,
                          .retry_safe = true}),
                   MachineStatus::cleanup_required);
    }
}

void FailoverService::start_timer() {
    timer_ = std::jthread([this](const std::stop_token& stop) {
        while (pause(timer_interval, stop)) {
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
        if (machine && machine->status == MachineStatus::failed_over_test && machine->current_job.empty()) {
            log::info("job={} the test's time is over: rolling back", failover.job_id.value);
            start_rollback(failover.vm_context_id, MachineAction::finish_test, "rollback", "timer");
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
