#include "target/guest/guest_facts.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/json_fields.hpp"

namespace mk::guest {

namespace {

// UEFI specification, table "Defined GPT Partition Entry"; the other one is GRUB's.
constexpr std::string_view efi_system_partition = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
constexpr std::string_view bios_boot_partition = "21686148-6449-6E6F-744E-656564454649";

Json json_of(const SystemFacts& system) {
    return {{"root", system.root},           {"disk", system.disk},
            {"family", system.family},       {"distribution", system.distribution},
            {"product", system.product},     {"variant", system.variant},
            {"osinfo", system.osinfo},       {"major", system.major_version},
            {"minor", system.minor_version}, {"architecture", system.architecture}};
}

SystemFacts system_from(const Json& json) {
    return {.root = json::require<std::string>(json, "root"),
            .disk = json::require<int>(json, "disk"),
            .family = json::require<std::string>(json, "family"),
            .distribution = json::require<std::string>(json, "distribution"),
            .product = json::require<std::string>(json, "product"),
            .variant = json::require<std::string>(json, "variant"),
            .osinfo = json::require<std::string>(json, "osinfo"),
            .major_version = json::require<int>(json, "major"),
            .minor_version = json::require<int>(json, "minor"),
            .architecture = json::require<std::string>(json, "architecture")};
}

Json json_of(const PartitionFacts& partition) {
    return {{"device", partition.device},   {"disk", partition.disk}, {"number", partition.number},
            {"bytes", partition.bytes},     {"type", partition.type}, {"gpt_type", partition.gpt_type},
            {"active", partition.is_active}};
}

PartitionFacts partition_from(const Json& json) {
    return {.device = json::require<std::string>(json, "device"),
            .disk = json::require<int>(json, "disk"),
            .number = json::require<int>(json, "number"),
            .bytes = json::require<Bytes>(json, "bytes"),
            .type = json::require<std::string>(json, "type"),
            .gpt_type = json::require<std::string>(json, "gpt_type"),
            .is_active = json::require<bool>(json, "active")};
}

Json json_of(const DiskFacts& disk) {
    return {{"bytes", disk.bytes}, {"scheme", disk.scheme}, {"boot_code", disk.has_boot_code}, {"grub", disk.has_grub}};
}

DiskFacts disk_from(const Json& json) {
    return {.bytes = json::require<Bytes>(json, "bytes"),
            .scheme = json::require<std::string>(json, "scheme"),
            .has_boot_code = json::require<bool>(json, "boot_code"),
            .has_grub = json::require<bool>(json, "grub")};
}

Json json_of(const FilesystemFacts& filesystem) {
    return {{"mount_point", filesystem.mount_point},
            {"device", filesystem.device},
            {"type", filesystem.type},
            {"bytes", filesystem.bytes},
            {"free_bytes", filesystem.free_bytes},
            {"inodes", filesystem.inodes},
            {"free_inodes", filesystem.free_inodes},
            {"problem", filesystem.problem}};
}

FilesystemFacts filesystem_from(const Json& json) {
    return {.mount_point = json::require<std::string>(json, "mount_point"),
            .device = json::require<std::string>(json, "device"),
            .type = json::require<std::string>(json, "type"),
            .bytes = json::require<Bytes>(json, "bytes"),
            .free_bytes = json::require<Bytes>(json, "free_bytes"),
            .inodes = json::require<std::uint64_t>(json, "inodes"),
            .free_inodes = json::require<std::uint64_t>(json, "free_inodes"),
            .problem = json::require<std::string>(json, "problem")};
}

template <class Item>
Json json_list(const std::vector<Item>& items) {
    Json list = Json::array();
    for (const auto& item : items) {
        list.push_back(json_of(item));
    }
    return list;
}

template <class Parse>
auto list_from(const Json& json, const char* field, Parse&& parse) {
    std::vector<decltype(parse(json))> items;
    for (const auto& item : json::require<std::vector<Json>>(json, field)) {
        items.push_back(parse(item));
    }
    return items;
}

bool has_partition(const GuestFacts& facts, int disk, std::string_view gpt_type) {
    return std::any_of(facts.partitions.begin(), facts.partitions.end(), [&](const auto& partition) {
        return (disk < 0 || partition.disk == disk) && partition.gpt_type == gpt_type;
    });
}

/// How strongly the disk looks as if a BIOS started from it. Tools write boot code to data disks too, so GRUB and marks
/// that somebody set on purpose count more.
int bios_boot_strength(const GuestFacts& facts, int index) {
    const auto& disk = facts.disks[static_cast<std::size_t>(index)];
    if (!disk.has_boot_code) {
        return 0;
    }
    const bool is_active = std::any_of(facts.partitions.begin(), facts.partitions.end(), [&](const auto& partition) {
        return partition.disk == index && partition.is_active;
    });
    if (disk.has_grub || has_partition(facts, index, bios_boot_partition)) {
        return 3;
    }
    return is_active ? 2 : 1;
}

int uefi_boot_disk(const GuestFacts& facts) {
    const int root = facts.systems.empty() ? -1 : facts.systems.front().disk;
    if (root >= 0 && has_partition(facts, root, efi_system_partition)) {
        return root;
    }
    for (std::size_t index = 0; index < facts.disks.size(); ++index) {
        if (has_partition(facts, static_cast<int>(index), efi_system_partition)) {
            return static_cast<int>(index);
        }
    }
    return -1;
}

}  // namespace

Json to_json(const GuestFacts& facts) {
    Json json = {{"has_system", !facts.systems.empty()},
                 {"firmware", needs_uefi(facts) ? "uefi" : "bios"},
                 {"boot_disk", boot_disk_of(facts)},
                 {"disks", json_list(facts.disks)},
                 {"partitions", json_list(facts.partitions)},
                 {"systems", json_list(facts.systems)},
                 {"filesystems", json_list(facts.filesystems)},
                 {"efi_folder", facts.has_efi_folder},
                 {"hibernated", facts.is_hibernated}};
    json["iso_drivers"] = json::or_null(facts.iso_drivers);
    return json;
}

GuestFacts facts_from(const Json& json) {
    return {.disks = list_from(json, "disks", disk_from),
            .partitions = list_from(json, "partitions", partition_from),
            .systems = list_from(json, "systems", system_from),
            .filesystems = list_from(json, "filesystems", filesystem_from),
            .has_efi_folder = json::require<bool>(json, "efi_folder"),
            .is_hibernated = json::require<bool>(json, "hibernated"),
            .iso_drivers = json::find<std::vector<std::string>>(json, "iso_drivers")};
}

bool needs_uefi(const GuestFacts& facts) {
    return has_partition(facts, -1, efi_system_partition) && !has_partition(facts, -1, bios_boot_partition);
}

int boot_disk_of(const GuestFacts& facts) {
    if (needs_uefi(facts)) {
        return uefi_boot_disk(facts);
    }
    int best = -1;
    int best_strength = 0;
    for (int index = 0; index < static_cast<int>(facts.disks.size()); ++index) {
        const int strength = bios_boot_strength(facts, index);
        if (strength > best_strength) {
            best = index;
            best_strength = strength;
        }
    }
    return best;
}

std::string title_of(const SystemFacts& system) {
    // libguestfs' product name of a Debian is the content of /etc/debian_version: "12.0".
    const bool has_name =
        std::any_of(system.product.begin(), system.product.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
    if (has_name && system.product != "unknown") {
        return system.product;
    }
    auto name = system.distribution.empty() || system.distribution == "unknown" ? system.family : system.distribution;
    if (!name.empty()) {
        name.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(name.front())));
    }
    return has_name || system.product.empty() ? name : name + " " + system.product;
}

std::string place_of(const PartitionFacts& partition) {
    if (partition.disk < 0) {
        return "the logical volume " + partition.device;
    }
    const auto disk = "disk " + std::to_string(partition.disk + 1);
    return partition.number < 0 ? disk : "partition " + std::to_string(partition.number) + " of " + disk;
}

}  // namespace mk::guest
