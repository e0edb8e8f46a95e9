// Volume snapshots in CloudStack, and what the ledger alone knows of.

#include <algorithm>
#include <array>

#include "control/reconcile/comparison.hpp"

namespace mk::reconcile {

namespace {

Observation snapshot_found(const CloudSnapshot& snapshot, const VmContextId& vm, Action action, std::string detail) {
    return {.kind = Kind::orphan,
            .object_kind = object_snapshot,
            .object_id = snapshot.id.value,
            .object_name = snapshot.name,
            .vm = vm,
            .holds_data = true,
            .detail = std::move(detail),
            .action = action,
            .created = snapshot.created};
}

class SnapshotComparison {
  public:
    SnapshotComparison(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found)
        : index_(index), view_(view), found_(found) {}

    void run() {
        for (const auto& snapshot : view_.snapshots) {
            if (const auto* row = index_.volume_with_snapshot(snapshot)) {
                judge_recorded(snapshot, *row);
            } else if (const auto vm = owner_of(snapshot)) {
                judge_unknown(snapshot, *vm);
            }
        }
        for (const auto& row : index_.all().volumes) {
            look_for(row);
        }
    }

  private:
    /// Empty where the name is all that says it is ours.
    std::optional<VmContextId> owner_of(const CloudSnapshot& snapshot) const {
        if (const auto* entry = index_.entry("volume_snapshot", snapshot.id.value)) {
            return entry->vm_context_id;
        }
        if (snapshot.context) {
            return VmContextId{*snapshot.context};
        }
        if (const auto* entry = index_.entry_without_id("volume_snapshot", snapshot.name)) {
            return entry->vm_context_id;
        }
        return is_named_like_our_snapshot(snapshot.name) ? index_.context_in(snapshot.name).value_or(VmContextId{})
                                                         : std::optional<VmContextId>();
    }

    bool is_left_out(const VmContextId& vm) const { return index_.is_busy(vm) || index_.is_failed_over(vm); }

    /// Nothing of ours needs a snapshot outside of failovers; but whether the volume holds what it should is not
    /// proven.
    void judge_recorded(const CloudSnapshot& snapshot, const RecordedVolume& row) {
        if (is_left_out(row.vm)) {
            return;
        }
        const bool has_volume = std::any_of(view_.volumes.begin(), view_.volumes.end(),
                                            [&](const CloudVolume& volume) { return volume.id == row.id; });
        found_.push_back(snapshot_found(
            snapshot, row.vm, Action::remove,
            !has_volume
                ? "the volume " + row.name + " that it was taken of is gone: it may be the last copy"
                : "no failover needs it" +
                      std::string(index_.machine(row.vm) == nullptr ? "; its machine is not managed any more" : "")));
    }

    void judge_unknown(const CloudSnapshot& snapshot, const VmContextId& vm) {
        if (is_left_out(vm)) {
            return;
        }
        found_.push_back(snapshot_found(
            snapshot, vm, Action::review,
            std::string(index_.knows(vm) ? "it was taken for " + vm.value + ", but no copy knows it"
                        : vm.empty()     ? "it is named like ours, but no failover of this installation knows it"
                                         : "it carries our tag for " + vm.value +
                                           ", which was never managed here: it may belong to another installation") +
                ". Delete the snapshot in CloudStack when nobody needs it"));
    }

    void look_for(const RecordedVolume& row) {
        const bool is_there = std::any_of(view_.snapshots.begin(), view_.snapshots.end(), [&](const auto& snapshot) {
            return index_.volume_with_snapshot(snapshot) == &row;
        });
        const bool is_recorded = row.snapshot_status != "none" && !row.snapshot_status.empty();
        if (!is_recorded || is_there || index_.is_busy(row.vm)) {
            return;
        }
        // Of a failover that broke the cleanup knows best; it sees what is left by itself.
        const auto* machine = index_.machine(row.vm);
        const bool is_undo = machine != nullptr && (machine->status == MachineStatus::failed_over_test ||
                                                    machine->status == MachineStatus::failed_over_live);
        if (index_.is_failed_over(row.vm) && !is_undo) {
            return;
        }
        found_.push_back({.kind = Kind::missing,
                          .object_kind = object_snapshot,
                          .object_id = row.snapshot_id.empty() ? "volume/" + row.id.value : row.snapshot_id.value,
                          .object_name = row.snapshot_name,
                          .vm = row.vm,
                          .detail = is_undo
                                        ? "the undo of the failover is gone: the volume " + row.name +
                                              " cannot be reverted. After the failover the machine needs a full sync"
                                        : "the snapshot of the volume " + row.name + " is not in CloudStack any more",
                          .action = is_undo ? Action::review : Action::forget});
    }

