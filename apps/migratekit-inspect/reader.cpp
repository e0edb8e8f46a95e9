#include "reader.hpp"

#include <algorithm>
#include <cctype>

#include "target/guest/windows_drivers.hpp"

namespace mk::inspect {

namespace {

// Bounds of what is told; no machine comes near them.
constexpr std::size_t most_partitions = 1024;
constexpr std::size_t most_systems = 16;
constexpr std::size_t most_filesystems = 256;
constexpr std::size_t most_drivers = 4000;

guest::DiskFacts disk_facts(const Appliance& appliance, const std::string& device) {
    const auto sector = appliance.first_sector(device);
    constexpr std::size_t code_bytes = 440;
    constexpr std::size_t signature_at = 510;
    const bool has_signature = sector.size() >= signature_at + 2 && sector.compare(signature_at, 2, "\x55\xaa") == 0;
    const auto code = sector.substr(0, code_bytes);
    return {
        .bytes = appliance.size_of(device),
        .scheme = appliance.partition_scheme(device),
        .has_boot_code = has_signature && std::any_of(code.begin(), code.end(), [](char byte) { return byte != '\0'; }),
        .has_grub = has_signature && sector.find("GRUB") != std::string::npos};
}

std::string upper_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

class Reader {
  public:
    Reader(Appliance& appliance, std::size_t disks) : appliance_(appliance) { facts_.disks.resize(disks); }

    void read_disks() {
        for (const auto& device : appliance_.devices()) {
            const int index = appliance_.disk_of(device);
            if (is_guests(index)) {
                devices_.emplace_back(index, device);
                facts_.disks[static_cast<std::size_t>(index)] = disk_facts(appliance_, device);
            }
        }
    }

    void read_partitions() {
        for (const auto& partition : appliance_.partitions()) {
            const int disk = appliance_.disk_of(partition);
            if (is_guests(disk)) {
                add_partition(partition, disk, appliance_.partition_number(partition));
            }
        }
        for (const auto& [index, device] : devices_) {
            if (std::none_of(facts_.partitions.begin(), facts_.partitions.end(),
                             [index = index](const auto& partition) { return partition.disk == index; })) {
                add_partition(device, index, -1);
            }
        }
        for (const auto& volume : appliance_.logical_volumes()) {
            add_partition(volume, -1, -1);
        }
    }

    void read_systems() {
        for (const auto& root : appliance_.find_systems()) {
            if (facts_.systems.size() < most_systems) {
                facts_.systems.push_back(system_facts(root));
            }
        }
        if (!facts_.systems.empty()) {
            read_filesystems(facts_.systems.front());
        }
    }

    void read_drivers(const std::string& iso) {
        std::vector<std::string> drivers;
        appliance_.unmount_all();
        if (appliance_.mount(iso, "/").empty()) {
            for (const auto& path : appliance_.all_files()) {
                if (drivers.size() < most_drivers && guest::is_of_interest(path)) {
                    drivers.push_back(guest::lower_case(path));
                }
            }
        }
        facts_.iso_drivers = std::move(drivers);
    }

    bool is_windows() const { return !facts_.systems.empty() && facts_.systems.front().family == "windows"; }
    guest::GuestFacts take() { return std::move(facts_); }

  private:
    bool is_guests(int index) const { return index >= 0 && static_cast<std::size_t>(index) < facts_.disks.size(); }

    void add_partition(const std::string& device, int disk, int number) {
        if (facts_.partitions.size() >= most_partitions) {
            return;
        }
        guest::PartitionFacts partition = {.device = device,
                                           .disk = disk,
                                           .number = number,
                                           .bytes = appliance_.size_of(device),
                                           .type = appliance_.content_of(device),
                                           .gpt_type = {},
                                           .is_active = false};
        if (disk >= 0 && number >= 0) {
            const auto whole = std::find_if(devices_.begin(), devices_.end(),
                                            [&](const auto& candidate) { return candidate.first == disk; });
            const auto& scheme = facts_.disks[static_cast<std::size_t>(disk)].scheme;
            if (whole != devices_.end() && scheme == "gpt") {
                partition.gpt_type = upper_case(appliance_.gpt_type(whole->second, number));
            } else if (whole != devices_.end() && scheme == "msdos") {
                partition.is_active = appliance_.is_active(whole->second, number);
            }
        }
        facts_.partitions.push_back(std::move(partition));
    }

    /// Of "/dev/sda1", "btrfsvol:/dev/sda2/@" and "/dev/vg/root".
    int disk_of_root(const std::string& root) const {
        for (const auto& partition : facts_.partitions) {
            if (partition.device == root && partition.disk < 0) {
                return appliance_.disk_of_logical_volume(root);
            }
            if (partition.device == root || root.starts_with("btrfsvol:" + partition.device + "/")) {
                return partition.disk;
            }
        }
        return -1;
    }

    guest::SystemFacts system_facts(const std::string& root) const {
        return {.root = root,
                .disk = disk_of_root(root),
                .family = appliance_.family(root),
                .distribution = appliance_.distribution(root),
                .product = appliance_.product(root),
                .variant = appliance_.variant(root),
                .osinfo = appliance_.osinfo(root),
                .major_version = appliance_.major_version(root),
                .minor_version = appliance_.minor_version(root),
                .architecture = appliance_.architecture(root)};
    }

    void read_filesystems(const guest::SystemFacts& system) {
        for (const auto& [point, device] : appliance_.mount_points(system.root)) {
            if (facts_.filesystems.size() >= most_filesystems) {
                break;
            }
            guest::FilesystemFacts filesystem;
            filesystem.mount_point = point;
            filesystem.device = device;
            filesystem.type = appliance_.content_of(device);
            filesystem.problem = appliance_.mount(device, point);
            if (filesystem.problem.empty()) {
                const auto space = appliance_.space_of(point).value_or(Space{});
                filesystem.bytes = space.bytes;
                filesystem.free_bytes = space.free_bytes;
                filesystem.inodes = space.inodes;
                filesystem.free_inodes = space.free_inodes;
            }
            facts_.filesystems.push_back(std::move(filesystem));
        }
        if (system.family == "windows") {
            // Also after a shutdown with fast start; a resumed Windows overwrites the word.
            facts_.is_hibernated = guest::lower_case(appliance_.first_bytes("/hiberfil.sys", 4)) == "hibr";
        } else {
            facts_.has_efi_folder = appliance_.is_folder("/boot/efi/EFI");
        }
    }

    Appliance& appliance_;
    guest::GuestFacts facts_;
    std::vector<std::pair<int, std::string>> devices_;  ///< of the guest, with their index
};

}  // namespace

guest::GuestFacts read_facts(Appliance& appliance, std::size_t disks, bool has_iso) {
    Reader reader(appliance, disks);
    reader.read_disks();
    reader.read_partitions();
    reader.read_systems();
    if (has_iso && reader.is_windows()) {
        for (const auto& device : appliance.devices()) {
            if (appliance.disk_of(device) == static_cast<int>(disks)) {
                reader.read_drivers(device);
            }
        }
    }
    return reader.take();
}

}  // namespace mk::inspect
