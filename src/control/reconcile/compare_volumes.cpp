// Volumes in CloudStack: replicas, clones, and the root volumes that shell machines were made with.

#include <algorithm>

#include "control/reconcile/comparison.hpp"

namespace mk::reconcile {

namespace {

class VolumeComparison {
  public:
    VolumeComparison(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found)
        : index_(index), view_(view), found_(found) {}

    void run() {
        for (const auto& volume : view_.volumes) {
            if (!index_.is_handed_over(volume.id.value)) {
                judge(volume);
            }
        }
        for (const auto& row : index_.all().volumes) {
            look_for(row);
        }
        for (const auto& row : index_.all().clones) {
            look_for(row);
        }
    }

  private:
    void judge(const CloudVolume& volume) {
        if (const auto* row = index_.volume(volume.id)) {
            judge_replica(volume, *row);
        } else if (const auto* clone = index_.clone(volume.id)) {
            judge_clone(volume, *clone);
        } else if (const auto* root = default_root(volume)) {
            judge_root(volume, *root);
        } else if (volume.context) {
            judge_unknown(volume, VmContextId{*volume.context});
        } else if (const auto* entry = index_.entry("volume", volume.id.value)) {
            judge_unknown(volume, entry->vm_context_id);
        } else if (const auto* named = index_.entry_without_id("volume", volume.name)) {
            judge_unknown(volume, named->vm_context_id);
        }
    }

    const ledger::Entry* default_root(const CloudVolume& volume) const {
        return index_.entry("default_root", volume.id.value);
    }

    bool is_free(const CloudVolume& volume) const { return !volume.vm_id || *volume.vm_id == view_.appliance; }

    static std::string place_of(const CloudVolume& volume) {
        return volume.vm_name.empty() ? volume.vm_id->value : volume.vm_name;
    }

    void judge_replica(const CloudVolume& volume, const RecordedVolume& row) {
        if (index_.is_busy(row.vm) || index_.is_committed(row.vm)) {
            return;
        }
        if (index_.machine(row.vm) == nullptr) {
            const auto text = "the machine " + row.vm.value + " is not managed any more";
            return is_free(volume) ? add(Kind::orphan, object_volume, volume, row.vm, true, Action::remove, text)
                                   : add(Kind::orphan, object_volume, volume, row.vm, true, Action::review,
                                         text + ", and the volume is attached to " + place_of(volume) +
                                             ". Detach it there when it is to go");
        }
        if (const auto changes = changes_of(volume, row); !changes.empty()) {
            add(Kind::changed, object_volume, volume, row.vm, true, Action::review, changes);
        }
    }

    std::string changes_of(const CloudVolume& volume, const RecordedVolume& row) const {
        std::string text;
        const auto say = [&](const std::string& change) { text += (text.empty() ? "" : "; ") + change; };
        if (volume.size != row.size) {
            say("it has " + format_bytes(volume.size) + " instead of " + format_bytes(row.size));
        }
        if (volume.name != row.name) {
            say("it was named " + row.name);
        }
        const auto* failover = index_.is_failed_over(row.vm) ? index_.failover_of(row.vm) : nullptr;
        const bool is_at_its_machine = failover != nullptr && volume.vm_id == failover->machine;
        if (!is_free(volume) && !is_at_its_machine) {
            say("it is attached to " + place_of(volume) + ", which is not of ours");
        } else if (is_in_use(row.vm) && !is_at_its_machine) {
            say("it is not attached to " + failover->machine_name + " any more, on which the failover runs");
        }
        return text;
    }

    /// The machine in the cloud runs on the replicas themselves.
    bool is_in_use(const VmContextId& vm) const {
        const auto* machine = index_.machine(vm);
        const auto* failover = index_.failover_of(vm);
        return failover != nullptr && !failover->machine.empty() &&
               (machine->status == MachineStatus::failed_over_live ||
                (machine->status == MachineStatus::failed_over_test && !index_.has_clones(vm)));
    }

    void judge_clone(const CloudVolume& volume, const RecordedClone& clone) {
        if (index_.is_busy(clone.vm) || index_.is_failed_over(clone.vm)) {
            return;
        }
        is_free(volume) ? add(Kind::orphan, object_clone, volume, clone.vm, false, Action::remove, "its test is over")
                        : add(Kind::orphan, object_clone, volume, clone.vm, false, Action::review,
                              "its test is over, but it is attached to " + place_of(volume) + ". Detach it there");
    }

