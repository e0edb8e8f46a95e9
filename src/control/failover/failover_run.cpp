#include "control/failover/failover_run.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/retry.hpp"
#include "control/failover/preflight.hpp"

namespace mk::failover {

namespace {

std::string count_of(std::size_t done, std::size_t all, const char* what) {
    return std::to_string(done) + " of " + std::to_string(all) + " " + what;
}

/// The bus as the guest saw it at VMware, in virt-v2v's words.
std::string source_bus(const SourceMachine& source, const DiskId& disk) {
    for (const auto& candidate : source.disks) {
        if (candidate.id == disk) {
            const auto& controller = candidate.controller;
            return controller == "ide" || controller == "sata" || controller == "nvme" ? controller : "scsi";
        }
    }
    return "scsi";
}

}  // namespace

FailoverRun::FailoverRun(Collaborators& use, JobId job, VmContextId vm, FailoverRequest request)
    : use_(use), job_(std::move(job)), vm_(std::move(vm)), request_(std::move(request)) {}

void FailoverRun::run(const std::stop_token& stop) {
    auto& log = use_.job_log;
    const auto step = [&](const char* name, void (FailoverRun::*body)(joblog::StepContext&, const std::stop_token&)) {
        throw_if_cancelled(stop);
        log.run_step(job_, name, [&](joblog::StepContext& context) { (this->*body)(context, stop); });
    };
    step("pre-failover-validation", &FailoverRun::validate);
    if (request_.live) {
        step("source-shutdown", &FailoverRun::shut_source_down);
        sync_last_changes(stop);
    }
    step("volume-detachment", &FailoverRun::detach_volumes);
    step("multi-volume-snapshot-creation", &FailoverRun::snapshot_volumes);
    step("virtio-injection", &FailoverRun::inject_drivers);
    step("destination-vm-creation", &FailoverRun::create_machine);
    step("volume-attachment", &FailoverRun::attach_volumes);
    step("vm-startup-and-validation", &FailoverRun::start_and_prove);
}

void FailoverRun::throw_if_cancelled(const std::stop_token& stop) const {
    if (stop.stop_requested() || use_.job_log.is_cancel_requested(job_)) {
        throw Error(ErrorCode::cancelled, "the failover was stopped",
                    {.consequence = "Volumes and machine stay as they are until the rollback.",
                     .remedy = "Roll back with: migratekit cleanup run " + vm_.value,
                     .retry_safe = true});
    }
}

void FailoverRun::validate(joblog::StepContext& step, const std::stop_token& stop) {
    machine_ = *use_.machines.find(vm_);
    const auto result = preflight(use_, machine_, request_, stop);
    for (const auto& finding : result.findings) {
        step.info(finding.text);
    }
    require_passed(result, machine_.source.name);
    network_ids_ = result.network_ids;
    if (const auto point = use_.recovery_points.latest(vm_)) {
        use_.failovers.set_recovery_point(job_, point->id);
    }
}

contracts::PowerState FailoverRun::source_power(const std::string& action, const std::stop_token& stop) {
    return use_.power.power(
        {.vcenter = use_.credentials.access(machine_.credential_id), .moref = machine_.source.moref, .action = action},
        stop);
}

void FailoverRun::shut_source_down(joblog::StepContext& step, const std::stop_token& stop) {
    auto state = source_power("state", stop);
    if (state.power_state == "poweredOff") {
        step.detail("the source is off already");
        return;
    }
    // Before the deed: a rollback after a crash must know that the source was on.
    use_.job_log.remember(job_, source_was_running_key, true);
    touched_ = true;
    const auto is_off = [&] { return source_power("state", stop).power_state == "poweredOff"; };
    const Advice still_running = {.consequence = "The source still runs; the copy is unchanged.",
                                  .remedy = "Shut it down yourself, or allow a hard power-off with --force-power-off.",
                                  .retry_safe = true};
    if (state.tools_running) {
        step.detail("asking the guest to shut down");
        source_power("shutdown", stop);
        try {
            wait_until(is_off, use_.pacing.power_poll, request_.shutdown_limit, stop,
                       "the guest did not shut down in time");
        } catch (const Error& error) {
            if (error.code() != ErrorCode::timeout || !request_.force_power_off) {
                throw error.advised(still_running);
            }
        }
    }
    if (!is_off()) {
        if (!request_.force_power_off) {
            throw Error(ErrorCode::conflict, "the guest cannot be shut down cleanly: VMware Tools do not run",
                        still_running);
        }
        step.warn("powering the source off");
        source_power("power_off", stop);
        wait_until(is_off, use_.pacing.power_poll, use_.pacing.power_off_limit, stop, "the source did not power off");
    }
    step.detail("the source is off");
}

void FailoverRun::sync_last_changes(const std::stop_token& stop) {
    throw_if_cancelled(stop);
    touched_ = true;
    const auto point = use_.final_sync.run(job_, vm_, stop);
    use_.failovers.set_recovery_point(job_, point.id);
    machine_ = *use_.machines.find(vm_);
    if (source_power("state", stop).power_state != "poweredOff") {
        // vsphere.md section 4: a machine that was powered on again before the last pass ended aborts the failover.
        throw Error(ErrorCode::conflict, "the source was powered on again during the final sync",
                    {.consequence = "The failover was not carried out.",
                     .remedy = "Clean up and start the live failover again."});
    }
}

/// A volume that was grown since the recovery point has another digest than the one stored: read it while nothing is
/// changed yet, so that the rollback can prove that it brought everything back.
void FailoverRun::learn_digests(const std::vector<contracts::Volume>& volumes, joblog::StepContext& step,
                                const std::stop_token& stop) {
    const auto point = use_.recovery_points.latest(vm_);
    for (const auto& disk : point ? point->disks : std::vector<RecoveryPointDisk>{}) {
        const auto volume =
            std::find_if(volumes.begin(), volumes.end(), [&](const auto& v) { return v.disk_id == disk.disk_id; });
        if (!disk.digest.empty() || volume == volumes.end()) {
            continue;
        }
        step.detail("reading " + disk.disk_id.value + " once: it was grown since the recovery point");
        use_.volumes.attach_to_appliance(volume->volume_id, stop);
        const auto digest =
            use_.volumes.digest(volume->volume_id, [&](const std::string& text) { step.detail(text); }, stop);
        use_.recovery_points.set_digest(point->id, disk.disk_id, digest);
    }
}

void FailoverRun::detach_volumes(joblog::StepContext& step, const std::stop_token& stop) {
    const auto disks = boot_disk_first(use_.machines.disks(vm_), machine_.boot_disk);
    use_.final_sync.drop_resumable(vm_);
    const auto known = use_.volumes.volumes_of(vm_, stop);
    learn_digests(known, step, stop);
    touched_ = true;
    volumes_.clear();
    for (const auto& disk : disks) {
        const auto volume =
            std::find_if(known.begin(), known.end(), [&](const auto& v) { return v.disk_id == disk.disk_id; });
        if (volume == known.end()) {
            throw Error(ErrorCode::conflict, disk.disk_id.value + " has no volume in CloudStack");
        }
        use_.volumes.detach(volume->volume_id, stop);
        volumes_.push_back(*volume);
        step.detail(count_of(volumes_.size(), disks.size(), "detached"));
    }
}

void FailoverRun::snapshot_volumes(joblog::StepContext& step, const std::stop_token& stop) {
    std::size_t done = 0;
    for (const auto& volume : volumes_) {
        const auto name = snapshot_name(request_.live, vm_, volume.volume_id, use_.clock.now());
        const auto snapshot = use_.volumes.create_snapshot(
            volume.volume_id, name, [&](const std::string& text) { step.detail(text); }, stop);
        if (!snapshot.revertable) {
            throw Error(ErrorCode::conflict, "the storage cannot revert the snapshot of " + volume.disk_id.value,
                        {.consequence = "The copy is unchanged.",
                         .remedy = "Use a storage pool that can revert volume snapshots.",
                         .retry_safe = true});
        }
        step.detail(count_of(++done, volumes_.size(), "snapshots ready"));
    }
}

void FailoverRun::inject_drivers(joblog::StepContext& step, const std::stop_token& stop) {
    std::vector<GuestDisk> disks;
    for (const auto& volume : volumes_) {
        const auto attached = use_.volumes.attach_to_appliance(volume.volume_id, stop);
        disks.push_back(
            {.device_path = attached.device_path, .source_bus = source_bus(machine_.source, volume.disk_id)});
    }
    step.detail("inspecting and converting the guest");
    Preparation prepared;
    try {
        prepared = use_.guest.prepare(disks, machine_.source, [&](const std::string& line) { step.info(line); }, stop);
    } catch (const Error& error) {
        if (!request_.live || error.code() == ErrorCode::cancelled) {
            throw;
        }
        prepared.text = error.full_text();
    }
    if (!prepared.ready && !request_.live) {
        throw Error(
            ErrorCode::external, "the drivers could not be added: " + prepared.text,
            {.consequence = "The copy is protected by its snapshots.",
             .remedy = "Roll back with: migratekit cleanup run " + machine_.source.name + ", then mend the guest.",
             .retry_safe = true});
    }
    if (!prepared.ready) {
        // G11: in a live failover a warning with guidance; the source can still be restarted by the rollback.
        step.finish_with_warning("The drivers could not be added: " + prepared.text +
                                 " The machine may not boot; the source can be started again by the cleanup.");
    }
    needs_uefi_ = prepared.needs_uefi;
    for (const auto& volume : volumes_) {
        use_.volumes.detach(volume.volume_id, stop);
    }
    if (prepared.ready) {
        step.detail(prepared.text);
    }
}

MachineOrder FailoverRun::machine_order() const {
    MachineOrder order;
    order.name = destination_name(request_.live, machine_.source.name, use_.clock.now());
    order.display_name = request_.live ? machine_.source.name : machine_.source.name + " (test)";
    order.cpus = machine_.source.cpus;
    order.memory_mb = machine_.source.memory_mb;
    order.firmware = needs_uefi_ ? "uefi" : machine_.source.firmware;
    order.secure_boot = machine_.source.secure_boot;
    order.network_ids = network_ids_;
    return order;
}

void FailoverRun::create_machine(joblog::StepContext& step, const std::stop_token& stop) {
    const auto order = machine_order();
    if (use_.cloud.find_by_name(order.name, stop)) {
        throw Error(ErrorCode::conflict, "CloudStack has a machine named " + order.name + " already",
                    {.consequence = "The copy is protected by its snapshots.",
                     .remedy = "Rename or remove that machine, clean up and start again.",
                     .retry_safe = true});
    }
    destination_ = deploy(order, stop).id;
    step.detail(order.name + " with " + std::to_string(order.cpus) + " CPUs and " + std::to_string(order.memory_mb) +
                " MiB");
}

CloudMachine FailoverRun::deploy(const MachineOrder& order, const std::stop_token& stop) {
    // The name alone, so that the rollback finds the machine even when the answer with its id is lost. Before the
    // ledger: the rollback closes the entry of this name.
    use_.failovers.set_destination(job_, {}, order.name);
    const auto entry = use_.ledger.intend(ledger::Site::target, "machine", order.name, vm_, job_);
    CloudMachine created;
    try {
        created = use_.cloud.create(order, stop);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::invalid || error.code() == ErrorCode::conflict) {
            // Refused. If a machine has this name now it may be somebody else's, and must not fall to the rollback.
            use_.failovers.set_destination(job_, {}, "");
            if (!use_.cloud.find_by_name(order.name, stop)) {
                use_.ledger.gone(entry);
            }
        }
        throw;
    }
    use_.failovers.set_destination(job_, created.id, order.name);
    use_.ledger.confirm(entry, created.id.value);
    return created;
}

