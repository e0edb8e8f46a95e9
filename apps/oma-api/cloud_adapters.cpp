#include "cloud_adapters.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "cloud_assessment.hpp"
#include "own_machine.hpp"
#include "target/cloudstack/discovery_commands.hpp"

namespace mk::oma {

namespace {

cloudstack::Endpoint endpoint_of(const settings::CloudStackSettings& settings) {
    return {.url = settings.api_url,
            .api_key = settings.api_key,
            .secret_key = settings.secret_key,
            .trust = {.sha256_pin = settings.certificate_sha256, .ca_file = {}}};
}

failover::CloudMachine machine_from(const cloudstack::MachineInfo& info) {
    failover::CloudMachine machine{.id = info.id, .name = info.name, .state = info.state, .nics = {}};
    for (const auto& nic : info.nics) {
        machine.nics.push_back(
            {.network_id = nic.network_id, .network_name = nic.network_name, .ip_address = nic.address});
    }
    return machine;
}

constexpr const char* tag_key = "migratekit.context";
/// CloudStack's clock may go wrong by this much: it refuses requests that are signed further off (section 2.2).
constexpr auto clock_tolerance = std::chrono::minutes{5};

bool is_refused_expunge(const Error& error) {
    return error.code() == ErrorCode::forbidden || error.native() == "531";
}

/// Nothing where the machine has no tag of ours, or this account may not read tags.
std::optional<std::string> readable_tag(const CloudMachineId& id, const cloudstack::MachineCommands& machines,
                                        const std::stop_token& stop) {
    try {
        return machines.find_tag(id, tag_key, stop);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::forbidden && error.code() != ErrorCode::unauthenticated) {
            throw;
        }
        log::warn("the tags of machine {} cannot be read: {}", id.value, error.cause());
        return std::nullopt;
    }
}

}  // namespace

/// Settings of the moment; commands that change something are noted.
cloudstack::Client CloudMachinesAdapter::client_of(const settings::CloudStackSettings& settings) const {
    cloudstack::ClientOptions options;
    options.journal = &effects_;
    return cloudstack::Client(endpoint_of(settings), options);
}

void CloudMachinesAdapter::check(const std::stop_token& stop) {
    const auto client = client_of(settings_.require());
    cloudstack::DiscoveryCommands(client).capabilities(stop);
}

std::optional<failover::CloudMachine> CloudMachinesAdapter::find(const CloudMachineId& id,
                                                                 const std::stop_token& stop) {
    const auto client = client_of(settings_.require());
    const auto found = cloudstack::MachineCommands(client).find(id, stop);
    return found ? std::optional(machine_from(*found)) : std::nullopt;
}

std::optional<failover::CloudMachine> CloudMachinesAdapter::find_by_name(const std::string& name,
                                                                         const std::stop_token& stop) {
    const auto client = client_of(settings_.require());
    const cloudstack::MachineCommands machines(client);
    auto found = machines.list_named(name, stop);
    if (entry_of(name)) {
        std::erase_if(found, [&](const auto& machine) { return !is_ours(machine, machines, stop); });
    }
    // One that is destroyed already may share the name with its successor.
    std::stable_partition(found.begin(), found.end(), [](const auto& machine) { return machine.state != "Destroyed"; });
    return found.empty() ? std::nullopt : std::optional(machine_from(found.front()));
}

std::optional<ledger::Entry> CloudMachinesAdapter::entry_of(const std::string& name) const {
    for (const auto& entry : ledger_.open_entries()) {
        if (entry.kind == "machine" && entry.name == name) {
            return entry;
        }
    }
    return std::nullopt;
}

