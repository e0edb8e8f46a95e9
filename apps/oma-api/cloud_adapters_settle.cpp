// What an earlier process asked of CloudStack and did not see the end of: waited for, so that what is read afterwards
// does not change behind our back.

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "base/retry.hpp"
#include "cloud_adapters.hpp"

namespace mk::oma {

namespace {

constexpr const char* own_process = "oma-api";

/// Nothing while the job still runs.
const char* outcome_of(cloudstack::JobEnd end) {
    switch (end) {
        case cloudstack::JobEnd::done:
            return "done";
        case cloudstack::JobEnd::failed:
            return "failed";
        case cloudstack::JobEnd::unknown:
            return "unknown";
        case cloudstack::JobEnd::still_running:
            return nullptr;
    }
    return nullptr;
}

bool is_at_a_neighbour(const ledger::Effect& effect) {
    return effect.async_job_id.empty() && effect.process != own_process;
}

}  // namespace

/// Ids and names of everything that this job's machine has or may have outside.
std::vector<std::string> CloudMachinesAdapter::objects_of(const JobId& job) const {
    const auto row = job_log_.find(job);
    if (!row) {
        return {};
    }
    std::set<std::string> objects;
    for (const auto& entry : ledger_.open_entries(row->vm_context_id)) {
        objects.insert(entry.object_id);
        objects.insert(entry.name);
    }
    if (const auto failover = failovers_.latest(row->vm_context_id)) {
        objects.insert(failover->destination_vm_id.value);
        objects.insert(failover->destination_vm_name);
    }
    objects.erase("");
    return {objects.begin(), objects.end()};
}

/// A neighbour that lives may be sending its command at this moment: it says within seconds what it got.
std::vector<ledger::Effect> CloudMachinesAdapter::submitted_effects(const std::vector<std::string>& objects,
                                                                    const std::stop_token& stop) const {
    const auto give_up = std::chrono::steady_clock::now() + patience_.commands;
    for (;;) {
        auto open = effects_.open_of(objects);
        const bool is_waiting = std::any_of(open.begin(), open.end(), is_at_a_neighbour);
        if (!is_waiting || std::chrono::steady_clock::now() >= give_up) {
            return open;
        }
        if (!pause(patience_.poll, stop)) {
            throw Error(ErrorCode::cancelled, "stopped while commands to CloudStack were waited for");
        }
    }
}

void CloudMachinesAdapter::settle(const JobId& job, const std::stop_token& stop) {
    const auto objects = objects_of(job);
    const auto open = objects.empty() ? std::vector<ledger::Effect>{} : submitted_effects(objects, stop);
    if (open.empty()) {
        return;
    }
    const auto client = client_of(settings_.require());
    const auto give_up = std::chrono::steady_clock::now() + patience_.jobs;
    for (const auto& effect : open) {
        const char* outcome = "unknown";
        if (!effect.async_job_id.empty()) {
            log::info("job={} waiting for {} of {}, CloudStack's job {}", job.value, effect.command, effect.object,
                      effect.async_job_id);
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                std::max(give_up - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration::zero()));
            outcome = outcome_of(client.settle({.job_id = effect.async_job_id, .object_id = {}}, left, stop));
        } else if (effect.process != own_process) {
            continue;  // its own process settles it when it starts again
        }
        if (outcome == nullptr) {
            log::warn("job={} {} of {} still runs at CloudStack (job {})", job.value, effect.command, effect.object,
                      effect.async_job_id);
        } else {
            effects_.ended(effect.id, outcome);
        }
    }
}

}  // namespace mk::oma
