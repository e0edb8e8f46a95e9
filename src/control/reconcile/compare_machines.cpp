// Machines in CloudStack.

#include <algorithm>

#include "control/reconcile/comparison.hpp"

namespace mk::reconcile {

namespace {

/// Whose a machine is, and how that is known.
struct Owner {
    VmContextId vm;
    bool is_proven = false;  ///< recorded here, or tagged with a machine that was managed here
};

class MachineComparison {
  public:
    MachineComparison(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found)
        : index_(index), view_(view), found_(found) {}

    void run() {
        for (const auto& machine : view_.machines) {
            // One that is Destroyed is on its way out: CloudStack expunges it by itself.
            if (machine.id != view_.appliance && machine.state != "Destroyed" &&
                !index_.is_handed_over(machine.id.value)) {
                if (const auto owner = owner_of(machine); owner && !index_.is_busy(owner->vm)) {
                    judge(machine, *owner);
                }
            }
        }
        for (const auto& failover : index_.all().failovers) {
            look_for(failover);
        }
    }

  private:
    std::optional<Owner> owner_of(const CloudMachine& machine) const {
        if (const auto* failover = index_.failover_to(machine.id)) {
            return Owner{failover->vm, true};
        }
        if (const auto* entry = index_.entry("machine", machine.id.value)) {
            return Owner{entry->vm_context_id, true};
        }
        if (machine.context) {
            const VmContextId vm{*machine.context};
            return Owner{vm, index_.knows(vm)};
        }
        if (const auto* entry = index_.entry_without_id("machine", machine.name)) {
            return Owner{entry->vm_context_id, false};
        }
        return std::nullopt;
    }

    bool is_needed(const CloudMachine& machine, const VmContextId& vm) const {
        const auto* failover = index_.failover_of(vm);
        const bool is_of_the_newest =
            failover != nullptr &&
            (failover->machine == machine.id || (failover->machine.empty() && failover->machine_name == machine.name));
        return is_of_the_newest && (index_.is_failed_over(vm) || index_.is_committed(vm));
    }

    void judge(const CloudMachine& machine, const Owner& owner) {
        if (is_needed(machine, owner.vm)) {
            const auto* failover = index_.failover_of(owner.vm);
            if (failover->machine == machine.id && failover->machine_name != machine.name) {
                add(Kind::changed, machine, owner.vm, Action::review,
                    "it was made as " + failover->machine_name + " and is named " + machine.name + " now");
            }
            return;
        }
        if (const auto* volume = attached_volume_of_ours(machine.id)) {
            if (index_.is_handed_over(volume->id.value)) {
                return;  // the operator's machine, as its volumes are
            }
            return add(Kind::orphan, machine, owner.vm, Action::review,
                       "no failover needs it, but the volume " + volume->name + " (" + volume->id.value +
                           ") of ours is attached to it, which would be lost with it. Detach that volume in "
                           "CloudStack, then look again: migratekit volume reconcile --run");
        }
        if (!owner.is_proven) {
            return add(Kind::orphan, machine, owner.vm, Action::review,
                       machine.context
                           ? "it carries our tag for " + *machine.context +
                                 ", which was never managed here: it may belong to another installation. Delete it in "
                                 "CloudStack when nobody needs it"
                           : "it has the name of a machine that we were about to make, but not our tag. Delete it in "
                             "CloudStack when nobody needs it");
        }
        add(Kind::orphan, machine, owner.vm, Action::remove, "no failover needs it (" + machine.state + ")");
    }

    const CloudVolume* attached_volume_of_ours(const CloudMachineId& machine) const {
        const auto found = std::find_if(view_.volumes.begin(), view_.volumes.end(), [&](const CloudVolume& volume) {
            return volume.vm_id == machine &&
                   (index_.volume(volume.id) != nullptr || index_.clone(volume.id) != nullptr || volume.context ||
                    index_.entry("volume", volume.id.value) != nullptr || index_.is_handed_over(volume.id.value));
        });
        return found == view_.volumes.end() ? nullptr : &*found;
    }

    /// The machine that a failover runs on must be there; after a failure the cleanup finds out by itself.
    void look_for(const RecordedFailover& failover) {
        const auto* machine = index_.machine(failover.vm);
        const bool is_running = machine != nullptr && (machine->status == MachineStatus::failed_over_test ||
                                                       machine->status == MachineStatus::failed_over_live);
        if (!is_running || failover.machine.empty() || index_.is_busy(failover.vm)) {
            return;
        }
        const bool is_there = std::any_of(view_.machines.begin(), view_.machines.end(), [&](const CloudMachine& one) {
            return one.id == failover.machine && one.state != "Destroyed";
        });
        if (!is_there) {
            found_.push_back({.kind = Kind::missing,
                              .object_kind = object_machine,
                              .object_id = failover.machine.value,
                              .object_name = failover.machine_name,
                              .vm = failover.vm,
                              .detail = std::string("it is not in CloudStack any more, although ") +
                                        machine->source.name + " is failed over to it. " +
                                        (failover.live ? "Return to the source: migratekit failover back "
                                                       : "End the test: migratekit failover finish ") +
                                        machine->source.name + (failover.live ? "" : " --verdict none"),
                              .action = Action::review});
        }
    }

    void add(Kind kind, const CloudMachine& machine, const VmContextId& vm, Action action, std::string detail) {
        found_.push_back({.kind = kind,
                          .object_kind = object_machine,
                          .object_id = machine.id.value,
                          .object_name = machine.name,
                          .vm = vm,
                          // Somebody may be at work in it.
                          .holds_data = action == Action::remove && machine.state == "Running",
                          .detail = std::move(detail),
                          .action = action,
                          .created = machine.created});
    }

    const RecordIndex& index_;
    const TargetView& view_;
    std::vector<Observation>& found_;
};

}  // namespace

void compare_machines(const RecordIndex& index, const TargetView& view, std::vector<Observation>& found) {
    MachineComparison(index, view, found).run();
}

}  // namespace mk::reconcile
