#include "appliance/oma/views.hpp"

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "contracts/source_machine_json.hpp"

namespace mk::oma {

namespace {

Json instant(const std::optional<Instant>& when) {
    return when ? Json(to_iso8601(*when)) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json disk_view(const machines::MachineDisk& disk) {
    return {{"disk_id", disk.disk_id.value},
            {"label", disk.label},
            {"capacity", disk.capacity},
            {"is_boot", disk.is_boot},
            {"volume_id", text_or_null(disk.volume_id.value)},
            {"bytes_total", disk.bytes_total},
            {"bytes_done", disk.bytes_done}};
}

Json resource_list(const std::vector<settings::Resource>& resources) {
    Json list = Json::array();
    for (const auto& resource : resources) {
        list.push_back(
            {{"id", resource.id}, {"name", resource.name}, {"note", resource.note}, {"usable", resource.usable}});
    }
    return list;
}

Json step_view(const joblog::Job& job, const joblog::Step& step) {
    return {{"order", step.order},
            {"name", step.name},
            {"title", step.title},
            {"weight", step.weight},
            {"point_of_no_return", failover::is_point_of_no_return(job.type, step.name)},
            {"status", to_string(step.status)},
            {"detail", text_or_null(step.detail)},
            {"error", text_or_null(step.error_message)},
            {"started_at", instant(step.started)},
            {"completed_at", instant(step.completed)}};
}

}  // namespace

Json view(const machines::Machine& machine, const std::vector<machines::MachineDisk>& disks) {
    Json flags = Json::array();
    if (!machine.last_test) {
        flags.push_back("never_tested");
    }
    Json disk_list = Json::array();
    for (const auto& disk : disks) {
        disk_list.push_back(disk_view(disk));
    }
    return {{"context_id", machine.id.value},
            {"name", machine.source.name},
            {"path", machine.source.path},
            {"status", to_string(machine.status)},
            {"status_label", label(machine.status)},
            {"status_since", to_iso8601(machine.status_since)},
            {"status_reason", text_or_null(machine.status_reason)},
            {"next_step", next_step(machine.status, machine.last_test.has_value())},
            {"current_job_id", text_or_null(machine.current_job.value)},
            {"flags", flags},
            {"boot_disk_id", machine.boot_disk.value},
            {"last_sync", instant(machine.last_sync)},
            {"last_test", instant(machine.last_test)},
            {"last_test_verdict", text_or_null(machine.last_test_verdict)},
            {"verified_at", instant(machine.verified_at)},
            {"verified_verdict", text_or_null(machine.verified_verdict)},
            {"verified_percent", machine.verified_at ? Json(machine.verified_percent) : Json(nullptr)},
            {"compare_reason", text_or_null(machine.compare_reason)},
            {"disks", disk_list},
            {"source", contracts::to_json(machine.source)},
            {"created_at", to_iso8601(machine.created)}};
}

Json view(const discovery::DiscoveredMachine& machine) {
    auto shown = contracts::to_json(machine.source);
    shown["managed_as"] = machine.managed_as ? Json(machine.managed_as->value) : Json(nullptr);
    shown["ready"] = machine.source.is_replicable();
    return shown;
}

Json view(const RecoveryPoint& point) {
    Json disks = Json::array();
    for (const auto& disk : point.disks) {
        disks.push_back({{"disk_id", disk.disk_id.value},
                         {"volume_id", disk.volume_id.value},
                         {"change_id", disk.change_id},
                         {"capacity", disk.capacity},
                         {"incremental", disk.incremental},
                         {"bytes_changed", disk.bytes_changed},
                         {"bytes_sent", disk.bytes_sent},
                         {"bytes_read", disk.bytes_read},
                         {"bytes_zeroed", disk.bytes_zeroed},
                         {"bytes_skipped", disk.bytes_skipped},
                         {"bytes_resumed", disk.bytes_resumed},
                         {"bytes_compared", disk.bytes_compared},
                         {"bytes_different", disk.bytes_different},
                         {"bytes_verified", disk.bytes_verified},
                         {"digest_runs", disk.digest_runs},
                         {"digest", text_or_null(disk.digest)}});
    }
    return {{"id", point.id.value},
            {"context_id", point.vm_context_id.value},
            {"job_id", point.job_id.value},
            {"snapshot_time", to_iso8601(point.snapshot_time)},
            {"consistency", point.consistency},
            {"applied", point.applied},
            {"bytes_wire", point.bytes_wire},
            {"disks", disks}};
}

Json view(const joblog::Job& job) {
    Json steps = Json::array();
    for (const auto& step : job.steps) {
        steps.push_back(step_view(job, step));
    }
    return {{"job_id", job.id.value},
            {"type", to_string(job.type)},
            {"operation", job.operation},
            {"context_id", text_or_null(job.vm_context_id.value)},
            {"owner", job.owner},
            {"status", to_string(job.status)},
            {"percent", job.percent},
            {"cancel_requested", job.cancel_requested},
            {"error", job.error.empty() ? Json(nullptr) : json::parse(job.error)},
            {"created_at", to_iso8601(job.created)},
            {"started_at", instant(job.started)},
            {"completed_at", instant(job.completed)},
            {"steps", steps}};
}

Json view(const joblog::Event& event) {
    return {{"id", event.id},
            {"step", event.step_order ? Json(*event.step_order) : Json(nullptr)},
            {"level", to_string(event.level)},
            {"message", event.message},
            {"at", to_iso8601(event.created)}};
}

Json view(const replication::ReplicationJob& job) {
    return {{"replication_type", job.replication_type},
            {"status", job.status},
            {"current_operation", job.current_operation},
            {"vma_sync_type", job.vma_sync_type},
            {"vma_eta_seconds", job.vma_eta_seconds ? Json(*job.vma_eta_seconds) : Json(nullptr)},
            {"bytes_total", job.bytes_total},
            {"bytes_done", job.bytes_done},
            {"bytes_sent", job.bytes_sent},
            {"bytes_zeroed", job.bytes_zeroed},
            {"bytes_wire", job.bytes_wire},
            {"bytes_per_second", job.bytes_per_second},
            {"bottleneck", text_or_null(job.bottleneck)},
            {"attempt", job.attempt},
            {"heartbeat_at", instant(job.heartbeat)}};
}

Json verification_view(const Json& kept) {
    if (!kept.is_object()) {
        return nullptr;
    }
    auto shown = kept;
    const auto snapshot = json::find<std::int64_t>(kept, "snapshot_ms");
    shown.erase("snapshot_ms");
    shown["snapshot_time"] = snapshot ? Json(to_iso8601(from_ms(*snapshot))) : Json(nullptr);
    return shown;
}

Json view(const credentials::Credential& credential) {
    return {{"id", credential.id.value},
            {"name", credential.name},
            {"vcenter", credential.vcenter},
            {"username", credential.username},
            {"certificate_sha256", credential.certificate_sha256},
            {"vcenter_uuid", credential.vcenter_uuid},
            {"created_at", to_iso8601(credential.created)},
            {"updated_at", to_iso8601(credential.updated)},
            {"updated_by", credential.updated_by}};
}

Json view(const settings::CloudStackSettings& settings) {
    return {{"api_url", settings.api_url},
            {"certificate_sha256", text_or_null(settings.certificate_sha256)},
            {"zone_id", settings.zone_id},
            {"zone_name", settings.zone_name},
            {"template_id", settings.template_id},
            {"service_offering_id", settings.service_offering_id},
            {"disk_offering_id", settings.disk_offering_id},
            {"network_id", text_or_null(settings.network_id)},
            {"test_network_id", text_or_null(settings.test_network_id)},
            {"appliance_vm_id", settings.appliance_vm_id.value}};
}

Json view(const settings::Resources& resources) {
    return {{"version", resources.version},
            {"snapshots_of_running_machines", resources.snapshots_of_running_machines},
            {"zones", resource_list(resources.zones)},
            {"templates", resource_list(resources.templates)},
            {"service_offerings", resource_list(resources.service_offerings)},
            {"disk_offerings", resource_list(resources.disk_offerings)},
            {"networks", resource_list(resources.networks)},
            {"machines", resource_list(resources.machines)},
            {"own_machine_id", text_or_null(resources.own_machine_id)}};
}

Json view(const networks::NetworkMapping& mapping) {
    return {{"source_network", mapping.source_network},
            {"live_network_id", text_or_null(mapping.live_network_id)},
            {"live_network_name", text_or_null(mapping.live_network_name)},
            {"test_network_id", text_or_null(mapping.test_network_id)},
            {"test_network_name", text_or_null(mapping.test_network_name)}};
}

Json view(const ledger::Entry& entry) {
    return {{"id", entry.id},
            {"site", to_string(entry.site)},
            {"kind", entry.kind},
            {"name", entry.name},
            {"object_id", text_or_null(entry.object_id)},
            {"context_id", text_or_null(entry.vm_context_id.value)},
            {"job_id", text_or_null(entry.job_id.value)},
            {"state", to_string(entry.state)},
            {"created_at", to_iso8601(entry.created)}};
}

Json view(const settings::PairedAppliance& appliance) {
    return {{"appliance_id", appliance.id},
            {"name", appliance.name},
            {"fingerprint", appliance.fingerprint},
            {"fingerprint_for_people", appliance.fingerprint_for_people},
            {"paired_at", to_iso8601(appliance.paired_at)}};
}

Json view(const settings::Invitation& invitation) {
    return {{"code", invitation.code},
            {"expires_at", to_iso8601(invitation.expires)},
            {"fingerprint", invitation.fingerprint},
            {"fingerprint_for_people", invitation.fingerprint_for_people}};
}

Json view(const ApplianceState& state) {
    return {{"reachable", state.reachable},
            {"version", text_or_null(state.version)},
            {"version_matches", state.reachable ? Json(state.is_same_version) : Json(nullptr)},
            {"round_trip_ms", state.reachable ? Json(state.round_trip.count()) : Json(nullptr)},
            {"problem", text_or_null(state.problem)}};
}

}  // namespace mk::oma
