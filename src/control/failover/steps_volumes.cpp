// The replicas on their way into the machine in the cloud: away from the appliance, snapshotted, attached.

#include <algorithm>

#include "base/error.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover::steps {

namespace {

class VolumeDetachment : public Step {
  public:
    explicit VolumeDetachment(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"volume-detachment", "Detach the volumes", 2}; }
    std::string undone_by() const override { return "volume-reattachment-to-oma"; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& volume : context_.replicas(stop)) {
            if (volume.vm_id) {
                left.push_back({"detach " + name_of(volume) + " from the appliance", "volume", volume.volume_id.value});
            }
        }
        const auto point = context_.point();
        for (const auto& disk : point ? point->disks : std::vector<RecoveryPointDisk>{}) {
            if (is_to_be_read(disk)) {
                left.push_back(
                    {"read " + disk.disk_id.value + " once: its digest is not known", "volume", disk.volume_id.value});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        context_.use.final_sync.drop_resumable(context_.vm);
        const auto volumes = context_.replicas(stop);
        learn_digests(volumes, step, stop);
        std::size_t detached = 0;
        for (const auto& volume : volumes) {
            context_.use.volumes.detach(volume.volume_id, stop);
            step.detail(count_of(++detached, volumes.size(), "detached"));
        }
    }

  private:
    /// A volume that was grown since the recovery point has another digest than the one stored, of a point that is torn
    /// there is none, and a copy that is known to differ and was accepted is not what its point says.
    bool is_to_be_read(const RecoveryPointDisk& disk) const {
        return disk.digest.empty() ||
               (context_.request.accept_unverified && context_.digest_before(disk.volume_id).empty());
    }

    /// Reads such volumes while nothing is changed yet, so that the rollback can prove that it brought everything back.
    void learn_digests(const std::vector<contracts::Volume>& volumes, joblog::StepContext& step,
                       const std::stop_token& stop) {
        const auto point = context_.point();
        for (const auto& disk : point ? point->disks : std::vector<RecoveryPointDisk>{}) {
            const auto volume =
                std::find_if(volumes.begin(), volumes.end(), [&](const auto& v) { return v.disk_id == disk.disk_id; });
            if (!is_to_be_read(disk) || volume == volumes.end()) {
                continue;
            }
            step.detail("reading " + disk.disk_id.value + " once: its digest is not known");
            context_.use.volumes.attach_to_appliance(volume->volume_id, stop);
            const auto digest = context_.use.volumes.digest(
                volume->volume_id, [&](const std::string& text) { step.detail(text); }, stop);
            if (disk.digest.empty()) {
                context_.use.recovery_points.set_digest(point->id, disk.disk_id, digest);
            }
            if (context_.request.accept_unverified) {
                context_.note_digest_before(volume->volume_id, digest);
            }
        }
    }

    RunContext& context_;
};

class SnapshotCreation : public Step {
  public:
    explicit SnapshotCreation(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"multi-volume-snapshot-creation", "Snapshot every volume", 4}; }
    std::string undone_by() const override { return "cloudstack-snapshot-deletion"; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& volume : context_.replicas(stop)) {
            if (!has_snapshot(volume)) {
                left.push_back({"snapshot " + name_of(volume), "volume_snapshot", volume.volume_id.value});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        // Again: nothing was detached where nothing was attached, and a session would hold its volume all the same.
        context_.use.final_sync.drop_resumable(context_.vm);
        const auto begun = context_.row().created;
        const auto volumes = context_.replicas(stop);
        std::size_t done = 0;
        for (const auto& volume : volumes) {
            take(volume, snapshot_name(context_.request.live, context_.vm, volume.volume_id, begun), step, stop);
            step.detail(count_of(++done, volumes.size(), "snapshots ready"));
        }
    }

  private:
    void take(const contracts::Volume& volume, const std::string& name, joblog::StepContext& step,
              const std::stop_token& stop) {
        const auto report = [&](const std::string& text) { step.detail(text); };
        if (context_.request.on_clones) {
            context_.use.volumes.create_snapshot_for_clones(volume.volume_id, name, report, stop);
            return;
        }
        const auto snapshot = context_.use.volumes.create_snapshot(volume.volume_id, name, report, stop);
        if (!snapshot.revertable) {
            throw Error(ErrorCode::conflict, "the storage cannot revert the snapshot of " + volume.disk_id.value,
                        {.consequence = "The copy is unchanged.",
                         .remedy = "Use a storage pool that can revert volume snapshots, or test with --on-clones.",
                         .retry_safe = true});
        }
    }

    RunContext& context_;
};

class VolumeAttachment : public Step {
  public:
    explicit VolumeAttachment(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"volume-attachment", "Attach the volumes", 3}; }
    std::string undone_by() const override { return "volume-detachment"; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        const auto machine = context_.require_destination(stop);
        const auto volumes = context_.guest_volumes(stop);
        const auto there = context_.use.volumes.volumes_at(machine.id, stop);
        std::vector<Action> left;
        for (const auto& at : there) {
            const bool is_wanted = std::any_of(volumes.begin(), volumes.end(),
                                               [&](const auto& volume) { return volume.volume_id == at.volume_id; });
            if (!is_wanted && at.type == "ROOT") {
                left.push_back({"delete the root volume that " + machine.name + " was made with", "volume",
                                at.volume_id.value, true});
            } else if (!is_wanted) {
                left.push_back({"by hand: take the volume " + at.volume_id.value + ", which is not ours, away from " +
                                    machine.name,
                                "volume", at.volume_id.value});
            }
        }
        for (std::size_t i = 0; i < volumes.size(); ++i) {
            const std::string type = i == 0 ? "ROOT" : "DATADISK";
            const bool is_there = std::any_of(there.begin(), there.end(), [&](const auto& at) {
                return at.volume_id == volumes[i].volume_id && at.type == type;
            });
            if (!is_there) {
                left.push_back(
                    {"attach " + name_of(volumes[i]) + " to " + machine.name, "volume", volumes[i].volume_id.value});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto machine = context_.require_destination(stop);
        const auto volumes = context_.guest_volumes(stop);
        context_.use.volumes.discard_default_root(machine.id, stop);
        context_.use.volumes.attach_as_root(volumes.front().volume_id, machine.id, stop);
        step.detail(count_of(1, volumes.size(), "attached"));
        for (std::size_t i = 1; i < volumes.size(); ++i) {
            context_.use.volumes.attach_as_data(volumes[i].volume_id, machine.id, stop);
            step.detail(count_of(i + 1, volumes.size(), "attached"));
        }
    }

  private:
    RunContext& context_;
};

}  // namespace

StepPtr volume_detachment(RunContext& context) {
    return std::make_unique<VolumeDetachment>(context);
}
StepPtr snapshot_creation(RunContext& context) {
    return std::make_unique<SnapshotCreation>(context);
}
StepPtr volume_attachment(RunContext& context) {
    return std::make_unique<VolumeAttachment>(context);
}

}  // namespace mk::failover::steps
