#pragma once
// Driver injection with virt-v2v-in-place (inventory L). The guest is converted by what is on its disks, not by a
// label. Runs under limits of time, memory and output, can be stopped, and ends with us; what a run of an earlier
// process left is ended and removed first. A second conversion of the same guest is harmless. Facts: reference "Driver
// injection with virt-v2v-in-place 2.2.0".
//
// Errors: unavailable (not installed, appliance does not start), timeout, cancelled, exhausted (output, space),
// conflict (the guest cannot be converted), external; with virt-v2v's own message and what to do about it. When this
// returns or throws, nothing writes to the disks any more.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "target/guest/conversion_report.hpp"
#include "target/guest/tools.hpp"

namespace mk::guest {

struct Conversion {
    std::string guest_name;
    bool uefi = false;
    int memory_mb = 512;
    int cpus = 1;
    std::vector<Disk> disks;  ///< boot disk first, all disks of the machine
};

/// `log` hears what virt-v2v says, up to tools.log_limit, and then how much more there was.
Outcome convert(const Conversion& conversion, const Tools& tools, const std::function<void(const std::string&)>& log,
                const std::stop_token& stop);

/// The libvirt domain that tells virt-v2v the old device names (so that fstab and boot loader are mapped right).
std::string domain_xml(const Conversion& conversion);

}  // namespace mk::guest
