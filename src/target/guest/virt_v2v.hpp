#pragma once
// Driver injection with virt-v2v-in-place (inventory L). The guest is inspected by what is on its disks, not by a
// label. Runs under a time limit, can be stopped, and is killed with us. Facts: reference "Driver injection with
// virt-v2v-in-place 2.2.0". Errors: unavailable (not installed), timeout, cancelled, external (with virt-v2v's own
// message and what to do about it).

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "target/guest/conversion_report.hpp"

namespace mk::guest {

struct Disk {
    std::string device_path;
    std::string bus;  ///< what the guest saw at VMware: scsi, sata, ide, nvme
};

struct Conversion {
    std::string guest_name;
    bool uefi = false;
    int memory_mb = 512;
    int cpus = 1;
    std::vector<Disk> disks;  ///< boot disk first, all disks of the machine
};

struct Tools {
    std::string program = "virt-v2v-in-place";
    std::string virtio_win;        ///< folder or ISO with the Windows drivers; empty = the distribution's default place
    bool force_emulation = false;  ///< LIBGUESTFS_BACKEND_SETTINGS=force_tcg, for hosts whose KVM does not work
    std::string work_folder = "/var/tmp";
    std::chrono::minutes limit{60};
};

/// Throws Error{unavailable} naming the package when the program is missing.
void require_installed(const Tools& tools);

/// `log` hears every line that virt-v2v says.
Outcome convert(const Conversion& conversion, const Tools& tools, const std::function<void(const std::string&)>& log,
                const std::stop_token& stop);

/// The libvirt domain that tells virt-v2v the old device names (so that fstab and boot loader are mapped right).
std::string domain_xml(const Conversion& conversion);

}  // namespace mk::guest
