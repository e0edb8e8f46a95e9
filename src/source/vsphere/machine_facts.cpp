#include "source/vsphere/machine_facts.hpp"

#include <algorithm>
#include <charconv>

#include "source/vsphere/inventory_names.hpp"

namespace mk::vsphere {
namespace {

int hardware_version_of(std::string_view text) {  // "vmx-19"
    constexpr std::string_view prefix = "vmx-";
    int version = 0;
    if (text.starts_with(prefix)) {
        std::from_chars(text.data() + prefix.size(), text.data() + text.size(), version);
    }
    return version;
}

std::set<std::string> disks_without_tracking(const Node& extra_config) {
    constexpr std::string_view suffix = ".ctkEnabled";
    std::set<std::string> disks;
    for (const auto& option : extra_config.children()) {
        const auto key = option.text("key");
        auto value = option.text("value");
        std::transform(value.begin(), value.end(), value.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        if (key.ends_with(suffix) && (value == "false" || value == "0")) {
            disks.insert(key.substr(0, key.size() - suffix.size()));
        }
    }
    return disks;
}

std::map<std::string, std::vector<std::string>> read_addresses(const Node& guest_nics) {
    std::map<std::string, std::vector<std::string>> addresses;
    for (const auto& nic : guest_nics.children()) {
        auto& list = addresses[nic.text("macAddress")];
        for (const auto& address : nic.at("ipConfig").children("ipAddress")) {
            list.push_back(address.text("ipAddress"));
        }
        if (list.empty()) {
            for (const auto& address : nic.children("ipAddress")) {
                list.push_back(address.text());
            }
        }
    }
    return addresses;
}

std::vector<int> read_boot_disks(const Node& boot_options) {
    std::vector<int> keys;
    for (const auto& device : boot_options.children("bootOrder")) {
        if (const auto key = device.number("deviceKey");
            key && device.xsi_type().find("BootableDisk") != std::string::npos) {
            keys.push_back(static_cast<int>(*key));
        }
    }
    return keys;
}

/// Sizes of all extents in the chains of the disks.
Bytes extent_bytes(const Node& disks, const Node& files) {
    std::map<std::string, Bytes> extents;
    for (const auto& file : files.children()) {
        if (file.text("type") == "diskExtent") {
            extents[file.text("key")] = static_cast<Bytes>(std::max<std::int64_t>(file.number("size").value_or(0), 0));
        }
    }
    Bytes total = 0;
    for (const auto& disk : disks.children()) {
        for (const auto& link : disk.children("chain")) {
            for (const auto& key : link.children("fileKey")) {
                const auto found = extents.find(key.text());
                total += found == extents.end() ? 0 : found->second;
            }
        }
    }
    return total;
}

/// An estimate for planning (vsphere.md section 3, "Used space"), never a rule for what to copy.
Bytes estimate_used(const ObjectProperties& machine, const Hardware& hardware) {
    Bytes capacity = 0;
    for (const auto& disk : hardware.disks) {
        capacity += disk.capacity;
    }
    auto used = extent_bytes(machine.get("layoutEx.disk"), machine.get("layoutEx.file"));
    if (used == 0) {
        used = static_cast<Bytes>(
            std::max<std::int64_t>(machine.get("summary.storage.committed").number().value_or(0), 0));
    }
    return used == 0 ? capacity : std::min(used, capacity);
}

std::vector<std::string> read_refusals(const ObjectProperties& machine) {
    std::set<std::string> privileges;
    for (const auto& [path, fault] : machine.missing) {
        if (fault.type == "NoPermission") {
            privileges.insert(fault.privilege.empty() ? path : fault.privilege);
        }
    }
    return {privileges.begin(), privileges.end()};
}

void read_guest(const ObjectProperties& machine, MachineFacts& facts) {
    const auto prefer = [&](std::string_view first, std::string_view second) {
        const auto text = machine.text(first);
        return text.empty() ? machine.text(second) : text;
    };
    // What Tools see is better than what somebody chose when creating the machine.
    facts.guest_id = prefer("guest.guestId", "config.guestId");
    facts.guest_name = prefer("guest.guestFullName", "config.guestFullName");
    const auto running = machine.text("guest.toolsRunningStatus");
    facts.tools_running = running == "guestToolsRunning";
    facts.addresses_by_mac = read_addresses(machine.get("guest.net"));
}

}  // namespace

const std::vector<std::string>& machine_paths() {
    static const std::vector<std::string> paths{
        "name",
        "config.instanceUuid",
        "config.template",
        "config.version",
        "config.hardware.numCPU",
        "config.hardware.memoryMB",
        "config.guestId",
        "config.guestFullName",
        "guest.guestFullName",
        "guest.guestId",
        "config.firmware",
        "config.bootOptions",
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.host",
        "runtime.consolidationNeeded",
        "parent",
        "parentVApp",
        "guest.toolsRunningStatus",
        "guest.net",
        "capability.changeTrackingSupported",
        "config.changeTrackingEnabled",
        "config.extraConfig",
        "snapshot",
        "config.hardware.device",
        "summary.storage.committed",
        "layoutEx.file",
        "layoutEx.disk",
        "config.keyId",
    };
    return paths;
}

MachineFacts read_facts(const ObjectProperties& machine) {
    MachineFacts facts;
    facts.reference = machine.object;
    facts.inventory_name = machine.text("name");
    facts.name = decode_inventory_name(machine.text("name"));
    facts.instance_uuid = machine.text("config.instanceUuid");
    facts.hardware = read_hardware(machine.get("config.hardware.device"));
    facts.has_config = static_cast<bool>(machine.get("config.hardware.device"));
    facts.is_template = machine.get("config.template").flag();
    facts.hardware_version = hardware_version_of(machine.text("config.version"));
    facts.cpus = static_cast<int>(machine.get("config.hardware.numCPU").number().value_or(0));
    facts.memory_mb = static_cast<int>(machine.get("config.hardware.memoryMB").number().value_or(0));
    facts.firmware = machine.text("config.firmware") == "efi" ? "uefi" : "bios";
    facts.secure_boot = machine.get("config.bootOptions").flag("efiSecureBootEnabled");
    facts.boot_disk_keys = read_boot_disks(machine.get("config.bootOptions"));
    facts.power_state = machine.text("runtime.powerState");
    facts.connection_state = machine.text("runtime.connectionState");
    facts.consolidation_needed = machine.get("runtime.consolidationNeeded").flag();
    facts.host = machine.text("runtime.host");
    facts.folder = machine.get("parent") ? machine.text("parent") : machine.text("parentVApp");
    const auto supported = machine.get("capability.changeTrackingSupported");
    facts.tracking_supported = !supported || supported.flag();
    facts.tracking_enabled = machine.get("config.changeTrackingEnabled").flag();
    facts.tracking_off_disks = disks_without_tracking(machine.get("config.extraConfig"));
    facts.is_encrypted = static_cast<bool>(machine.get("config.keyId"));
    facts.snapshots = read_snapshot_tree(machine.get("snapshot"));
    facts.used = estimate_used(machine, facts.hardware);
    facts.refused_privileges = read_refusals(machine);
    read_guest(machine, facts);
    return facts;
}

MachineFacts fetch_facts(Session& session, const Moref& vm, const std::stop_token& stop) {
    return read_facts(read_object(session, vm, machine_paths(), stop));
}

}  // namespace mk::vsphere