    void judge_root(const CloudVolume& volume, const ledger::Entry& entry) {
        const auto* failover = index_.failover_to(CloudMachineId{entry.name});
        const VmContextId vm = failover != nullptr ? failover->vm : entry.vm_context_id;
        // Attached it belongs to that machine; a failover that goes on, or its cleanup, discards it.
        if (volume.vm_id || index_.is_busy(vm) || index_.is_failed_over(vm)) {
            return;
        }
        add(Kind::orphan, object_root, volume, vm, false, Action::remove,
            "the empty root volume that the machine " + entry.name + " was made with");
    }

    /// Ours by tag or ledger, but the Volume Daemon does not know it: nobody can say what it holds.
    void judge_unknown(const CloudVolume& volume, const VmContextId& vm) {
        const bool is_in_the_making = index_.entry_without_id("volume", volume.name) != nullptr ||
                                      index_.entry("volume", volume.id.value) != nullptr;
        // The next sync of the machine takes up the creation that was cut off.
        if (index_.is_busy(vm) || (is_in_the_making && index_.machine(vm) != nullptr)) {
            return;
        }
        const bool is_empty = volume.state == "Allocated";
        add(Kind::orphan, object_volume, volume, vm, !is_empty, Action::review,
            (index_.knows(vm) ? "it was made for " + vm.value + ", but is no part of its copy"
                              : "it carries our tag for " + vm.value +
                                    ", which was never managed here: it may belong to another installation") +
                (is_empty ? ". It was never written to" : ". What it holds is not known") +
                ". Delete the volume in CloudStack when nobody needs it" +
                (volume.vm_id ? "; it is attached to " + place_of(volume) : ""));
    }

    bool is_there(const VolumeId& id) const {
        return std::any_of(view_.volumes.begin(), view_.volumes.end(),
                           [&](const CloudVolume& volume) { return volume.id == id; });
    }

    void look_for(const RecordedVolume& row) {
        if (is_there(row.id) || index_.is_busy(row.vm) || index_.is_committed(row.vm)) {
            return;
        }
        const auto* machine = index_.machine(row.vm);
        Observation missing{.kind = Kind::missing,
                            .object_kind = object_volume,
                            .object_id = row.id.value,
                            .object_name = row.name,
                            .vm = row.vm,
                            .detail = "it is not in CloudStack any more",
                            .action = Action::forget};
        if (machine != nullptr) {
            missing.holds_data = true;
            missing.detail += std::string(row.is_in_a_point ? ", and with it the recovery points" : "") + " of " +
                              machine->source.name +
                              ". Once it is forgotten a full sync makes a new copy: migratekit "
                              "sync start " +
                              machine->source.name + " --full";
        }
        if (index_.is_failed_over(row.vm)) {
            missing.action = Action::review;
            missing.detail = "it is not in CloudStack any more; the failover that uses it must end first";
        } else if (has_snapshot(row)) {
            missing.action = Action::review;
            missing.detail += ". Its snapshot " + row.snapshot_name +
                              " is still there and may be the last copy: make a volume of it in CloudStack, or remove "
                              "the snapshot first";
        }
        found_.push_back(std::move(missing));
    }

    bool has_snapshot(const RecordedVolume& row) const {
        return !row.snapshot_id.empty() &&
               std::any_of(view_.snapshots.begin(), view_.snapshots.end(),
                           [&](const CloudSnapshot& snapshot) { return snapshot.id == row.snapshot_id; });
    }

    void look_for(const RecordedClone& row) {
        const bool is_unmade = row.id.empty() && std::none_of(view_.volumes.begin(), view_.volumes.end(),
                                                              [&](const auto& v) { return v.name == row.name; });
        const bool is_gone = row.id.empty() ? is_unmade : !is_there(row.id);
        if (!is_gone || index_.is_busy(row.vm) || index_.is_failed_over(row.vm)) {
            return;
        }
        found_.push_back({.kind = Kind::missing,
                          .object_kind = object_clone,
                          .object_id = row.id.empty() ? "row/" + row.row_id : row.id.value,
                          .object_name = row.name,
                          .vm = row.vm,
                          .detail = is_unmade ? "it was never made" : "it is not in CloudStack any more",
                          .action = Action::forget});
    }

    void add(Kind kind, const char* object_kind, const CloudVolume& volume, const VmContextId& vm, bool holds_data,
             Action action, std::string detail) {
        found_.push_back({.kind = kind,
                          .object_kind = object_kind,
                          .object_id = volume.id.value,
                          .object_name = volume.name,
                          .vm = vm,
                          .holds_data = holds_data,
                          .detail = std::move(detail),
                          .action = action,
                          .created = volume.created});
    }

    const RecordIndex& index_;
    const TargetView& view_;
    std::vector<Observation>& found_;
};

}  // namespace

void compare_volumes(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found) {
    VolumeComparison(index, view, found).run();
}

}  // namespace mk::reconcile