bool CloudMachinesAdapter::is_ours(const cloudstack::MachineInfo& machine, const cloudstack::MachineCommands& machines,
                                   const std::stop_token& stop) const {
    const auto entry = entry_of(machine.name);
    const auto job = entry ? failovers_.find(entry->job_id) : std::nullopt;
    const bool is_recorded =
        (entry && entry->object_id == machine.id.value) || (job && job->destination_vm_id == machine.id);
    if (is_recorded) {
        return true;
    }
    // An older one is of an earlier failover: its name and its tag say nothing about this one.
    const bool is_old = entry && (!machine.created || *machine.created + clock_tolerance < entry->created);
    if (is_old) {
        return false;
    }
    if (const auto tag = readable_tag(machine.id, machines, stop)) {
        return !entry || *tag == entry->vm_context_id.value;
    }
    // Deployed, but cut off before it was tagged and recorded.
    return job && machine.display_name.starts_with(job->source_vm_name);
}

void CloudMachinesAdapter::require_ours(const cloudstack::MachineInfo& machine,
                                        const cloudstack::MachineCommands& machines,
                                        const std::stop_token& stop) const {
    if (!is_ours(machine, machines, stop)) {
        throw Error(ErrorCode::conflict,
                    "the machine " + machine.name + " (" + machine.id.value + ") in CloudStack was not made by us",
                    {.consequence = "Nothing was done to it.",
                     .remedy = "Rename it in CloudStack if it is somebody else's. If it is ours, tag it with " +
                               std::string(tag_key) + ". Then repeat.",
                     .retry_safe = true});
    }
}

/// deploy() adopts a machine of that name: right for one whose deployment was not answered, and for no other.
void CloudMachinesAdapter::refuse_others(const std::string& name, const cloudstack::MachineCommands& machines,
                                         const std::stop_token& stop) const {
    const auto entry = entry_of(name);
    for (const auto& existing : machines.list_named(name, stop)) {
        const bool is_of_this_order = entry && entry->object_id.empty() && is_ours(existing, machines, stop);
        if (existing.state != "Destroyed" && !is_of_this_order) {
            throw Error(ErrorCode::conflict, "CloudStack has a machine named " + name + " already",
                        {.consequence = "No machine was made.",
                         .remedy = "Rename or remove that machine, then repeat.",
                         .retry_safe = true});
        }
    }
}

/// Marks the machine as ours. Without the right to tag the ledger has to do.
void CloudMachinesAdapter::tag(const CloudMachineId& id, const std::string& name,
                               const cloudstack::MachineCommands& machines, const std::stop_token& stop) const {
    const auto entry = entry_of(name);
    try {
        if (!machines.find_tag(id, tag_key, stop)) {
            machines.tag(id, tag_key, entry ? entry->vm_context_id.value : name, stop);
        }
    } catch (const Error& error) {
        log::warn("machine={} could not be tagged; the ledger knows it: {}", id.value, error.cause());
    }
}

failover::CloudMachine CloudMachinesAdapter::create(const failover::MachineOrder& order, const std::stop_token& stop) {
    const auto settings = settings_.require();
    const auto client = client_of(settings);
    const cloudstack::MachineCommands machines(client);
    refuse_others(order.name, machines, stop);
    cloudstack::Deploy deploy;
    deploy.name = order.name;
    deploy.display_name = order.display_name;
    deploy.zone_id = settings.zone_id;
    deploy.service_offering_id = settings.service_offering_id;
    deploy.template_id = settings.template_id;
    deploy.uefi = order.firmware == "uefi" || order.firmware == "efi";
    deploy.secure_boot = deploy.uefi && order.secure_boot;
    for (const auto& nic : order.nics) {
        deploy.nics.push_back({.network_id = nic.network_id, .mac = nic.mac, .address = nic.address});
    }
    for (const auto& offering : cloudstack::DiscoveryCommands(client).service_offerings(settings.zone_id, stop)) {
        if (offering.id == settings.service_offering_id && offering.is_customized) {
            deploy.cpus = offering.cpus == 0 ? order.cpus : 0;
            deploy.memory_mib = offering.memory_mib == 0 ? order.memory_mb : 0;
            // An unconstrained offering wants all three (cloudstack.md section 7.1); 1 GHz is what every host can give.
            deploy.cpu_mhz = offering.cpu_mhz == 0 ? 1000 : 0;
        }
    }
    const auto made = machines.deploy(deploy, stop);
    tag(made.id, order.name, machines, stop);
    return machine_from(made);
}