void FailoverRun::attach_volumes(joblog::StepContext& step, const std::stop_token& stop) {
    use_.volumes.discard_default_root(destination_, stop);
    use_.volumes.attach_as_root(volumes_.front().volume_id, destination_, stop);
    step.detail(count_of(1, volumes_.size(), "attached"));
    for (std::size_t i = 1; i < volumes_.size(); ++i) {
        use_.volumes.attach_as_data(volumes_[i].volume_id, destination_, stop);
        step.detail(count_of(i + 1, volumes_.size(), "attached"));
    }
    const auto there = use_.volumes.volumes_at(destination_, stop);
    const auto root = std::find_if(there.begin(), there.end(), [](const auto& v) { return v.type == "ROOT"; });
    if (there.size() != volumes_.size() || root == there.end() || root->volume_id != volumes_.front().volume_id) {
        throw Error(ErrorCode::external, "CloudStack shows " +
                                             count_of(there.size(), volumes_.size(), "volumes at the machine") +
                                             ", or another root than the boot disk");
    }
}

void FailoverRun::start_and_prove(joblog::StepContext& step, const std::stop_token& stop) {
    const auto machine = use_.cloud.start(destination_, stop);
    step.detail("started; waiting for it to boot");
    const auto evidence = use_.boot.observe(machine, request_.probe, request_.boot_limit, stop);
    use_.failovers.set_boot(job_, std::string(to_string(evidence.verdict)), evidence.text);
    if (evidence.verdict == BootVerdict::failed) {
        throw Error(ErrorCode::external, "the machine did not boot: " + evidence.text,
                    {.consequence = "The copy is protected by its snapshots.",
                     .remedy = "Look at its console in CloudStack; roll back with: migratekit cleanup run " +
                               machine_.source.name,
                     .retry_safe = true});
    }
    if (evidence.verdict == BootVerdict::not_proven) {
        step.finish_with_warning("Boot not proven: " + evidence.text);
        return;
    }
    step.detail(evidence.text);
}

}  // namespace mk::failover
