#pragma once
// Collects the facts about a guest from a started appliance.

#include <cstddef>

#include "appliance.hpp"
#include "target/guest/guest_facts.hpp"

namespace mk::inspect {

/// `disks` were added first; when `has_iso`, the disk behind them is the ISO with Windows drivers, which is only looked
/// into for a Windows guest. Throws Error{external} when systems cannot be searched for.
guest::GuestFacts read_facts(Appliance& appliance, std::size_t disks, bool has_iso);

}  // namespace mk::inspect
