#pragma once
// Machines and NICs as CloudStack lists them. Internal to target/cloudstack; include in .cpp files only.

#include "target/cloudstack/fields.hpp"
#include "target/cloudstack/machine_commands.hpp"

namespace mk::cloudstack {

inline NicInfo nic_from(const Json& json) {
    NicInfo nic;
    nic.id = text_field(json, "id");
    nic.network_id = text_field(json, "networkid");
    nic.network_name = text_field(json, "networkname");
    nic.address = text_field(json, "ipaddress");
    nic.mac = text_field(json, "macaddress");
    nic.is_default = flag_field(json, "isdefault");
    return nic;
}

inline MachineInfo machine_from(const Json& json) {
    MachineInfo machine;
    machine.id.value = text_field(json, "id");
    machine.name = text_field(json, "name");
    machine.display_name = text_field(json, "displayname");
    machine.state = text_field(json, "state");
    machine.zone_id = text_field(json, "zoneid");
    machine.template_id = text_field(json, "templateid");
    machine.service_offering_id = text_field(json, "serviceofferingid");
    machine.created = time_field(json, "created");
    if (const auto nics = json.find("nic"); nics != json.end() && nics->is_array()) {
        for (const auto& nic : *nics) {
            machine.nics.push_back(nic_from(nic));
        }
    }
    return machine;
}

}  // namespace mk::cloudstack
