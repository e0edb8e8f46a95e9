#pragma once
// What can be seen on the disks of a guest: plain facts, without a judgement (findings.hpp judges). They travel as JSON
// from migratekit-inspect, which alone knows libguestfs. Devices are named as in the appliance ("/dev/sda1"); the index
// of a disk is its place among the disks that were given.

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/json.hpp"

namespace mk::guest {

struct SystemFacts {
    std::string root{};    ///< its root device
    int disk = -1;         ///< of the root device; -1: on several disks, or not known
    std::string family{};  ///< linux, windows, or what libguestfs calls it
    std::string distribution{};
    std::string product{};  ///< for people
    std::string variant{};  ///< Windows: Client, Server ...
    std::string osinfo{};   ///< libosinfo's short name: win2k22, debian12
    int major_version = 0;
    int minor_version = 0;
    std::string architecture{};
};

/// A partition, a logical volume, or a disk without partitions.
struct PartitionFacts {
    std::string device{};
    int disk = -1;    ///< -1: a logical volume
    int number = -1;  ///< of the partition; -1: none
    Bytes bytes = 0;
    std::string type{};      ///< blkid's: ext4, ntfs, crypto_LUKS, BitLocker ...; empty = not known
    std::string gpt_type{};  ///< GUID in capitals, on GPT disks
    bool is_active = false;  ///< of an MBR
};

struct DiskFacts {
    Bytes bytes = 0;
    std::string scheme{};        ///< gpt, msdos; empty = no partitions
    bool has_boot_code = false;  ///< in the first sector, with its signature
    bool has_grub = false;       ///< GRUB's word in the first sector
};

/// A file system of the first system, as the system mounts it.
struct FilesystemFacts {
    std::string mount_point{};
    std::string device{};
    std::string type{};
    Bytes bytes = 0;
    Bytes free_bytes = 0;
    std::uint64_t inodes = 0;  ///< 0: it does not count them
    std::uint64_t free_inodes = 0;
    std::string problem{};  ///< why it could not be mounted; the figures are 0 then
};

struct GuestFacts {
    std::vector<DiskFacts> disks;
    std::vector<PartitionFacts> partitions;
    std::vector<SystemFacts> systems;  ///< the first is the one that virt-v2v would take
    std::vector<FilesystemFacts> filesystems;
    bool has_efi_folder = false;  ///< /boot/efi/EFI of a Linux, where virt-v2v looks for it
    bool is_hibernated = false;   ///< /hiberfil.sys of a Windows holds an image
    /// Drivers on the ISO that was given, in lower case: "/viostor/2k22/amd64/viostor.sys". Nothing: no ISO was looked
    /// into.
    std::optional<std::vector<std::string>> iso_drivers;
};

Json to_json(const GuestFacts& facts);
/// Throws Error{invalid} for what is not of this form.
GuestFacts facts_from(const Json& json);

/// UEFI: an EFI system partition on a GPT disk, and no BIOS boot partition on any (virt-v2v's rule).
bool needs_uefi(const GuestFacts& facts);
/// The disk that the firmware would start from; -1 when none can be.
int boot_disk_of(const GuestFacts& facts);
/// "Windows Server 2022 Standard", "Debian 12.0": for people.
std::string title_of(const SystemFacts& system);
/// "partition 2 of disk 1" (counted from 1), "the logical volume /dev/vg/root", "disk 2".
std::string place_of(const PartitionFacts& partition);

}  // namespace mk::guest
