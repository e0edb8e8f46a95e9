#include "contracts/source_machine_json.hpp"

#include "base/json_fields.hpp"

namespace mk::contracts {

using json::require;
using json::value_or;

namespace {

/// Of an optional list; absent is empty.
template <class Item, class Read>
std::vector<Item> list_from(const Json& object, const char* field, Read read) {
    std::vector<Item> items;
    const Json list = value_or<Json>(object, field, Json::array());
    if (!list.is_array()) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' must be a list");
    }
    for (const Json& item : list) {
        items.push_back(read(item));
    }
    return items;
}

template <class Item>
Json list_of(const std::vector<Item>& items, Json (*write)(const Item&)) {
    Json list = Json::array();
    for (const Item& item : items) {
        list.push_back(write(item));
    }
    return list;
}

Json disk_json(const SourceDisk& disk) {
    return {{"id", disk.id.value},
            {"device_key", disk.device_key},
            {"label", disk.label},
            {"capacity", disk.capacity},
            {"backing_uuid", disk.backing_uuid},
            {"file_name", disk.file_name},
            {"datastore", disk.datastore},
            {"controller", disk.controller},
            {"bus_number", disk.bus_number},
            {"unit_number", disk.unit_number},
            {"thin", disk.thin},
            {"disk_mode", disk.disk_mode}};
}

SourceDisk disk_from(const Json& json) {
    SourceDisk disk;
    disk.id = DiskId{require<std::string>(json, "id")};
    disk.device_key = value_or<int>(json, "device_key", 0);
    disk.label = value_or<std::string>(json, "label", "");
    disk.capacity = value_or<Bytes>(json, "capacity", 0);
    disk.backing_uuid = value_or<std::string>(json, "backing_uuid", "");
    disk.file_name = value_or<std::string>(json, "file_name", "");
    disk.datastore = value_or<std::string>(json, "datastore", "");
    disk.controller = value_or<std::string>(json, "controller", "");
    disk.bus_number = value_or<int>(json, "bus_number", 0);
    disk.unit_number = value_or<int>(json, "unit_number", 0);
    disk.thin = value_or<bool>(json, "thin", false);
    disk.disk_mode = value_or<std::string>(json, "disk_mode", "");
    return disk;
}

Json nic_json(const SourceNic& nic) {
    return {{"device_key", nic.device_key}, {"label", nic.label},         {"adapter", nic.adapter},    {"mac", nic.mac},
            {"network", nic.network},       {"connected", nic.connected}, {"addresses", nic.addresses}};
}

SourceNic nic_from(const Json& json) {
    SourceNic nic;
    nic.device_key = value_or<int>(json, "device_key", 0);
    nic.label = value_or<std::string>(json, "label", "");
    nic.adapter = value_or<std::string>(json, "adapter", "");
    nic.mac = value_or<std::string>(json, "mac", "");
    nic.network = value_or<std::string>(json, "network", "");
    nic.connected = value_or<bool>(json, "connected", false);
    nic.addresses = value_or<std::vector<std::string>>(json, "addresses", {});
    return nic;
}

Json id_json(const DiskId& id) {
    return id.value;
}

DiskId id_from(const Json& json) {
    if (!json.is_string()) {
        throw Error(ErrorCode::invalid, "the field 'boot_order' must be a list of disk ids");
    }
    return DiskId{json.get<std::string>()};
}

void read_facts(const Json& json, SourceMachine& machine) {
    machine.vcenter_uuid = value_or<std::string>(json, "vcenter_uuid", "");
    machine.path = value_or<std::string>(json, "path", "");
    machine.power_state = value_or<std::string>(json, "power_state", "");
    machine.connection_state = value_or<std::string>(json, "connection_state", "");
    machine.cpus = value_or<int>(json, "cpus", 0);
    machine.memory_mb = value_or<int>(json, "memory_mb", 0);
    machine.guest_id = value_or<std::string>(json, "guest_id", "");
    machine.os_type = value_or<std::string>(json, "os_type", "");
    machine.firmware = value_or<std::string>(json, "firmware", "");
    machine.secure_boot = value_or<bool>(json, "secure_boot", false);
    machine.tools_running = value_or<bool>(json, "tools_running", false);
    machine.change_tracking = value_or<bool>(json, "change_tracking", false);
    machine.used = value_or<Bytes>(json, "used", 0);
}

}  // namespace

Json to_json(const Finding& finding) {
    return {{"severity", std::string(to_string(finding.severity))},
            {"code", finding.code},
            {"text", finding.text},
            {"remedy", finding.remedy}};
}

Finding finding_from(const Json& json) {
    Finding finding;
    finding.severity = severity_from(require<std::string>(json, "severity"));
    finding.code = value_or<std::string>(json, "code", "");
    finding.text = value_or<std::string>(json, "text", "");
    finding.remedy = value_or<std::string>(json, "remedy", "");
    return finding;
}

Json to_json(const SourceMachine& machine) {
    Json out = {{"vcenter_uuid", machine.vcenter_uuid},
                {"moref", machine.moref},
                {"instance_uuid", machine.instance_uuid},
                {"name", machine.name},
                {"path", machine.path},
                {"power_state", machine.power_state},
                {"connection_state", machine.connection_state},
                {"cpus", machine.cpus},
                {"memory_mb", machine.memory_mb},
                {"guest_id", machine.guest_id},
                {"os_type", machine.os_type},
                {"firmware", machine.firmware},
                {"secure_boot", machine.secure_boot},
                {"tools_running", machine.tools_running},
                {"change_tracking", machine.change_tracking},
                {"used", machine.used}};
    out["boot_order"] = list_of<DiskId>(machine.boot_order, id_json);
    out["disks"] = list_of<SourceDisk>(machine.disks, disk_json);
    out["nics"] = list_of<SourceNic>(machine.nics, nic_json);
    out["findings"] = list_of<Finding>(machine.findings, to_json);
    return out;
}

SourceMachine source_machine_from(const Json& json) {
    SourceMachine machine;
    machine.moref = require<std::string>(json, "moref");
    machine.instance_uuid = require<std::string>(json, "instance_uuid");
    machine.name = require<std::string>(json, "name");
    read_facts(json, machine);
    machine.boot_order = list_from<DiskId>(json, "boot_order", id_from);
    machine.disks = list_from<SourceDisk>(json, "disks", disk_from);
    machine.nics = list_from<SourceNic>(json, "nics", nic_from);
    machine.findings = list_from<Finding>(json, "findings", finding_from);
    return machine;
}

}  // namespace mk::contracts