    const RecordIndex& index_;
    const TargetView& view_;
    std::vector<Observation>& found_;
};

/// Object kind of a ledger entry's kind; nothing for kinds that are not compared.
const char* object_kind_of(const ledger::Entry& entry) {
    static constexpr std::array<std::pair<std::string_view, const char*>, 5> kinds{
        {{"machine", object_machine},
         {"volume", object_volume},
         {"volume_clone", object_clone},
         {"default_root", object_root},
         {"volume_snapshot", object_snapshot}}};
    const auto found =
        std::find_if(kinds.begin(), kinds.end(), [&](const auto& one) { return one.first == entry.kind; });
    return found == kinds.end() ? nullptr : found->second;
}

class EntryComparison {
  public:
    EntryComparison(const RecordIndex& index, const TargetView& view) : index_(index), view_(view) {}

    std::optional<Observation> judge(const ledger::Entry& entry) const {
        const auto* kind = object_kind_of(entry);
        if (entry.site != ledger::Site::target || kind == nullptr || is_left_out(entry) || has_row(entry) ||
            exists(entry)) {
            return std::nullopt;
        }
        return Observation{.kind = Kind::missing,
                           .object_kind = kind,
                           .object_id = entry.object_id.empty() ? "ledger/" + entry.id : entry.object_id,
                           .object_name = entry.name,
                           .vm = entry.vm_context_id,
                           .detail = entry.object_id.empty() ? "it was never made" : "it is not in CloudStack any more",
                           .action = Action::forget};
    }

  private:
    /// What a failover made is looked after by it until it is over.
    bool is_left_out(const ledger::Entry& entry) const {
        const auto* failover = entry.kind == "default_root" ? index_.failover_to(CloudMachineId{entry.name}) : nullptr;
        const VmContextId vm = failover != nullptr ? failover->vm : entry.vm_context_id;
        return index_.is_busy(vm) || index_.all().open_jobs.contains(entry.job_id) || index_.is_failed_over(vm);
    }

    /// Then the row speaks for the object.
    bool has_row(const ledger::Entry& entry) const {
        const auto& rows = index_.all();
        if (entry.kind == "volume_snapshot") {
            return std::any_of(rows.volumes.begin(), rows.volumes.end(), [&](const RecordedVolume& row) {
                return row.snapshot_name == entry.name && row.snapshot_status != "none";
            });
        }
        const VolumeId id{entry.object_id};
        return !id.empty() && (index_.volume(id) != nullptr || index_.clone(id) != nullptr);
    }

    bool exists(const ledger::Entry& entry) const {
        const auto matches = [&](const auto& object) {
            return entry.object_id.empty() && entry.kind != "default_root" ? object.name == entry.name
                                                                           : object.id.value == entry.object_id;
        };
        if (entry.kind == "machine") {
            return std::any_of(view_.machines.begin(), view_.machines.end(), matches);
        }
        if (entry.kind == "volume_snapshot") {
            return std::any_of(view_.snapshots.begin(), view_.snapshots.end(), matches);
        }
        return std::any_of(view_.volumes.begin(), view_.volumes.end(), matches);
    }

    const RecordIndex& index_;
    const TargetView& view_;
};

}  // namespace

void compare_snapshots(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found) {
    SnapshotComparison(index, view, found).run();
}

void compare_entries(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found) {
    const EntryComparison comparison(index, view);
    for (const auto& entry : index.all().entries) {
        if (auto missing = comparison.judge(entry)) {
            found.push_back(std::move(*missing));
        }
    }
}

}  // namespace mk::reconcile
