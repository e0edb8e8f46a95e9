#include "target/guest/findings.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace mk::guest {

namespace {

// virt-v2v 2.2.0, convert_linux.ml: the families that it knows.
constexpr std::array<std::string_view, 15> known_distributions = {
    "fedora", "rhel",       "centos",   "scientificlinux", "redhat-based", "oraclelinux", "rocky",    "altlinux",
    "sles",   "suse-based", "opensuse", "debian",          "ubuntu",       "linuxmint",   "kalilinux"};

constexpr const char* replicate_again = ", then replicate again.";

class Findings {
  public:
    void add(Severity severity, std::string code, std::string text, std::string remedy) {
        list_.push_back({severity, std::move(code), std::move(text), std::move(remedy)});
    }
    std::vector<Finding> take() { return std::move(list_); }

  private:
    std::vector<Finding> list_;
};

bool is_encrypted(const PartitionFacts& partition) {
    return partition.type == "crypto_LUKS" || partition.type == "BitLocker";
}

void check_encryption(const GuestFacts& facts, Findings& findings) {
    for (const auto& partition : facts.partitions) {
        if (!is_encrypted(partition)) {
            continue;
        }
        const bool is_bitlocker = partition.type == "BitLocker";
        findings.add(Severity::blocker, "disk_encrypted",
                     place_of(partition) + " is encrypted (" + (is_bitlocker ? "BitLocker" : "LUKS") +
                         "), so no drivers can be added",
                     is_bitlocker
                         ? std::string("Switch BitLocker off in the source (manage-bde -off)") + replicate_again
                         : "Such a machine can only be taken over with its VirtIO drivers installed by hand in "
                           "the source: replicate again afterwards, and fail over live.");
    }
}

std::string systems_of(const GuestFacts& facts) {
    std::string names;
    for (const auto& system : facts.systems) {
        names += (names.empty() ? "" : ", ") + title_of(system) + " on " + system.root;
    }
    return names;
}

void check_system(const GuestFacts& facts, Findings& findings) {
    if (facts.systems.empty()) {
        findings.add(Severity::blocker, "no_system", "no operating system was found on the disks",
                     "Check that all disks are replicated and which one the source boots from.");
        return;
    }
    const auto& system = facts.systems.front();
    if (facts.systems.size() > 1) {
        findings.add(Severity::warning, "several_systems",
                     "the disks hold several systems (" + systems_of(facts) + "); only the first is prepared",
                     "Test which of them starts in the cloud.");
    }
    if (system.family != "linux" && system.family != "windows") {
        findings.add(Severity::blocker, "unsupported_system",
                     "drivers can be added to Linux and Windows only, this is " + system.family,
                     "Install VirtIO drivers in the source if the system has them.");
    } else if (system.family == "linux" && std::find(known_distributions.begin(), known_distributions.end(),
                                                     system.distribution) == known_distributions.end()) {
        findings.add(Severity::blocker, "unknown_distribution",
                     "virt-v2v does not know this Linux (" + system.distribution + ")",
                     "Put virtio_blk and virtio_pci into the initramfs in the source" + std::string(replicate_again));
    }
}

/// What virt-v2v 2.2.0 wants free there (convert.ml, check_guest_free_space).
Bytes needed_bytes(const std::string& mount_point, bool has_boot, bool is_windows) {
    if (mount_point == "/") {
        return (has_boot || is_windows ? 100U : 50U) * MiB;
    }
    return 10 * MiB;
}

void check_space(const GuestFacts& facts, Findings& findings) {
    constexpr std::uint64_t needed_inodes = 100;
    if (facts.systems.empty()) {
        return;
    }
    const bool is_windows = facts.systems.front().family == "windows";
    const bool has_boot = std::any_of(facts.filesystems.begin(), facts.filesystems.end(),
                                      [](const auto& filesystem) { return filesystem.mount_point == "/boot"; });
    for (const auto& filesystem : facts.filesystems) {
        const auto needed = needed_bytes(filesystem.mount_point, has_boot, is_windows);
        if (!filesystem.problem.empty()) {
            findings.add(Severity::warning, "filesystem_not_mounted",
                         "the file system " + filesystem.mount_point + " could not be opened: " + filesystem.problem,
                         "Check it in the source" + std::string(replicate_again));
        } else if (filesystem.free_bytes < needed) {
            findings.add(Severity::blocker, "guest_space",
                         "the guest's file system " + filesystem.mount_point + " has " +
                             format_bytes(filesystem.free_bytes) + " free; adding drivers needs " +
                             format_bytes(needed),
                         "Free some space in the source" + std::string(replicate_again));
        } else if (filesystem.inodes > 0 && filesystem.free_inodes < needed_inodes) {
            findings.add(Severity::blocker, "guest_inodes",
                         "the guest's file system " + filesystem.mount_point + " has " +
                             std::to_string(filesystem.free_inodes) + " inodes left; adding drivers needs " +
                             std::to_string(needed_inodes),
                         "Remove some files in the source" + std::string(replicate_again));
        }
    }
}

void check_boot(const GuestFacts& facts, Findings& findings) {
    if (facts.systems.empty()) {
        return;
    }
    if (boot_disk_of(facts) < 0) {
        findings.add(Severity::warning, "boot_loader_not_found",
                     "no disk has a boot loader that a BIOS or UEFI firmware would start", "");
    }
    if (needs_uefi(facts) && facts.systems.front().family == "linux" && !facts.has_efi_folder) {
        findings.add(Severity::blocker, "efi_not_mounted",
                     "the guest starts by UEFI, but its EFI system partition is not in /etc/fstab as /boot/efi",
                     "Add it to /etc/fstab in the source" + std::string(replicate_again));
    }
}

void check_windows(const GuestFacts& facts, const WindowsSupport& support, Findings& findings) {
    const auto& system = facts.systems.front();
    if (facts.is_hibernated) {
        findings.add(
            Severity::blocker, "hibernated", "Windows is hibernated, or was shut down with fast start",
            "Switch fast start off (powercfg /h off) and shut the source down fully" + std::string(replicate_again));
    }
    const auto name = virtio_win_name_of(system);
    const auto choice = choose_drivers(system, support.drivers);
    const auto wanted = name.empty() ? std::string("virtio-win has no drivers for this version")
                                     : "virt-v2v looks for viostor/" + name + "/" +
                                           (system.architecture == "x86_64" ? "amd64" : "x86") + "/viostor.sys";
    if (!support.has_virtio_win || !choice.storage) {
        findings.add(Severity::blocker, "appliance_virtio_win",
                     "the appliance has no VirtIO disk driver for " + title_of(system) + " (" + system.osinfo + ", " +
                         system.architecture + ") in " + support.virtio_win +
                         (support.has_virtio_win ? "" : ", which does not exist"),
                     "Put virtio-win there or set guest.virtio_win; " + wanted + ".");
    } else if (!choice.network) {
        findings.add(Severity::warning, "appliance_virtio_win_network",
                     "the appliance has no VirtIO network driver for " + title_of(system) + " in " + support.virtio_win,
                     "Complete the virtio-win drivers (NetKVM); otherwise the machine has no network.");
    }
    if (!support.has_service_program) {
        findings.add(Severity::blocker, "appliance_rhsrvany",
                     "the appliance has neither rhsrvany.exe nor pvvxsvc.exe in " + support.virt_tools +
                         ", which virt-v2v needs for Windows",
                     "Put rhsrvany.exe there or set guest.virt_tools.");
    }
    if (!choice.agent) {
        findings.add(Severity::note, "appliance_guest_agent",
                     "virtio-win on the appliance has no installer of the QEMU guest agent: it is not installed", "");
    }
}

}  // namespace

std::vector<Finding> findings_of(const GuestFacts& facts, const WindowsSupport& support) {
    Findings findings;
    check_system(facts, findings);
    check_encryption(facts, findings);
    check_space(facts, findings);
    check_boot(facts, findings);
    if (!facts.systems.empty() && facts.systems.front().family == "windows") {
        check_windows(facts, support, findings);
    }
    return findings.take();
}

}  // namespace mk::guest
