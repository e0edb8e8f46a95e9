#pragma once
// Looking at a guest's disks without changing them, by migratekit-inspect under limits of time, memory and output.
// Blocking; stoppable. Errors: unavailable (not installed, the appliance does not start), timeout, cancelled, external
// (a disk cannot be opened), corrupt (its answer makes no sense). Nothing is ever written to the disks.

#include <stop_token>
#include <string>
#include <vector>

#include "model/source_machine.hpp"
#include "target/guest/guest_facts.hpp"
#include "target/guest/tools.hpp"

namespace mk::guest {

struct Inspection {
    GuestFacts facts;
    std::vector<Finding> findings;
};

/// Exit codes of migratekit-inspect; 2 is wrong use, others mean that it was ended.
enum class InspectorExit : int { inspected = 0, failed = 1, disk_not_opened = 3, appliance_not_started = 4 };

/// `devices` are raw disks, the boot disk first.
Inspection inspect(const std::vector<std::string>& devices, const Tools& tools, const std::stop_token& stop);

}  // namespace mk::guest
