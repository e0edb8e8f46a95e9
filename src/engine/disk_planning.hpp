#pragma once
// Decides what a pass does to one disk: asks change tracking, takes checkpoints into account. Reads nothing.

#include <stop_token>
#include <string>
#include <vector>

#include "engine/pass.hpp"

namespace mk::engine {

struct PlannedDisk {
    Plan plan;
    bool is_incremental = false;
    std::string full_copy_reason;
    /// What the checkpoint file is to say of this attempt before it begins.
    DiskCheckpoint checkpoint;
};

/// Throws what change tracking threw, Error{conflict, native "NotComparable"} when only a comparison was ordered and
/// there is nothing to compare with.
PlannedDisk plan_disk(FrozenMachine& machine, const FrozenDisk& disk, const DiskOrder& order, const PassOrder& pass,
                      const std::vector<DiskCheckpoint>& checkpoints, const std::stop_token& stop);

}  // namespace mk::engine
