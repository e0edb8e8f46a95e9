// A test on clones: volumes made from the snapshots, the replicas back to the appliance, and the clones' end.

#include <algorithm>

#include "base/error.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover::steps {

namespace {

class CloneCreation : public Step {
  public:
    explicit CloneCreation(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"volume-clone-creation", "Make volumes from the snapshots", 6}; }
    std::string undone_by() const override { return "volume-clone-deletion"; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        const auto clones = context_.clones(stop);
        std::vector<Action> left;
        for (const auto& disk : context_.disks()) {
            // One that CloudStack has in another state was cut off: its first attachment would fill it with zeros.
            const auto is_made = std::any_of(clones.begin(), clones.end(), [&](const auto& clone) {
                return clone.disk_id == disk.disk_id && clone.state == "Ready";
            });
            if (!is_made) {
                left.push_back({"make a volume from the snapshot of " + disk.disk_id.value, "volume_clone",
                                name_for(disk.disk_id)});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto replicas = context_.replicas(stop);
        const auto report = [&](const std::string& text) { step.detail(text); };
        std::size_t made = 0;
        for (const auto& replica : replicas) {
            context_.use.volumes.create_clone(replica.volume_id, name_for(replica.disk_id), report, stop);
            step.detail(count_of(++made, replicas.size(), "volumes made"));
        }
    }

  private:
    std::string name_for(const DiskId& disk) const { return clone_name(context_.vm, disk, context_.row().created); }

    RunContext& context_;
};

/// From here on increments can go on.
class VolumeReturn : public Step {
  public:
    explicit VolumeReturn(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"volume-return", "Attach the replicas to the appliance", 2}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& volume : context_.replicas(stop)) {
            if (volume.operation_mode != "oma") {
                left.push_back({"attach " + name_of(volume) + " to the appliance", "volume", volume.volume_id.value});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto replicas = context_.replicas(stop);
        std::size_t returned = 0;
        for (const auto& replica : replicas) {
            context_.use.volumes.attach_to_appliance(replica.volume_id, stop);
            step.detail(count_of(++returned, replicas.size(), "replicas at the appliance"));
        }
    }

  private:
    RunContext& context_;
};

class CloneDeletion : public Step {
  public:
    explicit CloneDeletion(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"volume-clone-deletion", "Delete the volumes of the test", 1}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        for (const auto& clone : context_.use.volumes.clones_of(context_.vm, stop)) {
            left.push_back({"delete the test's volume of " + clone.disk_id.value + " (" + clone.name + ")",
                            "volume_clone", clone.volume_id.empty() ? clone.name : clone.volume_id.value, true});
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        std::size_t deleted = 0;
        for (const auto& clone : context_.use.volumes.clones_of(context_.vm, stop)) {
            context_.use.volumes.remove_clone(clone.volume_id, stop);
            step.detail(std::to_string(++deleted) + " volumes of the test deleted");
        }
    }

  private:
    RunContext& context_;
};

}  // namespace

StepPtr clone_creation(RunContext& context) {
    return std::make_unique<CloneCreation>(context);
}
StepPtr volume_return(RunContext& context) {
    return std::make_unique<VolumeReturn>(context);
}
StepPtr clone_deletion(RunContext& context) {
    return std::make_unique<CloneDeletion>(context);
}

}  // namespace mk::failover::steps
