// What a forecast is made from, read from the recovery points and the JobLog.

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "control/failover/forecast.hpp"

namespace mk::failover {

namespace {

using std::chrono::milliseconds;

constexpr int most_passes = 10;
constexpr int most_jobs_looked_at = 300;
constexpr std::size_t most_failovers = 10;
/// The steps of a sync, beside the copy.
constexpr std::array<std::string_view, 5> sync_steps = {"source-check", "volume-preparation", "write-session",
                                                        "verification", "commit"};

std::optional<milliseconds> duration_of(const joblog::Step& step) {
    const bool has_ended_well = step.status == StepStatus::completed || step.status == StepStatus::warning;
    if (!has_ended_well || !step.started || !step.completed || *step.completed < *step.started) {
        return std::nullopt;
    }
    return *step.completed - *step.started;
}

PastPass pass_from(Collaborators& use, const RecoveryPoint& point) {
    PastPass pass;
    pass.snapshot = point.snapshot_time;
    pass.incremental = !point.disks.empty() &&
                       std::all_of(point.disks.begin(), point.disks.end(), [](const auto& d) { return d.incremental; });
    for (const auto& disk : point.disks) {
        pass.changed += disk.bytes_changed;
    }
    const auto job = use.job_log.find(point.job_id);
    for (const auto& step : job ? job->steps : std::vector<joblog::Step>{}) {
        const auto duration = duration_of(step).value_or(milliseconds::zero());
        if (step.name == "copy") {
            pass.copy = duration;
        } else if (std::find(sync_steps.begin(), sync_steps.end(), step.name) != sync_steps.end()) {
            pass.rest += duration;
        }
    }
    return pass;
}

/// The steps of the newest failovers among `jobs`, by way of `keep`.
void collect(Collaborators& use, const std::vector<joblog::Job>& jobs,
             const std::function<bool(const joblog::Job&)>& is_wanted,
             const std::function<void(const std::string&, milliseconds)>& keep) {
    std::size_t seen = 0;
    for (const auto& listed : jobs) {
        const bool is_failover = listed.type == JobType::test_failover || listed.type == JobType::live_failover;
        if (!is_failover || !is_wanted(listed) || seen == most_failovers) {
            continue;
        }
        const auto job = use.job_log.find(listed.id);
        ++seen;
        for (const auto& step : job ? job->steps : std::vector<joblog::Step>{}) {
            if (const auto duration = duration_of(step)) {
                keep(step.name, *duration);
            }
        }
    }
}

}  // namespace

ForecastFacts forecast_facts(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request) {
    ForecastFacts facts;
    facts.live = request.live;
    facts.on_clones = request.on_clones;
    facts.force_power_off = request.force_power_off;
    facts.shutdown_limit = request.shutdown_limit;
    facts.boot_limit = request.boot.limit;
    facts.now = use.clock.now();
    const auto& disks = machine.source.disks;
    const auto capacity = std::accumulate(disks.begin(), disks.end(), Bytes{0},
                                          [](Bytes sum, const SourceDisk& disk) { return sum + disk.capacity; });
    facts.used = machine.source.used != 0 ? machine.source.used : capacity;
    for (const auto& point : use.recovery_points.list(machine.id, most_passes)) {
        facts.passes.push_back(pass_from(use, point));
    }
    collect(
        use, use.job_log.list(machine.id, false, most_jobs_looked_at), [](const joblog::Job&) { return true; },
        [&](const std::string& step, milliseconds duration) { facts.steps[step].own.push_back(duration); });
    collect(
        use, use.job_log.list({}, false, most_jobs_looked_at),
        [&](const joblog::Job& job) { return job.vm_context_id != machine.id; },
        [&](const std::string& step, milliseconds duration) { facts.steps[step].others.push_back(duration); });
    return facts;
}

Forecast forecast(Collaborators& use, const machines::Machine& machine, const FailoverRequest& request) {
    return forecast(forecast_facts(use, machine, request));
}

}  // namespace mk::failover
