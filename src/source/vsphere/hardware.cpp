#include "source/vsphere/hardware.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace mk::vsphere {
namespace {

constexpr std::string_view vmdk = ".vmdk";
constexpr std::size_t delta_digits = 6;

std::string without(std::string_view text, std::string_view prefix, std::string_view suffix) {
    if (text.starts_with(prefix)) {
        text.remove_prefix(prefix.size());
    }
    if (text.ends_with(suffix)) {
        text.remove_suffix(suffix.size());
    }
    return std::string(text);
}

std::string controller_kind(const std::string& type) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kinds{{
        {"ParaVirtualSCSIController", "pvscsi"},
        {"VirtualLsiLogicController", "lsilogic"},
        {"VirtualLsiLogicSASController", "lsisas"},
        {"VirtualBusLogicController", "buslogic"},
        {"VirtualIDEController", "ide"},
        {"VirtualAHCIController", "sata"},
        {"VirtualNVMEController", "nvme"},
    }};
    for (const auto& [name, kind] : kinds) {
        if (name == type) {
            return std::string(kind);
        }
    }
    return type;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

int key_of(const Node& device, std::string_view field = "key") {
    return static_cast<int>(device.number(field).value_or(0));
}

DiskDevice read_disk(const Node& device) {
    const auto backing = device.at("backing");
    DiskDevice disk;
    disk.key = key_of(device);
    disk.label = device.text("deviceInfo.label");
    disk.controller_key = key_of(device, "controllerKey");
    disk.unit_number = key_of(device, "unitNumber");
    // capacityInBytes came with 5.5; the older field counts KiB.
    disk.capacity = static_cast<Bytes>(std::max<std::int64_t>(
        device.number("capacityInBytes").value_or(device.number("capacityInKB").value_or(0) * 1024), 0));
    disk.backing = without(backing.xsi_type(), "", "BackingInfo");
    disk.file_name = backing.text("fileName");
    disk.uuid = backing.text("uuid");
    disk.change_id = backing.text("changeId");
    disk.disk_mode = backing.text("diskMode");
    disk.sharing = backing.text("sharing");
    disk.compatibility = backing.text("compatibilityMode");
    disk.datastore = backing.reference("datastore");
    disk.thin = backing.flag("thinProvisioned");
    disk.has_parent = static_cast<bool>(backing.at("parent"));
    disk.is_encrypted = static_cast<bool>(backing.at("keyId"));
    return disk;
}

ControllerDevice read_controller(const Node& device, const std::string& type) {
    ControllerDevice controller;
    controller.key = key_of(device);
    controller.kind = controller_kind(type);
    controller.bus_number = key_of(device, "busNumber");
    const auto shared = device.text("sharedBus");
    controller.is_shared = !shared.empty() && shared != "noSharing";
    return controller;
}

NicDevice read_nic(const Node& device, const std::string& type) {
    const auto backing = device.at("backing");
    NicDevice nic;
    nic.key = key_of(device);
    nic.label = device.text("deviceInfo.label");
    nic.adapter = lower(without(type, "Virtual", "EthernetCard"));
    nic.mac = device.text("macAddress");
    nic.connected = device.flag("connectable.connected") || device.flag("connectable.startConnected");
    nic.network = backing.reference("network");
    nic.network_name = backing.text("deviceName");
    nic.portgroup_key = backing.text("port.portgroupKey");
    return nic;
}

}  // namespace

bool DiskDevice::has_delta_name() const {
    if (!file_name.ends_with(vmdk) || file_name.size() < vmdk.size() + delta_digits + 1) {
        return false;
    }
    const auto digits = std::string_view(file_name).substr(file_name.size() - vmdk.size() - delta_digits, delta_digits);
    return file_name[file_name.size() - vmdk.size() - delta_digits - 1] == '-' &&
           std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

const ControllerDevice* Hardware::controller_of(const DiskDevice& disk) const {
    const auto found = std::find_if(controllers.begin(), controllers.end(), [&](const ControllerDevice& controller) {
        return controller.key == disk.controller_key;
    });
    return found == controllers.end() ? nullptr : &*found;
}

const DiskDevice* Hardware::disk(int key) const {
    const auto found =
        std::find_if(disks.begin(), disks.end(), [&](const DiskDevice& disk) { return disk.key == key; });
    return found == disks.end() ? nullptr : &*found;
}

bool Hardware::has_class(std::string_view part) const {
    return std::any_of(other_classes.begin(), other_classes.end(),
                       [&](const std::string& type) { return type.find(part) != std::string::npos; });
}

Hardware read_hardware(const Node& devices) {
    Hardware hardware;
    for (const auto& device : devices.children()) {
        const auto type = device.xsi_type();
        if (type == "VirtualDisk" || device.at("capacityInKB")) {
            hardware.disks.push_back(read_disk(device));
        } else if (device.at("macAddress") || type.find("EthernetCard") != std::string::npos) {
            hardware.nics.push_back(read_nic(device, type));
        } else if (device.at("busNumber")) {
            hardware.controllers.push_back(read_controller(device, type));
        } else {
            hardware.other_classes.push_back(type);
        }
    }
    return hardware;
}

}  // namespace mk::vsphere
