#include "control/reconcile/reconcile_service.hpp"

#include <algorithm>

#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "base/retry.hpp"

namespace mk::reconcile {

namespace {

/// What the last run was, in the settings.
constexpr const char* last_run_setting = "reconcile.last_run";
/// Of the job that applies a finding.
constexpr const char* finding_key = "finding";
constexpr const char* reason_key = "status_reason";
constexpr int most_open_jobs = 10'000;

Json last_run_json(Instant when, const std::vector<Unreachable>& unreachable) {
    Json list = Json::array();
    for (const auto& one : unreachable) {
        list.push_back({{"site", ledger::to_string(one.site)}, {"name", one.name}, {"problem", one.problem}});
    }
    return {{"at_ms", to_ms(when)}, {"unreachable", list}};
}

bool keeps(const Reality& reality, const Observation& observation) {
    if (observation.site == ledger::Site::target) {
        return !reality.target;
    }
    const auto vcenter = source_reference_from(observation.object_id).vcenter_uuid;
    const bool was_answered = std::any_of(reality.sources.begin(), reality.sources.end(),
                                          [&](const SourceView& source) { return source.vcenter_uuid == vcenter; });
    return !was_answered && !reality.silent_vcenters.empty();
}

Error no_such(const std::string& id) {
    return {ErrorCode::not_found,
            "there is no finding " + id,
            {.consequence = "Nothing was changed.",
             .remedy = "List them: migratekit volume reconcile",
             .retry_safe = true}};
}

void check_confirmation(const Observation& what, const std::string& confirmation) {
    if (!confirmation.empty() && confirmation != what.object_id) {
        throw Error(ErrorCode::invalid,
                    "the confirmation is '" + confirmation + "', the " + what.object_kind + " is " + what.object_id,
                    {.consequence = "Nothing was changed.",
                     .remedy = "Give the id of the object that is meant.",
                     .retry_safe = true});
    }
    if (what.needs_confirmation() && confirmation.empty()) {
        throw Error(ErrorCode::invalid,
                    what.object_name + " (" + what.object_id + ") may hold data: it goes only when its id is given",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Look at it first, then confirm with its id: " + what.object_id,
                     .retry_safe = true});
    }
}

}  // namespace

ReconcileService::ReconcileService(Collaborators use)
    : use_(std::move(use)),
      findings_(use_.database, use_.clock),
      settings_(use_.database, use_.clock),
      runner_(use_.pacing.record_pause) {}

Report ReconcileService::run_now(const std::stop_token& stop) {
    const std::lock_guard lock(run_mutex_);
    store(lookout_.look(stop));
    return report();
}

void ReconcileService::store(const Look& look) {
    findings_.store(
        look.seen, [&](const Observation& unseen) { return keeps(look.reality, unseen); }, use_.pacing.settled_age);
    settings_.save(last_run_setting, json::dump(last_run_json(use_.clock.now(), look.reality.unreachable)));
    for (const auto& one : look.reality.unreachable) {
        log::warn("reconciling: {} cannot be asked, its findings stay as they are: {}", one.name, one.problem);
    }
}

Report ReconcileService::report() const {
    Report report{.findings = findings_.list(), .last_run = {}, .unreachable = {}};
    if (const auto stored = settings_.find(last_run_setting)) {
        const auto last = json::parse(*stored);
        report.last_run = from_ms(json::require<std::int64_t>(last, "at_ms"));
        for (const auto& one : json::value_or<Json>(last, "unreachable", Json::array())) {
            const auto site = json::require<std::string>(one, "site");
            report.unreachable.push_back(
                {.site = site == ledger::to_string(ledger::Site::source) ? ledger::Site::source : ledger::Site::target,
                 .name = json::require<std::string>(one, "name"),
                 .problem = json::require<std::string>(one, "problem")});
        }
    }
    return report;
}

