// The guest is made bootable on KVM, on volumes that their snapshots protect.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "control/failover/guest_notes.hpp"
#include "control/failover/steps.hpp"

namespace mk::failover {

namespace {

/// Noted before the conversion begins: what is on the disks is not known from then on until its outcome is noted.
constexpr const char* begun_key = "guest_preparation_begun";
constexpr const char* prepared_key = "guest_prepared";

}  // namespace

std::optional<Preparation> prepared_guest(const RunContext& context) {
    const auto noted = context.recall(prepared_key);
    if (!noted.is_object()) {
        return std::nullopt;
    }
    return Preparation{.ready = json::value_or<bool>(noted, "ready", false),
                       .needs_uefi = json::value_or<bool>(noted, "needs_uefi", false),
                       .text = json::value_or<std::string>(noted, "text", "")};
}

namespace steps {

namespace {

class DriverInjection : public Step {
  public:
    explicit DriverInjection(RunContext& context) : context_(context) {}

    joblog::StepPlan plan() const override { return {"virtio-injection", "Add VirtIO drivers", 20}; }
    std::string undone_by() const override {
        return context_.request.on_clones ? "volume-clone-deletion" : "cloudstack-snapshot-rollback";
    }

    std::vector<Action> probe(const std::stop_token& stop) override {
        std::vector<Action> left;
        if (!prepared_guest(context_)) {
            left.push_back({"add VirtIO drivers to the guest", "machine", context_.vm.value});
        }
        // Not guest_volumes(): a clone may be missing while it is made anew.
        for (const auto& volume : context_.request.on_clones ? context_.clones(stop) : context_.replicas(stop)) {
            if (volume.operation_mode == "oma") {
                left.push_back({"detach " + name_of(volume) + " from the appliance", "volume", volume.volume_id.value});
            }
        }
        return left;
    }

    void run(joblog::StepContext& step, const std::stop_token& stop) override {
        if (!prepared_guest(context_)) {
            prepare(step, stop);
        }
        for (const auto& volume : context_.guest_volumes(stop)) {
            context_.use.volumes.detach(volume.volume_id, stop);
        }
    }

    /// G11: in a live failover a warning with guidance; the source can still be started again.
    std::string reservation(const std::stop_token&) override {
        const auto prepared = prepared_guest(context_);
        if (!prepared || prepared->ready) {
            return {};
        }
        return "The drivers could not be added: " + prepared->text +
               " The machine may not boot. It is started from the unchanged copy: add the drivers to it in CloudStack "
               "(virtio_blk, virtio_scsi, virtio_net in its initial RAM disk; virtio-win for Windows), or go back, "
               "which starts the source again: migratekit failover back " +
               context_.vm.value;
    }

  private:
    void prepare(joblog::StepContext& step, const std::stop_token& stop) {
        if (context_.recall(begun_key) == true) {
            step.warn("An earlier conversion was cut off: the disks are brought back to their snapshots first");
            restore(step, stop);
        }
        const auto machine = context_.machine();
        std::vector<GuestDisk> disks;
        for (const auto& volume : context_.guest_volumes(stop)) {
            const auto attached = context_.use.volumes.attach_to_appliance(volume.volume_id, stop);
            disks.push_back(
                {.device_path = attached.device_path, .source_bus = source_bus(machine.source, volume.disk_id)});
        }
        context_.remember(begun_key, true);
        step.detail("inspecting and converting the guest");
        const auto prepared = convert(disks, machine.source, step, stop);
        if (!prepared.ready) {
            restore(step, stop);  // a live failover goes on with what is known, not with half a conversion
        } else {
            step.detail(prepared.text);
        }
        context_.remember(
            prepared_key,
            Json{{"ready", prepared.ready}, {"needs_uefi", prepared.needs_uefi}, {"text", prepared.text}});
    }

    /// Throws in a test whatever was wrong.
    Preparation convert(const std::vector<GuestDisk>& disks, const SourceMachine& source, joblog::StepContext& step,
                        const std::stop_token& stop) {
        Preparation prepared;
        try {
            prepared =
                context_.use.guest.prepare(disks, source, [&](const std::string& line) { step.info(line); }, stop);
        } catch (const Error& error) {
            if (!context_.request.live || error.code() == ErrorCode::cancelled || stop.stop_requested()) {
                throw;
            }
            prepared = {.ready = false, .needs_uefi = false, .text = error.full_text()};
        }
        if (!prepared.ready && !context_.request.live) {
            throw Error(ErrorCode::external, "the drivers could not be added: " + prepared.text,
                        {.consequence = "The copy is protected by its snapshots.",
                         .remedy = "Roll back with: migratekit cleanup run " + source.name + ", then mend the guest.",
                         .retry_safe = true});
        }
        return prepared;
    }

    /// The disks as they were before the conversion.
    void restore(joblog::StepContext& step, const std::stop_token& stop) {
        const auto report = [&](const std::string& text) { step.detail(text); };
        if (!context_.request.on_clones) {
            for (const auto& volume : context_.replicas(stop)) {
                context_.use.volumes.detach(volume.volume_id, stop);
                context_.use.volumes.revert_snapshot(volume.volume_id, report, stop);
            }
            return;
        }
        for (const auto& clone : context_.use.volumes.clones_of(context_.vm, stop)) {
            if (clone.vm_id) {
                context_.use.volumes.detach(clone.volume_id, stop);
            }
            context_.use.volumes.remove_clone(clone.volume_id, stop);
        }
        const auto begun = context_.row().created;
        for (const auto& replica : context_.replicas(stop)) {
            context_.use.volumes.create_clone(replica.volume_id, clone_name(context_.vm, replica.disk_id, begun),
                                              report, stop);
        }
    }

    RunContext& context_;
};

}  // namespace

StepPtr driver_injection(RunContext& context) {
    return std::make_unique<DriverInjection>(context);
}

}  // namespace steps

}  // namespace mk::failover
