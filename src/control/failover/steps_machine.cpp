// The machine in the cloud: made without being started, and started.

#include "base/error.hpp"
#include "control/failover/guest_notes.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover::steps {

namespace {

class MachineCreation : public Step {
  public:
    explicit MachineCreation(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override {
        return {"destination-vm-creation", context_.request.live ? "Create the machine" : "Create the test machine", 1};
    }
    std::string undone_by() const override { return "test-vm-deletion"; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        const auto known = context_.row();
        // The id is recorded last: with it everything else is.
        if (!known.destination_vm_id.empty() && context_.use.cloud.find(known.destination_vm_id, stop)) {
            return {};
        }
        return {{"make the machine " + name_for(known), "machine", name_for(known)}};
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        const auto known = context_.row();
        if (!known.destination_vm_id.empty()) {
            throw Error(ErrorCode::conflict,
                        "the machine " + known.destination_vm_name + " was deleted in CloudStack by somebody else",
                        {.consequence = "The copy is protected by its snapshots.",
                         .remedy = "Roll back with: migratekit cleanup run " + context_.vm.value,
                         .retry_safe = true});
        }
        const auto order = order_for(name_for(known));
        const bool is_cut_off = !known.destination_vm_name.empty();
        if (!is_cut_off && is_taken(order.name, stop)) {
            throw Error(ErrorCode::conflict, "CloudStack has a machine named " + order.name + " already",
                        {.consequence = "The copy is protected by its snapshots.",
                         .remedy = "Rename or remove that machine, clean up and start again.",
                         .retry_safe = true});
        }
        deploy(order, is_cut_off, stop);
        step.detail(order.name + " with " + std::to_string(order.cpus) + " CPUs and " +
                    std::to_string(order.memory_mb) + " MiB");
    }

  private:
    /// One that is destroyed already does not stand in the way.
    bool is_taken(const std::string& name, const std::stop_token& stop) const {
        const auto found = context_.use.cloud.find_by_name(name, stop);
        return found && found->state != "Destroyed";
    }

    std::string name_for(const FailoverJob& known) const {
        return known.destination_vm_name.empty()
                   ? destination_name(context_.request.live, known.source_vm_name, context_.use.clock.now())
                   : known.destination_vm_name;
    }

    MachineOrder order_for(const std::string& name) const {
        const auto source = context_.machine().source;
        const auto prepared = prepared_guest(context_);
        MachineOrder order;
        order.name = name;
        order.display_name = context_.request.live ? source.name : source.name + " (test)";
        order.cpus = source.cpus;
        order.memory_mb = source.memory_mb;
        order.firmware = prepared && prepared->needs_uefi ? "uefi" : source.firmware;
        order.secure_boot = source.secure_boot;
        order.nics = nics_of(context_.row());
        return order;
    }

    /// `is_cut_off`: an earlier process recorded the name and died; it may have made the machine.
    void deploy(const MachineOrder& order, bool is_cut_off, const std::stop_token& stop) {
        auto& use = context_.use;
        // The name alone, so that the rollback finds the machine even when the answer with its id is lost. Before the
        // ledger: the rollback closes the entry of this name.
        use.failovers.set_destination(context_.failover, {}, order.name);
        const auto entry = use.ledger.intend(ledger::Site::target, "machine", order.name, context_.vm, context_.job);
        const auto found = is_cut_off ? use.cloud.find_by_name(order.name, stop) : std::nullopt;
        const auto made = found ? *found : create(order, entry, stop);
        use.ledger.confirm(entry, made.id.value);
        use.failovers.set_destination(context_.failover, made.id, order.name);
    }

    CloudMachine create(const MachineOrder& order, const std::string& entry, const std::stop_token& stop) {
        auto& use = context_.use;
        try {
            return use.cloud.create(order, stop);
        } catch (const Error& error) {
            // Where nobody knows what came of it the rollback looks for the name. Otherwise it was refused: a machine
            // that has this name now or later may be somebody else's, and must not fall to the rollback.
            const bool is_unknown = error.code() == ErrorCode::timeout || error.code() == ErrorCode::cancelled;
            const bool is_sure = error.code() == ErrorCode::invalid || error.code() == ErrorCode::conflict;
            if (!is_unknown) {
                const bool is_there = use.cloud.find_by_name(order.name, stop).has_value();
                if (is_sure || !is_there) {
                    use.failovers.set_destination(context_.failover, {}, "");
                }
                if (!is_there) {
                    use.ledger.gone(entry);
                }
            }
            throw;
        }
    }

    RunContext& context_;
};

class MachineStart : public Step {
  public:
    explicit MachineStart(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override {
        return {start_step, context_.request.live ? "Start the machine" : "Start the test machine", 8};
    }
    std::string undone_by() const override { return "test-vm-shutdown"; }

    std::vector<Action> probe(const std::stop_token& stop) override {
        const auto machine = context_.require_destination(stop);
        std::vector<Action> left;
        if (machine.state != "Running") {
            left.push_back({"start " + machine.name, "machine", machine.id.value});
        }
        const auto verdict = context_.row().boot_verdict;
        if (verdict != to_string(BootVerdict::booted) && verdict != to_string(BootVerdict::not_proven)) {
            left.push_back({"see " + machine.name + " boot", "machine", machine.id.value});
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        auto machine = context_.require_destination(stop);
        if (machine.state != "Running") {
            machine = context_.use.cloud.start(machine.id, stop);
        }
        step.detail("started; waiting for it to boot");
        auto evidence = context_.use.boot.observe(machine, context_.request.boot, stop);
        evidence.observations.push_back(volumes_seen(machine, stop));
        context_.use.failovers.set_boot(context_.failover, evidence);
        if (evidence.verdict == BootVerdict::failed) {
            throw Error(ErrorCode::external, "the machine did not boot: " + evidence.text,
                        {.consequence = "The copy is protected by its snapshots.",
                         .remedy = "Look at its console in CloudStack; roll back with: migratekit cleanup run " +
                                   context_.row().source_vm_name,
                         .retry_safe = true});
        }
        step.detail(evidence.text);
    }

    std::string reservation(const std::stop_token&) override {
        const auto known = context_.row();
        return known.boot_verdict == to_string(BootVerdict::not_proven) ? "Boot not proven: " + known.boot_evidence
                                                                        : "";
    }

  private:
    /// How CloudStack shows them: the root first, the others in the order in which they were attached.
    BootObservation volumes_seen(const CloudMachine& machine, const std::stop_token& stop) const {
        std::string text;
        for (const auto& volume : context_.use.volumes.volumes_at(machine.id, stop)) {
            text += (text.empty() ? "" : ", ") + volume.type + " " + volume.volume_id.value;
        }
        return {.when = context_.use.clock.now(), .probe = "volumes", .is_proof = false, .text = text};
    }

    RunContext& context_;
};

}  // namespace

StepPtr machine_creation(RunContext& context) {
    return std::make_unique<MachineCreation>(context);
}
StepPtr machine_start(RunContext& context) {
    return std::make_unique<MachineStart>(context);
}

}  // namespace mk::failover::steps