JobId ReconcileService::apply(const std::string& finding_id, const std::string& confirmation,
                              const std::string& owner) {
    const auto finding = findings_.find(finding_id);
    if (!finding) {
        throw no_such(finding_id);
    }
    if (finding->what.action == Action::review) {
        throw Error(ErrorCode::conflict,
                    "only a person can put that right: " + finding->what.object_name + ": " + finding->what.detail,
                    {.consequence = "Nothing was changed.",
                     .remedy = "Do what is said there, then look again: migratekit volume reconcile --run",
                     .retry_safe = true});
    }
    check_confirmation(finding->what, confirmation);
    const auto job = begin(*finding, owner);
    launch(job, finding->what);
    return job;
}

bool ReconcileService::is_under_way(const Finding& finding) const {
    const auto open = use_.job_log.list({}, true, most_open_jobs);
    return std::any_of(open.begin(), open.end(), [&](const joblog::Job& job) {
        if (job.operation != machines::reconcile_operation) {
            return false;
        }
        const auto kept = json::parse(job.metadata);
        return observation_from(json::require<Json>(kept, finding_key)).key() == finding.what.key();
    });
}

/// Through the gate of its machine, so that no other job needs the object meanwhile.
JobId ReconcileService::begin(const Finding& finding, const std::string& owner) {
    const auto& what = finding.what;
    const std::lock_guard lock(begin_mutex_);
    if (is_under_way(finding)) {
        throw Error(ErrorCode::conflict, "a job for " + what.object_name + " runs already",
                    {.consequence = "Nothing was changed.", .remedy = "Wait for its end.", .retry_safe = true});
    }
    const auto machine = use_.machines.find(what.vm);
    Json metadata{{finding_key, to_json(what)}};
    if (machine) {
        metadata[reason_key] = machine->status_reason;
    }
    const joblog::JobStart start{.type = JobType::cleanup,
                                 .operation = machines::reconcile_operation,
                                 .owner = owner,
                                 .vm_context_id = what.vm,
                                 .metadata = json::dump(metadata),
                                 .steps = apply_steps(what)};
    return machine ? use_.machines.begin(what.vm, MachineAction::remove, {}, start) : use_.job_log.start(start);
}

void ReconcileService::launch(const JobId& job, const Observation& what) {
    try {
        runner_.start(job, [this, job, what](const std::stop_token& stop) { run(job, what, stop); });
    } catch (const Error& error) {
        end(job, what, &error);
        throw;
    }
}

void ReconcileService::run(const JobId& job, const Observation& what, const std::stop_token& stop) {
    try {
        ApplyRun(use_, findings_, job, what).run(stop);
    } catch (const std::exception& caught) {
        const auto error = as_error(caught);
        if (stop.stop_requested()) {
            return;  // the service stops: the next start goes on
        }
        return end(job, what, &error);
    }
    end(job, what, nullptr);
}

void ReconcileService::end(const JobId& job, const Observation& what, const Error* error) {
    runner_.insist(job, [&] {
        if (!use_.machines.find(what.vm)) {
            use_.job_log.end(job, error);
            return;
        }
        auto status = use_.machines.status_before(job).value_or(MachineStatus::failed);
        if (gives_up_copy(what) && !use_.recovery_points.latest(what.vm)) {
            status = MachineStatus::discovered;
        }
        const auto reason = use_.job_log.recall(job, reason_key);
        use_.machines.end_job(what.vm, job, status, reason.is_string() ? reason.get<std::string>() : "", error);
    });
}

void ReconcileService::settle_interrupted() {
    for (const auto& job : use_.job_log.list({}, true, most_open_jobs)) {
        if (job.operation == machines::reconcile_operation) {
            launch(job.id, observation_from(json::require<Json>(json::parse(job.metadata), finding_key)));
        }
    }
}

void ReconcileService::start_timer() {
    timer_ = std::jthread([this](const std::stop_token& stop) {
        while (pause(use_.pacing.interval, stop)) {
            try {
                run_now(stop);
            } catch (const std::exception& error) {
                log::warn("the reconciler could not look: {}", as_error(error).full_text());
            }
        }
    });
}

void ReconcileService::stop() {
    timer_.request_stop();
    runner_.stop();
    if (timer_.joinable()) {
        timer_.join();
    }
}

}  // namespace mk::reconcile
