#include "control/discovery/discovery_service.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "control/machines/replicable.hpp"

namespace mk::discovery {

namespace {

SourceMachine pick(std::vector<SourceMachine> machines, const std::string& words) {
    std::erase_if(machines, [&](const SourceMachine& m) {
        return m.path != words && m.instance_uuid != words && m.name != words;
    });
    if (machines.empty()) {
        throw Error(ErrorCode::not_found, "the vCenter has no machine '" + words + "'",
                    {.consequence = "Nothing was changed.",
                     .remedy = "See what there is: migratekit discover list",
                     .retry_safe = true});
    }
    if (machines.size() > 1) {
        std::string candidates;
        for (const auto& machine : machines) {
            candidates += (candidates.empty() ? "" : ", ") + machine.path;
        }
        throw Error(ErrorCode::not_found, "'" + words + "' means several machines: " + candidates,
                    {.consequence = "Nothing was changed.", .remedy = "Use the whole path.", .retry_safe = true});
    }
    return std::move(machines.front());
}

}  // namespace

DiscoveryService::DiscoveryService(credentials::CredentialRepository& credentials,
                                   machines::MachineRepository& machines, SourceInventory& inventory)
    : credentials_(credentials), machines_(machines), inventory_(inventory) {}

std::vector<DiscoveredMachine> DiscoveryService::discover(const std::string& vcenter, const std::string& filter,
                                                          const std::stop_token& stop) {
    const auto credential = credentials_.require(vcenter);
    auto inventory = inventory_.discover(credentials_.access(credential.id), filter, stop);
    std::vector<DiscoveredMachine> found;
    found.reserve(inventory.machines.size());
    for (auto& machine : inventory.machines) {
        const auto managed = machines_.find_by_source(machine.vcenter_uuid, machine.instance_uuid);
        found.push_back({std::move(machine), managed ? std::optional<VmContextId>(managed->id) : std::nullopt});
    }
    return found;
}

VmContextId DiscoveryService::add(const std::string& vcenter, const std::string& machine, const std::stop_token& stop) {
    const auto credential = credentials_.require(vcenter);
    const auto inventory = inventory_.discover(credentials_.access(credential.id), "", stop);
    const auto source = pick(inventory.machines, machine);
    if (const auto managed = machines_.find_by_source(source.vcenter_uuid, source.instance_uuid)) {
        throw Error(ErrorCode::conflict, source.name + " is managed already, as " + managed->id.value,
                    {.consequence = "Nothing was changed.",
                     .remedy = "Look at it: migratekit vm show " + managed->id.value,
                     .retry_safe = true});
    }
    machines::require_replicable(source);
    return machines_.add(credential.id, source);
}

CredentialId DiscoveryService::add_vcenter(credentials::Credential entry, const Secret& password,
                                           const std::string& actor, const std::stop_token& stop) {
    const auto inventory = inventory_.discover({.url = entry.vcenter,
                                                .username = entry.username,
                                                .password = password,
                                                .certificate_sha256 = entry.certificate_sha256},
                                               "", stop);
    entry.vcenter_uuid = inventory.vcenter_uuid;
    return credentials_.add(entry, password, actor);
}

}  // namespace mk::discovery
