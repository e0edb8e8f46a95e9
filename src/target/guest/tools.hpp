#pragma once
// The programs that look into guests and change them, and how much of the appliance they may take. Plain data.

#include <chrono>
#include <string>

#include "base/bytes.hpp"

namespace mk::guest {

struct Disk {
    std::string device_path;
    std::string bus;  ///< what the guest saw at VMware: scsi, sata, ide, nvme
};

struct Tools {
    std::string program = "virt-v2v-in-place";
    std::string inspector = "migratekit-inspect";
    std::string virtio_win;  ///< folder or ISO with the Windows drivers; empty = where the distribution would keep them
    std::string virt_tools = "/usr/share/virt-tools";  ///< folder with rhsrvany.exe, which Windows guests need
    bool force_emulation = false;          ///< LIBGUESTFS_BACKEND_SETTINGS=force_tcg, for hosts whose KVM does not work
    std::string work_folder = "/var/tmp";  ///< each run has a folder of its own in it
    /// Where libguestfs keeps the system of its appliance (370 MiB, made once): shared by all runs.
    std::string cache_folder = "/var/tmp";
    std::chrono::minutes limit{60};  ///< of a conversion
    std::chrono::seconds inspection_limit{300};
    /// RAM of the appliance that inspects; virt-v2v takes twice as much. 1280 is libguestfs' own default.
    int memory_mib = 1280;
    Bytes log_limit = 256 * KiB;    ///< of a conversion's words that reach the job's log
    Bytes output_limit = 64 * MiB;  ///< a program that says more is ended
};

/// VIRTIO_WIN as virt-v2v 2.2.0 would choose it: as configured, else the ISO of /usr/share/virtio-win, else that
/// folder.
std::string virtio_win_of(const Tools& tools);

}  // namespace mk::guest
