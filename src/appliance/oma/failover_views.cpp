#include "appliance/oma/failover_views.hpp"

#include <set>

#include <nlohmann/json.hpp>

#include "appliance/oma/views.hpp"
#include "base/json_fields.hpp"
#include "contracts/source_machine_json.hpp"

namespace mk::oma {

namespace {

/// Of a machine's jobs, to find the failover that came next.
constexpr int most_jobs = 500;

Json instant(const std::optional<Instant>& when) {
    return when ? Json(to_iso8601(*when)) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json nic_list(const std::vector<failover::NicOrder>& nics) {
    Json list = Json::array();
    for (const auto& nic : nics) {
        list.push_back(
            {{"network_id", nic.network_id}, {"mac", text_or_null(nic.mac)}, {"address", text_or_null(nic.address)}});
    }
    return list;
}

Json observations_of(const failover::FailoverJob& job) {
    Json list = Json::array();
    const auto kept = job.boot_observations.empty() ? Json::array() : json::parse(job.boot_observations);
    for (const auto& seen : kept) {
        list.push_back({{"at", json::value_or<std::string>(seen, "when", "")},
                        {"probe", json::value_or<std::string>(seen, "probe", "")},
                        {"is_proof", json::value_or<bool>(seen, "is_proof", false)},
                        {"text", json::value_or<std::string>(seen, "text", "")}});
    }
    return list;
}

/// When the machine's next failover began: what was commanded from then on belongs to that one.
std::optional<Instant> next_failover(Services& services, const failover::FailoverJob& job) {
    std::optional<Instant> next;
    for (const auto& other : services.job_log.list(job.vm_context_id, false, most_jobs)) {
        const bool is_failover = other.type == JobType::test_failover || other.type == JobType::live_failover;
        if (is_failover && other.created > job.created && other.id != job.job_id) {
            next = other.created;  // newest first: the last one found is the next one
        }
    }
    return next;
}

/// Ids and names of everything that this failover had, or may have had, at CloudStack.
std::set<std::string> objects_of(Services& services, const failover::FailoverJob& job) {
    std::set<std::string> objects = {job.destination_vm_id.value, job.destination_vm_name};
    for (const auto& disk : services.machines.disks(job.vm_context_id)) {
        objects.insert(disk.volume_id.value);
    }
    objects.erase("");
    // Snapshots and clones are known by the commands that made them only.
    for (const auto& effect : services.effects.of({objects.begin(), objects.end()}, job.created)) {
        objects.insert(effect.object_id);
    }
    objects.erase("");
    return objects;
}

Json commands_of(Services& services, const failover::FailoverJob& job) {
    const auto objects = objects_of(services, job);
    const auto until = next_failover(services, job);
    Json list = Json::array();
    for (const auto& effect : services.effects.of({objects.begin(), objects.end()}, job.created)) {
        if (!until || effect.created < *until) {
            list.push_back(view(effect));
        }
    }
    return list;
}

std::optional<RecoveryPoint> point_of(Services& services, const failover::FailoverJob& job) {
    for (const auto& point : services.recovery_points.list(job.vm_context_id, most_jobs)) {
        if (point.id == job.recovery_point_id) {
            return point;
        }
    }
    return std::nullopt;
}

}  // namespace

Json view(const failover::FailoverJob& job) {
    return {{"job_id", job.job_id.value},
            {"context_id", job.vm_context_id.value},
            {"job_type", job.live ? "live" : "test"},
            {"on_clones", job.request.on_clones},
            {"status", job.status},
            {"recovery_point_id", text_or_null(job.recovery_point_id.value)},
            {"accept_unverified", job.request.accept_unverified},
            {"destination_vm_id", text_or_null(job.destination_vm_id.value)},
            {"destination_vm_name", text_or_null(job.destination_vm_name)},
            {"nics", nic_list(job.network_mappings.empty() ? std::vector<failover::NicOrder>{} : nics_of(job))},
            {"test_duration_s", job.test_duration_s ? Json(*job.test_duration_s) : Json(nullptr)},
            {"auto_cleanup", job.auto_cleanup},
            {"rollback_on_failure", job.request.rollback_on_failure},
            {"rollback_at", instant(job.rollback_at)},
            {"probes", job.request.boot.probes},
            {"expect", text_or_null(job.request.boot.text)},
            {"boot_verdict", text_or_null(job.boot_verdict)},
            {"boot_evidence", text_or_null(job.boot_evidence)},
            {"boot_observations", observations_of(job)},
            {"verdict", text_or_null(job.verdict)},
            {"verdict_note", text_or_null(job.verdict_note)},
            {"created_at", to_iso8601(job.created)},
            {"completed_at", instant(job.completed)}};
}

Json view(const failover::Forecast& forecast) {
    Json parts = Json::array();
    for (const auto& part : forecast.parts) {
        parts.push_back({{"title", part.title},
                         {"likely_s", part.likely.count()},
                         {"at_most_s", part.at_most.count()},
                         {"reason", part.reason}});
    }
    return {{"likely_s", forecast.likely.count()}, {"at_most_s", forecast.at_most.count()}, {"parts", parts}};
}

Json view(const failover::PreflightResult& result) {
    Json findings = Json::array();
    for (const auto& finding : result.findings) {
        findings.push_back(contracts::to_json(finding));
    }
    return {{"passed", result.passed()},
            {"checks", findings},
            {"network_ids", result.network_ids},
            {"nics", nic_list(result.nics)},
            {"forecast", result.forecast ? view(*result.forecast) : Json(nullptr)}};
}

Json view(const failover::PlannedStep& step) {
    Json actions = Json::array();
    for (const auto& action : step.actions) {
        actions.push_back({{"text", action.text},
                           {"object_kind", action.object_kind},
                           {"object_id", text_or_null(action.object_id)},
                           {"is_removal", action.is_removal}});
    }
    return {{"name", step.step.name},
            {"title", step.step.title},
            {"actions", actions},
            {"problem", text_or_null(step.problem)}};
}

Json view(const ledger::Effect& effect) {
    return {{"at", to_iso8601(effect.created)},
            {"process", effect.process},
            {"command", effect.command},
            {"object", effect.object},
            {"object_id", text_or_null(effect.object_id)},
            {"async_job_id", text_or_null(effect.async_job_id)},
            {"state", effect.state}};
}

Json report_of(Services& services, const failover::FailoverJob& job) {
    auto shown = view(job);
    const auto machine = services.machines.find(job.vm_context_id);
    const auto row = services.job_log.find(job.job_id);
    const auto point = point_of(services, job);
    shown["machine"] = machine ? Json(machine->source.name) : Json(nullptr);
    shown["job"] = row ? view(*row) : Json(nullptr);
    shown["recovery_point"] = point ? view(*point) : Json(nullptr);
    shown["commands"] = commands_of(services, job);
    return shown;
}

}  // namespace mk::oma
