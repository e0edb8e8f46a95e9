#pragma once
// What the facts about a guest mean for its failover, with what to do about it. Pure computation.
//
// A blocker is what virt-v2v 2.2.0 would certainly refuse, or what its conversion would certainly leave unable to boot.
// Codes that begin with "appliance_" are about what is installed on the appliance, not about the guest.
// The system, its firmware and its boot disk are not findings: whoever compares them with the source has them as facts.

#include <vector>

#include "model/source_machine.hpp"
#include "target/guest/guest_facts.hpp"
#include "target/guest/windows_drivers.hpp"

namespace mk::guest {

/// `support` is looked at for Windows guests only.
std::vector<Finding> findings_of(const GuestFacts& facts, const WindowsSupport& support);

}  // namespace mk::guest
