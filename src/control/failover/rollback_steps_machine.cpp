// The machine in the cloud on its way out, and what frames a rollback.

#include <algorithm>

#include "base/error.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover::steps {

namespace {

bool is_being_removed(const CloudMachine& machine) {
    return machine.state == "Destroyed" || machine.state == "Expunging";
}

class ReachEverybody : public Step {
  public:
    explicit ReachEverybody(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override {
        return {"ossea-client-initialization", "Reach CloudStack and the Volume Daemon", 1};
    }
    bool only_looks() const override { return true; }
    std::vector<Action> probe(const std::stop_token&) override { return {}; }

    void run(joblog::StepContext&, const std::stop_token& stop) override {
        context_.use.cloud.check(stop);
        context_.use.volumes.volumes_of(context_.vm, stop);
    }

  private:
    RunContext& context_;
};

class ReadRemains : public Step {
  public:
    explicit ReadRemains(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"failover-job-retrieval", "Read what the failover left", 1}; }
    bool only_looks() const override { return true; }
    std::vector<Action> probe(const std::stop_token&) override { return {}; }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        // What the failover sent and did not see the end of must not happen behind the rollback's back.
        context_.use.cloud.settle(context_.failover, stop);
        if (context_.request.live) {
            // Write sessions of a final sync that broke would hold the volumes; repeated here, it may not have worked
            // then.
            context_.use.final_sync.clean_up(context_.failover, context_.vm);
        }
        const auto machine = context_.destination(stop);
        const auto volumes = context_.use.volumes.volumes_of(context_.vm, stop);
        const auto snapshots = std::count_if(volumes.begin(), volumes.end(),
                                             [](const auto& volume) { return volume.snapshot_status != "none"; });
        const auto clones =
            context_.request.on_clones ? context_.use.volumes.clones_of(context_.vm, stop).size() : std::size_t{0};
        step.detail(std::to_string(volumes.size()) + " volumes, " + std::to_string(snapshots) + " snapshots, " +
                    (clones == 0 ? std::string{} : std::to_string(clones) + " volumes of the test, ") +
                    (machine ? "machine " + machine->name + " (" + machine->state + ")" : "no machine"));
    }

  private:
    RunContext& context_;
};

class MachineStop : public Step {
  public:
    explicit MachineStop(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"test-vm-shutdown", "Stop the machine", 1}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        const auto machine = context_.destination(stop);
        if (!machine) {
            refuse_hidden(stop);
            return {};
        }
        if (is_off(*machine)) {
            return {};
        }
        return {{"stop " + machine->name, "machine", machine->id.value}};
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        if (const auto machine = context_.destination(stop)) {
            context_.use.cloud.stop(machine->id, stop);
            step.detail(machine->name + " is stopped");
        }
    }

  private:
    /// Not listed is not off: the machine may have been given to another account, and run on there.
    void refuse_hidden(const std::stop_token& stop) const {
        const auto known = context_.row();
        if (known.destination_vm_id.empty()) {
            return;
        }
        auto volumes = context_.use.volumes.volumes_of(context_.vm, stop);
        const auto clones = context_.use.volumes.clones_of(context_.vm, stop);
        volumes.insert(volumes.end(), clones.begin(), clones.end());
        const bool is_used = std::any_of(volumes.begin(), volumes.end(),
                                         [&](const auto& volume) { return volume.vm_id == known.destination_vm_id; });
        const bool is_nothing_seen =
            !volumes.empty() &&
            std::all_of(volumes.begin(), volumes.end(), [](const auto& volume) { return volume.state == "Absent"; });
        if (is_used || is_nothing_seen) {
            throw Error(ErrorCode::conflict,
                        "this account does not see the machine " + known.destination_vm_name +
                            (is_used ? ", although a volume is attached to it" : " nor any of its volumes"),
                        {.consequence = "It may run; nothing was changed.",
                         .remedy = "Give machine and volumes back to the account of the configured keys, then repeat.",
                         .retry_safe = true});
        }
    }

    RunContext& context_;
};

