#pragma once
// Guests as an inspection sees them, all well.

#include "target/guest/guest_facts.hpp"

namespace mk::guest::test {

inline constexpr const char* efi_system_partition = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
inline constexpr const char* bios_boot_partition = "21686148-6449-6E6F-744E-656564454649";

inline GuestFacts a_bios_linux() {
    GuestFacts facts;
    facts.disks = {{.bytes = 10 * GiB, .scheme = "msdos", .has_boot_code = true, .has_grub = true}};
    facts.partitions = {
        {.device = "/dev/sda1", .disk = 0, .number = 1, .bytes = 9 * GiB, .type = "ext4", .is_active = true}};
    facts.systems = {{.root = "/dev/sda1",
                      .disk = 0,
                      .family = "linux",
                      .distribution = "debian",
                      .product = "Debian GNU/Linux 12 (bookworm)",
                      .variant = "unknown",
                      .osinfo = "debian12",
                      .major_version = 12,
                      .minor_version = 0,
                      .architecture = "x86_64"}};
    facts.filesystems = {{.mount_point = "/",
                          .device = "/dev/sda1",
                          .type = "ext4",
                          .bytes = 9 * GiB,
                          .free_bytes = 5 * GiB,
                          .inodes = 100000,
                          .free_inodes = 50000}};
    return facts;
}

inline GuestFacts a_uefi_linux() {
    auto facts = a_bios_linux();
    facts.disks = {{.bytes = 10 * GiB, .scheme = "gpt"}};
    facts.partitions = {
        {.device = "/dev/sda1", .disk = 0, .number = 1, .type = "vfat", .gpt_type = efi_system_partition},
        {.device = "/dev/sda2", .disk = 0, .number = 2, .type = "ext4"}};
    facts.has_efi_folder = true;
    return facts;
}

inline GuestFacts a_windows() {
    auto facts = a_bios_linux();
    facts.disks[0].has_grub = false;
    facts.systems[0] = {.root = "/dev/sda1",
                        .disk = 0,
                        .family = "windows",
                        .distribution = "windows",
                        .product = "Windows Server 2022 Standard",
                        .variant = "Server",
                        .osinfo = "win2k22",
                        .major_version = 10,
                        .minor_version = 0,
                        .architecture = "x86_64"};
    facts.filesystems[0].type = "ntfs";
    return facts;
}

}  // namespace mk::guest::test
