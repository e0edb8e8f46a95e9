// Facts, names and verdict as the rest of the product sees them.
#include "source/vsphere/findings.hpp"

namespace mk::vsphere {
namespace {

std::vector<SourceNic> to_nics(const MachineFacts& facts, const InventoryNames& names) {
    std::vector<SourceNic> nics;
    for (const auto& device : facts.hardware.nics) {
        SourceNic nic{.device_key = device.key,
                      .label = device.label,
                      .adapter = device.adapter,
                      .mac = device.mac,
                      .network = names.name_of(device.network.id),
                      .connected = device.connected,
                      .addresses = {}};
        if (nic.network.empty()) {
            nic.network = device.portgroup_key.empty() ? device.network_name
                                                       : names.network_by_portgroup_key(device.portgroup_key);
        }
        const auto found = facts.addresses_by_mac.find(device.mac);
        if (found != facts.addresses_by_mac.end()) {
            nic.addresses = found->second;
        }
        nics.push_back(std::move(nic));
    }
    return nics;
}

std::vector<SourceDisk> to_disks(const MachineFacts& facts, const InventoryNames& names) {
    std::vector<SourceDisk> disks;
    for (const auto& device : facts.hardware.disks) {
        const auto* controller = facts.hardware.controller_of(device);
        disks.push_back({.id = disk_id_from_key(device.key),
                         .device_key = device.key,
                         .label = device.label,
                         .capacity = device.capacity,
                         .backing_uuid = device.uuid,
                         .file_name = device.file_name,
                         .datastore = names.name_of(device.datastore.id),
                         .controller = controller == nullptr ? "" : controller->kind,
                         .bus_number = controller == nullptr ? 0 : controller->bus_number,
                         .unit_number = device.unit_number,
                         .thin = device.thin,
                         .disk_mode = device.disk_mode});
    }
    return disks;
}

}  // namespace

SourceMachine to_source_machine(const MachineFacts& facts, const InventoryNames& names, const std::string& vcenter_uuid,
                                const ReaderLimits& limits) {
    SourceMachine machine;
    machine.vcenter_uuid = vcenter_uuid;
    machine.moref = facts.reference.id;
    machine.instance_uuid = facts.instance_uuid;
    machine.name = facts.name;
    machine.path = names.path_of(facts.folder) + "/" + facts.inventory_name;
    machine.power_state = facts.power_state;
    machine.connection_state = facts.connection_state;
    machine.cpus = facts.cpus;
    machine.memory_mb = facts.memory_mb;
    machine.guest_id = facts.guest_id;
    machine.os_type = facts.guest_name.empty() ? "unknown" : facts.guest_name;
    machine.firmware = facts.firmware;
    machine.secure_boot = facts.secure_boot;
    machine.tools_running = facts.tools_running;
    machine.change_tracking = facts.tracking_enabled;
    for (const int key : facts.boot_disk_keys) {
        machine.boot_order.push_back(disk_id_from_key(key));
    }
    machine.disks = to_disks(facts, names);
    machine.nics = to_nics(facts, names);
    machine.used = facts.used;
    machine.findings = judge(facts, names, limits);
    return machine;
}

}  // namespace mk::vsphere
