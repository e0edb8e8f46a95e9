#pragma once
// Takes the snapshot of a replication cycle (vsphere.md section 4, steps 1 to 4):
//
//   left-overs of ours removed -> judged -> change tracking enabled -> [snapshot created and removed: the stun that
//   activates it]
//   -> snapshot -> its own device list read -> every disk has a change id? otherwise once more: activate, snapshot
//
// Whatever fails after a snapshot exists removes it again before the error leaves.

#include <memory>
#include <stop_token>

#include "source/vsphere/findings.hpp"
#include "source/vsphere/session.hpp"
#include "source/vsphere/snapshots.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk::vsphere {

struct FrozenState {
    Moref vm;
    SnapshotEntry snapshot;
    bool is_application_consistent = false;
    Hardware hardware;  ///< of the snapshot
};

class Freezer {
  public:
    /// Throws Error{conflict} naming the first blocker, as decided by `refuse` on fresh facts.
    Freezer(Session& session, Moref vm, const FreezeOptions& options, std::function<void(const MachineFacts&)> refuse,
            const std::stop_token& stop);
    FrozenState freeze();

  private:
    void remove_left_overs();
    void activate_tracking();
    bool has_all_change_ids(const FrozenState& frozen) const;
    FrozenState take(bool quiesce);
    FrozenState take_with_quiesce_rule();
    SnapshotRequest request(const std::string& suffix, bool quiesce) const;
    void stage(std::string_view words) const;

    Session& session_;
    const Moref vm_;
    const FreezeOptions& options_;
    const std::function<void(const MachineFacts&)> refuse_;
    const std::stop_token& stop_;
    MachineFacts facts_;
};

/// Removes our snapshots (of one appliance, or of any when empty); nothing else. Goes on after a failure. Waits for the
/// machine's running tasks first: a killed engine may have ordered a snapshot that is not in the tree yet.
SweepResult sweep(Session& session, const Moref& vm, std::string_view appliance_id, const std::stop_token& stop);

}  // namespace mk::vsphere