failover::CloudMachine CloudMachinesAdapter::start(const CloudMachineId& id, const std::stop_token& stop) {
    const auto client = client_of(settings_.require());
    return machine_from(cloudstack::MachineCommands(client).start(id, stop));
}

void CloudMachinesAdapter::stop(const CloudMachineId& id, const std::stop_token& stop_token) {
    const auto client = client_of(settings_.require());
    const cloudstack::MachineCommands machines(client);
    const auto found = machines.find(id, stop_token);
    if (found && found->state != "Stopped" && found->state != "Destroyed") {
        require_ours(*found, machines, stop_token);
        machines.stop(id, true, stop_token);
    }
}

bool CloudMachinesAdapter::destroy(const CloudMachineId& id, const std::stop_token& stop) {
    const auto client = client_of(settings_.require());
    const cloudstack::MachineCommands machines(client);
    const auto found = machines.find(id, stop);
    if (!found) {
        return true;
    }
    require_ours(*found, machines, stop);
    try {
        machines.destroy(id, true, stop);
        return true;
    } catch (const Error& error) {
        if (!is_refused_expunge(error)) {
            throw;
        }
        log::warn("this account may not expunge machine {}: {}", id.value, error.cause());
    }
    machines.destroy(id, false, stop);
    return false;
}

std::vector<std::string> CloudMachinesAdapter::network_ids(const std::stop_token& stop) {
    const auto settings = settings_.require();
    const auto client = client_of(settings);
    std::vector<std::string> ids;
    for (const auto& network : cloudstack::DiscoveryCommands(client).networks(settings.zone_id, stop)) {
        ids.push_back(network.id);
    }
    return ids;
}

std::vector<Finding> CloudMachinesAdapter::assess(const failover::CloudNeeds& needs, const std::stop_token& stop) {
    const auto settings = settings_.require();
    const auto client = client_of(settings);
    return assess_cloud(client, settings, needs, stop);
}

settings::Resources CloudResourceDiscovery::discover(const settings::CloudStackSettings& access,
                                                     const std::stop_token& stop) {
    const cloudstack::Client client(endpoint_of(access));
    const cloudstack::DiscoveryCommands commands(client);
    const auto capabilities = commands.capabilities(stop);
    settings::Resources found;
    found.version = capabilities.version;
    found.snapshots_of_running_machines = capabilities.kvm_snapshot_enabled;
    for (const auto& zone : commands.zones(stop)) {
        found.zones.push_back({zone.id, zone.name, zone.network_type, true});
    }
    for (const auto& entry : commands.templates(access.zone_id, stop)) {
        found.templates.push_back(
            {entry.id, entry.name, entry.os_type_name, entry.is_ready && entry.hypervisor == "KVM"});
    }
    for (const auto& offering : commands.service_offerings(access.zone_id, stop)) {
        found.service_offerings.push_back(
            {offering.id, offering.name, offering.is_customized ? "customized" : "fixed", true});
    }
    for (const auto& offering : commands.disk_offerings(access.zone_id, stop)) {
        // A replica is as large as its source, so only offerings of free size will do.
        found.disk_offerings.push_back(
            {offering.id, offering.name, offering.is_customized ? "customized" : "fixed", offering.is_customized});
    }
    for (const auto& network : commands.networks(access.zone_id, stop)) {
        found.networks.push_back({network.id, network.name, network.type, true});
    }
    const auto own = commands.find_own_machine(own_machine_hints(), stop);
    if (own) {
        found.own_machine_id = own->id.value;
    }
    for (const auto& machine : cloudstack::MachineCommands(client).list_all(stop)) {
        found.machines.push_back({machine.id.value, machine.name, machine.state, true});
    }
    return found;
}

}  // namespace mk::oma
