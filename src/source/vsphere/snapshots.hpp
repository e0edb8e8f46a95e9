#pragma once
// Creating and removing snapshots so that nothing is left behind: every outcome is verified in the machine's snapshot
// tree, by moref; names are for people. Order of a cycle: removed -> consolidated -> created, never overlapping
// (vsphere.md section 4).

#include <stop_token>
#include <string>
#include <vector>

#include "source/vsphere/session.hpp"
#include "source/vsphere/snapshot_tree.hpp"

namespace mk::vsphere {

struct SnapshotRequest {
    std::string name;  ///< must not exist yet on the machine: it identifies a snapshot whose creation got no answer
    std::string description;
    bool quiesce = false;
};

std::vector<SnapshotEntry> list_snapshots(Session& session, const Moref& vm, const std::stop_token& stop);

/// Returns the snapshot as the tree shows it. When stopped in the middle, a snapshot that still came is removed again.
SnapshotEntry create_snapshot(Session& session, const Moref& vm, const SnapshotRequest& request,
                              const std::stop_token& stop);

/// Until it is out of the tree and the disks are consolidated; children stay. No error when it is gone already.
void remove_snapshot(Session& session, const Moref& vm, const Moref& snapshot, const std::stop_token& stop);

/// Waits for runtime.consolidationNeeded=false and consolidates when it stays true.
void wait_consolidated(Session& session, const Moref& vm, const std::stop_token& stop);

}  // namespace mk::vsphere
