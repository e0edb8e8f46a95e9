// The replicas on their way back: away from the machine, reverted and proven, without snapshot, at the appliance.
// Nothing here looks at the machine's disks: what has a volume is brought back, whatever became of its disk.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover::steps {

namespace {

/// In the metadata of the rollback's job: volumes that were read and hold the recovery point.
constexpr const char* proven_key = "proven_volumes";
/// In the metadata of the failover's job: volumes whose snapshot was never completed, so that nothing was changed on
/// them since; to be proven at the end. Outlives the rollback that noted it.
constexpr const char* unproven_key = "unproven_volumes";

/// Of an accepted point that is torn: what the volume held when the failover began.
std::string expected_digest(const RunContext& context, const contracts::Volume& volume) {
    if (auto before = context.digest_before(volume.volume_id); !before.empty()) {
        return before;
    }
    const auto point = context.point();
    for (const auto& held : point ? point->disks : std::vector<RecoveryPointDisk>{}) {
        if (held.disk_id == volume.disk_id) {
            return held.digest;
        }
    }
    return {};
}

/// Reads the volume, which must be at the appliance.
bool holds_the_point(RunContext& context, const contracts::Volume& volume, joblog::StepContext& step,
                     const std::stop_token& stop) {
    const auto report = [&](const std::string& text) { step.detail(text); };
    return context.use.volumes.digest(volume.volume_id, report, stop) == expected_digest(context, volume);
}

class TakeVolumesBack : public Step {
  public:
    explicit TakeVolumesBack(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"volume-detachment", "Detach the volumes", 1}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& volume : to_detach(stop)) {
            left.push_back({"detach " + name_of(volume) + " from " +
                                (volume.operation_mode == "oma" ? "the appliance" : "machine " + volume.vm_id->value),
                            "volume", volume.volume_id.value});
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        std::size_t detached = 0;
        for (const auto& volume : to_detach(stop)) {
            context_.use.volumes.detach(volume.volume_id, stop);
            step.detail(std::to_string(++detached) + " volumes detached");
        }
    }

  private:
    std::vector<contracts::Volume> to_detach(const std::stop_token& stop) const {
        auto volumes = context_.use.volumes.volumes_of(context_.vm, stop);
        std::erase_if(volumes, [&](const auto& volume) {
            // A volume without snapshot was never modified and may stay where it is, unless that is the failed-over
            // machine; and a test on clones modifies no replica.
            const bool is_to_be_reverted = volume.snapshot_status == "ready" && !context_.request.on_clones;
            return !volume.vm_id || (volume.operation_mode == "oma" && !is_to_be_reverted);
        });
        if (context_.request.on_clones) {
            for (const auto& clone : context_.use.volumes.clones_of(context_.vm, stop)) {
                if (clone.vm_id) {
                    volumes.push_back(clone);
                }
            }
        }
        return volumes;
    }

    RunContext& context_;
};

