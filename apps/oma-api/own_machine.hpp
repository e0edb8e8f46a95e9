#pragma once
// What this appliance knows about itself, to find its own machine in CloudStack (E12).

#include "target/cloudstack/discovery_commands.hpp"

namespace mk::oma {

/// MAC addresses and DMI product UUID from sysfs; what cannot be read is left out.
cloudstack::OwnMachineHints own_machine_hints();

}  // namespace mk::oma