class MachineDeletion : public Step {
  public:
    explicit MachineDeletion(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"test-vm-deletion", "Delete the machine", 1}; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        const auto machine = context_.destination(stop);
        if (!machine) {
            return entries_to_strike();
        }
        // One that this account may not expunge stays for a while: it was tried.
        if (is_being_removed(*machine) && has_tried_) {
            return {};
        }
        std::vector<Action> left;
        if (!is_being_removed(*machine)) {
            for (const auto& volume : context_.use.volumes.volumes_at(machine->id, stop)) {
                if (!volume.is_replica && !volume.is_clone && volume.type == "ROOT") {
                    left.push_back({"delete the root volume that " + machine->name + " was made with", "volume",
                                    volume.volume_id.value, true});
                }
            }
        }
        left.push_back({"delete " + machine->name, "machine", machine->id.value, true});
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto name = context_.row().destination_vm_name;
        if (const auto machine = context_.destination(stop)) {
            if (!is_being_removed(*machine)) {
                // A failover that died between detaching and deleting it would leave the default root as an orphan.
                context_.use.volumes.discard_default_root(machine->id, stop);
            }
            refuse_with_data(*machine, stop);
            has_tried_ = true;
            if (!context_.use.cloud.destroy(machine->id, stop)) {
                return;
            }
            step.detail(machine->name + " is deleted");
        }
        context_.use.ledger.name_gone("machine", name);
    }

    std::string reservation(const std::stop_token& stop) override {
        const auto machine = context_.destination(stop);
        return machine
                   ? machine->name + " is destroyed; this account may not expunge it, so CloudStack removes it later"
                   : "";
    }

  private:
    std::vector<Action> entries_to_strike() const {
        const auto name = context_.row().destination_vm_name;
        std::vector<Action> left;
        for (const auto& entry : context_.use.ledger.open_entries(context_.vm)) {
            if (entry.kind == "machine" && entry.name == name) {
                left.push_back({"strike " + name + " out of the ledger: it is gone", "record", name});
            }
        }
        return left;
    }

    /// cloudstack.md section 1 fact 4: destroying the machine would delete what is attached to it.
    void refuse_with_data(const CloudMachine& machine, const std::stop_token& stop) const {
        for (const auto& volume : context_.use.volumes.volumes_at(machine.id, stop)) {
            if (volume.is_replica || volume.is_clone) {
                throw Error(ErrorCode::conflict,
                            "volume " + volume.volume_id.value + " with replicated data is still at " + machine.name,
                            {.consequence = "The machine was not deleted.",
                             .remedy = "Run the cleanup again.",
                             .retry_safe = true});
            }
        }
    }

    RunContext& context_;
    bool has_tried_ = false;
};

class CloseFailover : public Step {
  public:
    explicit CloseFailover(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"failover-job-status-update", "Close the failover job", 1}; }

    std::vector<Action> probe(const std::stop_token&) override {
        if (context_.row().status == "rolled_back") {
            return {};
        }
        return {{"record that the failover is rolled back", "record", context_.failover.value}};
    }

    void run(joblog::StepContext&, const std::stop_token&) override {
        context_.use.failovers.set_status(context_.failover, "rolled_back");
    }

  private:
    RunContext& context_;
};

class Record : public Step {
  public:
    Record(RunContext& context, MachineStatus outcome) : context_(context), outcome_(outcome) {}

    joblog::StepPlan plan() const override { return {record_step, "Record the result", 1}; }

    std::vector<Action> probe(const std::stop_token&) override {
        if (context_.machine().status == outcome_) {
            return {};
        }
        return {{"record the machine as: " + std::string(label(outcome_)), "record", context_.vm.value}};
    }

    void run(joblog::StepContext&, const std::stop_token&) override {
        throw Error(ErrorCode::internal, "a result is recorded with the job's end, not by its step");
    }

  private:
    RunContext& context_;
    MachineStatus outcome_;
};

}  // namespace

StepPtr reach_everybody(RunContext& context) {
    return std::make_unique<ReachEverybody>(context);
}
StepPtr read_remains(RunContext& context) {
    return std::make_unique<ReadRemains>(context);
}
StepPtr machine_stop(RunContext& context) {
    return std::make_unique<MachineStop>(context);
}
StepPtr machine_deletion(RunContext& context) {
    return std::make_unique<MachineDeletion>(context);
}
StepPtr close_failover(RunContext& context) {
    return std::make_unique<CloseFailover>(context);
}
StepPtr record(RunContext& context, MachineStatus outcome) {
    return std::make_unique<Record>(context, outcome);
}

}  // namespace mk::failover::steps
