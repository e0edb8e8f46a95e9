#pragma once
// Questions that a comparison asks of the records. Internal to the module; lives no longer than they do.

#include <optional>
#include <string>
#include <string_view>

#include "control/reconcile/records.hpp"

namespace mk::reconcile {

class RecordIndex {
  public:
    explicit RecordIndex(const Records& records) : records_(records) {}

    const Records& all() const { return records_; }
    const machines::Machine* machine(const VmContextId& vm) const;
    const RecordedVolume* volume(const VolumeId& id) const;
    const RecordedVolume* volume_with_snapshot(const CloudSnapshot& snapshot) const;
    const RecordedClone* clone(const VolumeId& id) const;
    const RecordedFailover* failover_of(const VmContextId& vm) const;
    const RecordedFailover* failover_to(const CloudMachineId& machine) const;
    /// An open entry of that kind, by id.
    const ledger::Entry* entry(std::string_view kind, const std::string& object_id) const;
    /// An open entry of that kind whose object's id was never learned, by name.
    const ledger::Entry* entry_without_id(std::string_view kind, const std::string& name) const;
    bool is_handed_over(const std::string& object_id) const;
    bool has_clones(const VmContextId& vm) const;

    /// A job of the machine has not ended: its objects are left out.
    bool is_busy(const VmContextId& vm) const { return records_.busy.contains(vm); }
    /// Its objects are the operator's.
    bool is_committed(const VmContextId& vm) const;
    /// A failover of it is under way, running, or was not cleaned up: its objects are needed.
    bool is_failed_over(const VmContextId& vm) const;
    bool knows(const VmContextId& vm) const;
    /// Whose snapshot a name like ours says that it is, among those that were ever managed here.
    std::optional<VmContextId> context_in(const std::string& snapshot_name) const;

  private:
    const Records& records_;
};

/// Named as failovers name their snapshots, whoever it was.
bool is_named_like_our_snapshot(const std::string& name);

}  // namespace mk::reconcile
