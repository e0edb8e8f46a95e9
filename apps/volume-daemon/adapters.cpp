#include "adapters.hpp"

namespace mk::volumes {

CloudSettings StoredCloudSettings::require() const {
    auto stored = repository_.require();
    return {.api_url = stored.api_url,
            .certificate_sha256 = stored.certificate_sha256,
            .api_key = stored.api_key,
            .secret_key = stored.secret_key,
            .zone_id = stored.zone_id,
            .disk_offering_id = stored.disk_offering_id,
            .appliance_vm_id = stored.appliance_vm_id};
}

std::string StoredLedger::intend(const std::string& kind, const std::string& name, const VmContextId& vm_context_id,
                                 const JobId& job_id) {
    return ledger_.intend(ledger::Site::target, kind, name, vm_context_id, job_id);
}

void StoredLedger::confirm(const std::string& entry_id, const std::string& object_id) {
    ledger_.confirm(entry_id, object_id);
}
void StoredLedger::gone(const std::string& kind, const std::string& object_id) {
    ledger_.object_gone(kind, object_id);
}
void StoredLedger::name_gone(const std::string& kind, const std::string& name) {
    ledger_.name_gone(kind, name);
}

std::optional<std::string> StoredLedger::find_object(const std::string& kind, const std::string& name) const {
    for (const auto& entry : ledger_.open_entries()) {
        if (entry.kind == kind && entry.name == name && !entry.object_id.empty()) {
            return entry.object_id;
        }
    }
    return std::nullopt;
}

std::vector<UnfinishedCommand> unfinished_commands(const ledger::Effects& effects) {
    std::vector<UnfinishedCommand> commands;
    for (const auto& effect : effects.open_of_this_process()) {
        commands.push_back({.note = effect.id,
                            .command = effect.command,
                            .object = effect.object,
                            .object_id = effect.object_id,
                            .async_job_id = effect.async_job_id});
    }
    return commands;
}

}  // namespace mk::volumes
