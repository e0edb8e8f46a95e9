#include "target/cloudstack/discovery_commands.hpp"

#include <algorithm>
#include <set>

#include "target/cloudstack/machine_json.hpp"

namespace mk::cloudstack {
namespace {

Parameters with_zone(Parameters parameters, const std::string& zone_id) {
    if (!zone_id.empty()) {
        parameters.emplace_back("zoneid", zone_id);
    }
    return parameters;
}

int int_field(const Json& json, const char* name) {
    return static_cast<int>(number_field(json, name).value_or(0));
}

/// "02:AB" and "02-ab" are the same address.
std::string plain(const std::string& text) {
    std::string kept;
    for (const char c : text) {
        if (c >= 'A' && c <= 'Z') {
            kept += static_cast<char>(c - 'A' + 'a');
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            kept += c;
        }
    }
    return kept;
}

}  // namespace

Capabilities DiscoveryCommands::capabilities(const std::stop_token& stop) const {
    const Json content = client_.call("listCapabilities", {}, stop);
    const auto found = content.find("capability");
    const Json& json = found == content.end() ? content : *found;
    return {
        .version = text_field(json, "cloudstackversion"),
        .kvm_snapshot_enabled = flag_field(json, "kvmsnapshotenabled"),
        .user_may_expunge_machines = flag_field(json, "allowuserexpungerecovervm"),
        .smallest_custom_gib = static_cast<std::uint64_t>(number_field(json, "customdiskofferingminsize").value_or(0)),
        .largest_custom_gib = static_cast<std::uint64_t>(number_field(json, "customdiskofferingmaxsize").value_or(0))};
}

std::vector<ZoneInfo> DiscoveryCommands::zones(const std::stop_token& stop) const {
    std::vector<ZoneInfo> zones;
    for (const auto& json : client_.list("listZones", {{"available", "true"}}, "zone", stop)) {
        zones.push_back({text_field(json, "id"), text_field(json, "name"), text_field(json, "networktype")});
    }
    return zones;
}

std::vector<TemplateInfo> DiscoveryCommands::templates(const std::string& zone_id, const std::stop_token& stop) const {
    std::vector<TemplateInfo> templates;
    std::set<std::string> seen;  // one row per zone
    const auto parameters = with_zone({{"templatefilter", "executable"}, {"listall", "true"}}, zone_id);
    for (const auto& json : client_.list("listTemplates", parameters, "template", stop)) {
        if (!seen.insert(text_field(json, "id")).second) {
            continue;
        }
        templates.push_back({.id = text_field(json, "id"),
                             .name = text_field(json, "name"),
                             .hypervisor = text_field(json, "hypervisor"),
                             .os_type_id = text_field(json, "ostypeid"),
                             .os_type_name = text_field(json, "ostypename"),
                             .is_ready = flag_field(json, "isready"),
                             .size = static_cast<Bytes>(number_field(json, "size").value_or(0))});
    }
    return templates;
}

std::vector<ServiceOfferingInfo> DiscoveryCommands::service_offerings(const std::string& zone_id,
                                                                      const std::stop_token& stop) const {
    std::vector<ServiceOfferingInfo> offerings;
    const auto parameters = with_zone({{"issystem", "false"}, {"listall", "true"}}, zone_id);
    for (const auto& json : client_.list("listServiceOfferings", parameters, "serviceoffering", stop)) {
        const auto details = json.value("serviceofferingdetails", Json::object());
        offerings.push_back({.id = text_field(json, "id"),
                             .name = text_field(json, "name"),
                             .is_customized = flag_field(json, "iscustomized"),
                             .cpus = int_field(json, "cpunumber"),
                             .cpu_mhz = int_field(json, "cpuspeed"),
                             .memory_mib = int_field(json, "memory"),
                             .min_cpus = int_field(details, "mincpunumber"),
                             .max_cpus = int_field(details, "maxcpunumber"),
                             .min_memory_mib = int_field(details, "minmemory"),
                             .max_memory_mib = int_field(details, "maxmemory")});
    }
    return offerings;
}

std::vector<DiskOfferingInfo> DiscoveryCommands::disk_offerings(const std::string& zone_id,
                                                                const std::stop_token& stop) const {
    std::vector<DiskOfferingInfo> offerings;
    for (const auto& json :
         client_.list("listDiskOfferings", with_zone({{"listall", "true"}}, zone_id), "diskoffering", stop)) {
        offerings.push_back({.id = text_field(json, "id"),
                             .name = text_field(json, "name"),
                             .is_customized = flag_field(json, "iscustomized"),
                             .size_gib = static_cast<std::uint64_t>(number_field(json, "disksize").value_or(0))});
    }
    return offerings;
}

std::vector<NetworkInfo> DiscoveryCommands::networks(const std::string& zone_id, const std::stop_token& stop) const {
    std::vector<NetworkInfo> networks;
    const auto parameters = with_zone({{"canusefordeploy", "true"}, {"listall", "true"}}, zone_id);
    for (const auto& json : client_.list("listNetworks", parameters, "network", stop)) {
        networks.push_back({.id = text_field(json, "id"),
                            .name = text_field(json, "name"),
                            .type = text_field(json, "type"),
                            .state = text_field(json, "state"),
                            .zone_id = text_field(json, "zoneid"),
                            .cidr = text_field(json, "cidr")});
    }
    return networks;
}

std::vector<MachineInfo> DiscoveryCommands::machines_with_cards(const std::stop_token& stop) const {
    const auto list =
        client_.list("listVirtualMachines", {{"listall", "true"}, {"details", "nics"}}, "virtualmachine", stop);
    std::vector<MachineInfo> machines;
    std::transform(list.begin(), list.end(), std::back_inserter(machines), machine_from);
    return machines;
}

std::optional<MachineInfo> DiscoveryCommands::find_own_machine(const OwnMachineHints& hints,
                                                               const std::stop_token& stop) const {
    std::set<std::string> macs;
    std::transform(hints.macs.begin(), hints.macs.end(), std::inserter(macs, macs.end()), plain);
    std::optional<MachineInfo> by_mac;
    std::optional<MachineInfo> by_uuid;
    for (const auto& machine : machines_with_cards(stop)) {
        if (!hints.dmi_uuid.empty() && plain(machine.id.value) == plain(hints.dmi_uuid)) {
            by_uuid = machine;
        }
        const bool is_ours = std::any_of(machine.nics.begin(), machine.nics.end(), [&](const NicInfo& nic) {
            return !nic.mac.empty() && macs.contains(plain(nic.mac));
        });
        if (is_ours && by_mac) {
            throw Error(ErrorCode::conflict,
                        "the MAC addresses of this appliance belong to two machines in CloudStack: " + by_mac->name +
                            " and " + machine.name,
                        {.remedy = "Choose the appliance's machine by hand."});
        }
        if (is_ours) {
            by_mac = machine;
        }
    }
    return by_mac ? by_mac : by_uuid;
}

}  // namespace mk::cloudstack
