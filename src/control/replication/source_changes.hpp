#pragma once
// What changed at the source since the machine was added, and what that means for the next pass. Pure computation.

#include <optional>
#include <string>
#include <vector>

#include "control/machines/machine.hpp"
#include "model/recovery_point.hpp"
#include "model/source_machine.hpp"

namespace mk::replication {

/// Throws Error{conflict, native "SourceChanged"} naming every disk that was added, removed, replaced, grown or shrunk,
/// with the remedy. With `full` a grown, added or replaced disk is accepted (the copy starts anew for it).
void require_unchanged_disks(const std::vector<machines::MachineDisk>& known, const SourceMachine& now, bool full);

}  // namespace mk::replication
