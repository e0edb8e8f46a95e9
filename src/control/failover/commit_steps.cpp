// The end of a live failover for good: the machine in the cloud is looked at, the snapshots are deleted, machine and
// volumes are handed over to the operator. Deletes nothing that holds data.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover::steps {

namespace {

class CommitCheck : public Step {
  public:
    explicit CommitCheck(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"failover-check", "Check the machine in the cloud", 1}; }
    bool only_looks() const override { return true; }
    std::vector<Action> probe(const std::stop_token&) override { return {}; }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        context_.use.cloud.check(stop);
        const auto problem = obstacle(step, stop);
        if (problem.empty()) {
            return;
        }
        if (context_.recall(commit_begun_key) == true) {
            // Snapshots are gone already: there is nothing left to protect by refusing.
            step.finish_with_warning(problem + "; an earlier commit had begun, so this one goes on");
            return;
        }
        throw Error(
            ErrorCode::conflict, problem,
            {.consequence = "Nothing was changed; the snapshots are kept.",
             .remedy = "Put that right in CloudStack and commit again, or return to the source: migratekit failover "
                       "back " +
                       context_.vm.value,
             .retry_safe = true});
    }

  private:
    /// What speaks against letting the snapshots go; empty for nothing.
    std::string obstacle(joblog::StepContext& step, const std::stop_token& stop) {
        const auto known = context_.row();
        const auto machine = context_.use.cloud.find(known.destination_vm_id, stop);
        const auto& name = known.destination_vm_name;
        if (!machine || machine->state == "Destroyed" || machine->state == "Expunging" || machine->state == "Error") {
            return "the machine " + name + " is not in CloudStack any more" + (machine ? ": " + machine->state : "");
        }
        const auto volumes = context_.use.volumes.volumes_of(context_.vm, stop);
        const auto disks = context_.use.machines.disks(context_.vm);
        for (const auto& disk : disks) {
            const auto volume =
                std::find_if(volumes.begin(), volumes.end(), [&](const auto& v) { return v.disk_id == disk.disk_id; });
            if (volume == volumes.end()) {
                return disk.disk_id.value + " has no volume in CloudStack";
            }
            if (volume->vm_id != machine->id || volume->operation_mode == "oma") {
                return "the volume of " + disk.disk_id.value + " is not attached to " + name +
                       (volume->vm_id ? " but to " + volume->vm_id->value : "");
            }
        }
        if (machine->state != "Running") {
            step.warn(machine->name + " is there, but not running: " + machine->state);
        }
        step.detail(machine->name + " (" + machine->state + ") has all its " + std::to_string(disks.size()) +
                    " volumes");
        return {};
    }

    RunContext& context_;
};

class CommitSnapshotDeletion : public Step {
  public:
    explicit CommitSnapshotDeletion(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"cloudstack-snapshot-deletion", "Delete the snapshots", 4}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& volume : context_.use.volumes.volumes_of(context_.vm, stop)) {
            if (volume.snapshot_status != "none") {
                left.push_back(
                    {"delete the snapshot of " + name_of(volume), "volume_snapshot", volume.volume_id.value, true});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        // Before the deed: with one snapshot less a rollback could not bring the whole copy back any more.
        context_.remember(commit_begun_key, true);
        std::size_t removed = 0;
        for (const auto& volume : context_.use.volumes.volumes_of(context_.vm, stop)) {
            if (volume.snapshot_status != "none") {
                context_.use.volumes.remove_snapshot(volume.volume_id, stop);  // returns when its absence was seen
                ++removed;
            }
        }
        step.detail(std::to_string(removed) + " snapshots deleted");
    }

  private:
    RunContext& context_;
};

class HandOver : public Step {
  public:
    explicit HandOver(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"hand-over", "Hand machine and volumes over", 1}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& entry : theirs(stop)) {
            left.push_back({"hand " + entry.kind + " " + entry.name + " over", "record", entry.object_id});
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        for (const auto& entry : theirs(stop)) {
            step.info("Handed over to the operator: " + entry.kind + " " + entry.name + " (" + entry.object_id + ")");
            context_.use.ledger.hand_over(entry.id);
        }
        step.detail(context_.row().destination_vm_name + " and its volumes belong to the operator now");
    }

  private:
    /// By object, not by context alone: a test machine that could not be expunged is still ours to remove.
    std::vector<ledger::Entry> theirs(const std::stop_token& stop) const {
        const auto volumes = context_.use.volumes.volumes_of(context_.vm, stop);
        const auto machine = context_.row().destination_vm_id.value;
        auto entries = context_.use.ledger.open_entries(context_.vm);
        std::erase_if(entries, [&](const ledger::Entry& entry) {
            const bool is_volume =
                entry.kind == "volume" && std::any_of(volumes.begin(), volumes.end(), [&](const auto& volume) {
                    return entry.object_id == volume.volume_id.value;
                });
            return !is_volume && !(entry.kind == "machine" && entry.object_id == machine);
        });
        return entries;
    }

    RunContext& context_;
};

}  // namespace

StepPtr commit_check(RunContext& context) {
    return std::make_unique<CommitCheck>(context);
}
StepPtr commit_snapshot_deletion(RunContext& context) {
    return std::make_unique<CommitSnapshotDeletion>(context);
}
StepPtr hand_over(RunContext& context) {
    return std::make_unique<HandOver>(context);
}

}  // namespace mk::failover::steps