class RevertVolumes : public Step {
  public:
    explicit RevertVolumes(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override {
        return {"cloudstack-snapshot-rollback", "Revert the volumes and verify them", 1};
    }

    std::vector<Action> probe(const std::stop_token& stop) override {
        if (context_.request.on_clones) {
            return {};  // the replicas were not touched, and may hold a newer point than the snapshots
        }
        const auto proven = context_.noted_volumes(context_.job, proven_key);
        const auto unproven = context_.noted_volumes(context_.failover, unproven_key);
        std::vector<Action> left;
        for (const auto& volume : context_.use.volumes.volumes_of(context_.vm, stop)) {
            const auto& id = volume.volume_id.value;
            const bool is_reverted = volume.snapshot_status == "rollback_complete";
            if (has_snapshot(volume) && !(is_reverted && proven.contains(id))) {
                left.push_back({"revert " + name_of(volume) +
                                    " to its snapshot, attach it to the appliance, and compare it with the recovery "
                                    "point",
                                "volume", id});
            } else if (!has_snapshot(volume) && volume.snapshot_status != "none" && !unproven.contains(id)) {
                left.push_back({"note that " + name_of(volume) + " was not changed: its snapshot was never completed",
                                "record", id});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto proven = context_.noted_volumes(context_.job, proven_key);
        std::size_t reverted = proven.size();
        for (const auto& volume : context_.use.volumes.volumes_of(context_.vm, stop)) {
            const bool is_proven =
                volume.snapshot_status == "rollback_complete" && proven.contains(volume.volume_id.value);
            if (is_proven) {
                continue;  // before this process was started
            }
            if (has_snapshot(volume)) {
                bring_back(volume, step, stop);
                context_.note_volume(context_.job, proven_key, volume.volume_id);
                step.detail(std::to_string(++reverted) + " volumes reverted; the digest is that of the recovery point");
            } else if (volume.snapshot_status != "none") {
                context_.note_volume(context_.failover, unproven_key, volume.volume_id);
            }
        }
    }

  private:
    void bring_back(const contracts::Volume& volume, joblog::StepContext& step, const std::stop_token& stop) {
        bool is_back = false;
        if (volume.snapshot_status == "rollback_complete") {
            // Reverted by an earlier rollback that broke later, or before a conversion that was repeated.
            context_.use.volumes.attach_to_appliance(volume.volume_id, stop);
            is_back = holds_the_point(context_, volume, step, stop);
        }
        if (!is_back) {
            context_.use.volumes.detach(volume.volume_id, stop);
            context_.use.volumes.revert_snapshot(
                volume.volume_id, [&](const std::string& text) { step.detail(text); }, stop);
            context_.use.volumes.attach_to_appliance(volume.volume_id, stop);
            is_back = holds_the_point(context_, volume, step, stop);
        }
        if (!is_back) {
            throw Error(
                ErrorCode::corrupt,
                "after the revert " + volume.disk_id.value + " is not what the recovery point holds",
                {.consequence = "Its snapshot is kept; nothing was deleted.",
                 .remedy =
                     "Run the cleanup again; if it stays so, remove the machine from management and add it again.",
                 .retry_safe = true});
        }
    }

    RunContext& context_;
};

class SnapshotDeletion : public Step {
  public:
    explicit SnapshotDeletion(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"cloudstack-snapshot-deletion", "Delete the snapshots", 1}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& volume : with_snapshot(stop)) {
            left.push_back(
                {"delete the snapshot of " + name_of(volume), "volume_snapshot", volume.volume_id.value, true});
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        std::size_t removed = 0;
        for (const auto& volume : with_snapshot(stop)) {
            context_.use.volumes.remove_snapshot(volume.volume_id, stop);
            step.detail(std::to_string(++removed) + " snapshots deleted");
        }
    }

  private:
    std::vector<contracts::Volume> with_snapshot(const std::stop_token& stop) const {
        auto volumes = context_.use.volumes.volumes_of(context_.vm, stop);
        std::erase_if(volumes, [](const auto& volume) { return volume.snapshot_status == "none"; });
        return volumes;
    }

    RunContext& context_;
};

class VolumeReattachment : public Step {
  public:
    explicit VolumeReattachment(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override {
        return {"volume-reattachment-to-oma", "Attach the volumes to the appliance", 1};
    }

    std::vector<Action> probe(const std::stop_token& stop) override {
        const auto unproven = context_.noted_volumes(context_.failover, unproven_key);
        std::vector<Action> left;
        for (const auto& volume : context_.use.volumes.volumes_of(context_.vm, stop)) {
            // One that is still to be reverted comes back with that.
            const bool comes_back_reverted = has_snapshot(volume) && !context_.request.on_clones;
            if (volume.operation_mode != "oma" && !comes_back_reverted) {
                left.push_back({"attach " + name_of(volume) + " to the appliance", "volume", volume.volume_id.value});
            }
            if (unproven.contains(volume.volume_id.value)) {
                left.push_back(
                    {"compare " + name_of(volume) + " with the recovery point", "volume", volume.volume_id.value});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto unproven = context_.noted_volumes(context_.failover, unproven_key);
        std::size_t attached = 0;
        for (const auto& volume : context_.use.volumes.volumes_of(context_.vm, stop)) {
            context_.use.volumes.attach_to_appliance(volume.volume_id, stop);
            if (unproven.contains(volume.volume_id.value)) {
                prove(volume, step, stop);
            }
            step.detail(std::to_string(++attached) + " volumes at the appliance");
        }
        if (!unproven.empty()) {
            context_.remember(unproven_key, nullptr);
        }
    }

  private:
    void prove(const contracts::Volume& volume, joblog::StepContext& step, const std::stop_token& stop) {
        if (!expected_digest(context_, volume).empty() && !holds_the_point(context_, volume, step, stop)) {
            throw Error(ErrorCode::corrupt,
                        volume.disk_id.value + " is not what the recovery point holds, and has no snapshot",
                        {.consequence = "This copy is not usable.",
                         .remedy = "Remove the machine from management and add it again."});
        }
    }

    RunContext& context_;
};

}  // namespace

StepPtr take_volumes_back(RunContext& context) {
    return std::make_unique<TakeVolumesBack>(context);
}
StepPtr revert_volumes(RunContext& context) {
    return std::make_unique<RevertVolumes>(context);
}
StepPtr snapshot_deletion(RunContext& context) {
    return std::make_unique<SnapshotDeletion>(context);
}
StepPtr volume_reattachment(RunContext& context) {
    return std::make_unique<VolumeReattachment>(context);
}

}  // namespace mk::failover::steps
