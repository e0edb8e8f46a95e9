#include "control/failover/rollback_run.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "control/failover/failover_plan.hpp"

namespace mk::failover {

namespace {

bool has_snapshot(const contracts::Volume& volume) {
    return volume.snapshot_status == "ready" || volume.snapshot_status == "rollback_complete";
}

}  // namespace

RollbackRun::RollbackRun(Collaborators& use, JobId job, VmContextId vm, FailoverJob failover)
    : use_(use), job_(std::move(job)), vm_(std::move(vm)), failover_(std::move(failover)) {}

void RollbackRun::run(const std::stop_token& stop) {
    auto& log = use_.job_log;
    const auto step = [&](const char* name, void (RollbackRun::*body)(joblog::StepContext&, const std::stop_token&)) {
        log.run_step(job_, name, [&](joblog::StepContext& context) { (this->*body)(context, stop); });
    };
    log.run_step(job_, "ossea-client-initialization", [&](joblog::StepContext&) {
        use_.cloud.check(stop);
        use_.volumes.volumes_of(vm_, stop);
    });
    step("failover-job-retrieval", &RollbackRun::read_remains);
    step("test-vm-shutdown", &RollbackRun::stop_machine);
    step("volume-detachment", &RollbackRun::detach_volumes);
    step("cloudstack-snapshot-rollback", &RollbackRun::revert_volumes);
    step("cloudstack-snapshot-deletion", &RollbackRun::delete_snapshots);
    step("volume-reattachment-to-oma", &RollbackRun::reattach_volumes);
    step("test-vm-deletion", &RollbackRun::delete_machine);
    log.run_step(job_, "failover-job-status-update",
                 [&](joblog::StepContext&) { use_.failovers.set_status(failover_.job_id, "rolled_back"); });
    if (failover_.live) {
        step("source-restart", &RollbackRun::restart_source);
    }
}

void RollbackRun::read_remains(joblog::StepContext& step, const std::stop_token& stop) {
    if (failover_.live) {
        // Write sessions of a final sync that broke would hold the volumes; repeated here, it may not have worked then.
        use_.final_sync.clean_up(failover_.job_id, vm_);
    }
    point_ = use_.recovery_points.latest(vm_);
    if (!failover_.destination_vm_id.empty()) {
        machine_ = use_.cloud.find(failover_.destination_vm_id, stop);
    } else if (!failover_.destination_vm_name.empty()) {
        // The answer to the deployment was lost: found again by the name that was recorded before it.
        machine_ = use_.cloud.find_by_name(failover_.destination_vm_name, stop);
    }
    std::size_t snapshots = 0;
    const auto volumes = use_.volumes.volumes_of(vm_, stop);
    for (const auto& volume : volumes) {
        snapshots += volume.snapshot_status == "none" ? 0U : 1U;
    }
    step.detail(std::to_string(volumes.size()) + " volumes, " + std::to_string(snapshots) + " snapshots, " +
                (machine_ ? "machine " + machine_->name + " (" + machine_->state + ")" : "no machine"));
}

void RollbackRun::stop_machine(joblog::StepContext& step, const std::stop_token& stop) {
    if (!machine_) {
        step.detail("there is no machine");
        return;
    }
    use_.cloud.stop(machine_->id, stop);
    step.detail(machine_->name + " is stopped");
}

void RollbackRun::detach_volumes(joblog::StepContext& step, const std::stop_token& stop) {
    std::size_t detached = 0;
    for (const auto& volume : use_.volumes.volumes_of(vm_, stop)) {
        // A volume without snapshot was never modified and may stay where it is, unless that is the failed-over
        // machine.
        const bool elsewhere = volume.vm_id && volume.operation_mode != "oma";
        if (volume.vm_id && (elsewhere || volume.snapshot_status == "ready")) {
            use_.volumes.detach(volume.volume_id, stop);
            ++detached;
        }
    }
    step.detail(std::to_string(detached) + " volumes detached");
}

std::string RollbackRun::expected_digest(const DiskId& disk) const {
    if (point_ && point_->applied) {
        for (const auto& held : point_->disks) {
            if (held.disk_id == disk) {
                return held.digest;
            }
        }
    }
    return {};
}

bool RollbackRun::holds_the_point(const contracts::Volume& volume, joblog::StepContext& step,
                                  const std::stop_token& stop) {
    const auto report = [&](const std::string& text) { step.detail(text); };
    return use_.volumes.digest(volume.volume_id, report, stop) == expected_digest(volume.disk_id);
}

void RollbackRun::bring_back(const contracts::Volume& volume, joblog::StepContext& step, const std::stop_token& stop) {
    bool is_back = false;
    if (volume.snapshot_status == "rollback_complete") {
        // Reverted by an earlier rollback that broke later.
        use_.volumes.attach_to_appliance(volume.volume_id, stop);
        is_back = holds_the_point(volume, step, stop);
    }
    if (!is_back) {
        use_.volumes.detach(volume.volume_id, stop);
        use_.volumes.revert_snapshot(volume.volume_id, [&](const std::string& text) { step.detail(text); }, stop);
        use_.volumes.attach_to_appliance(volume.volume_id, stop);
        is_back = holds_the_point(volume, step, stop);
    }
    if (!is_back) {
        throw Error(
            ErrorCode::corrupt, "after the revert " + volume.disk_id.value + " is not what the recovery point holds",
            {.consequence = "Its snapshot is kept; nothing was deleted.",
             .remedy = "Run the cleanup again; if it stays so, remove the machine from management and add it again.",
             .retry_safe = true});
    }
}

void RollbackRun::revert_volumes(joblog::StepContext& step, const std::stop_token& stop) {
    std::size_t reverted = 0;
    for (const auto& volume : use_.volumes.volumes_of(vm_, stop)) {
        if (has_snapshot(volume)) {
            bring_back(volume, step, stop);
            step.detail(std::to_string(++reverted) + " volumes reverted; the digest is that of the recovery point");
        } else if (volume.snapshot_status != "none") {
            unproven_.insert(volume.volume_id);
        }
    }
}

void RollbackRun::delete_snapshots(joblog::StepContext& step, const std::stop_token& stop) {
    std::size_t removed = 0;
    for (const auto& volume : use_.volumes.volumes_of(vm_, stop)) {
        if (volume.snapshot_status != "none") {
            use_.volumes.remove_snapshot(volume.volume_id, stop);
            ++removed;
        }
    }
    step.detail(std::to_string(removed) + " snapshots deleted");
}

void RollbackRun::reattach_volumes(joblog::StepContext& step, const std::stop_token& stop) {
    std::size_t attached = 0;
    for (const auto& volume : use_.volumes.volumes_of(vm_, stop)) {
        use_.volumes.attach_to_appliance(volume.volume_id, stop);
        if (unproven_.contains(volume.volume_id) && !expected_digest(volume.disk_id).empty() &&
            !holds_the_point(volume, step, stop)) {
            throw Error(ErrorCode::corrupt,
                        volume.disk_id.value + " is not what the recovery point holds, and has no snapshot",
                        {.consequence = "This copy is not usable.",
                         .remedy = "Remove the machine from management and add it again."});
        }
        ++attached;
    }
    step.detail(std::to_string(attached) + " volumes at the appliance");
}

void RollbackRun::delete_machine(joblog::StepContext& step, const std::stop_token& stop) {
    if (!machine_) {
        if (!failover_.destination_vm_name.empty()) {
            use_.ledger.name_gone("machine", failover_.destination_vm_name);
        }
        step.detail("there is no machine");
        return;
    }
    if (machine_->state != "Destroyed") {
        // A failover that died between detaching and deleting it would leave the default root behind as an orphan.
        use_.volumes.discard_default_root(machine_->id, stop);
    }
    for (const auto& volume : use_.volumes.volumes_at(machine_->id, stop)) {
        if (volume.is_replica) {
            // cloudstack.md section 1 fact 4: destroying it now would delete replicated data.
            throw Error(ErrorCode::conflict,
                        "volume " + volume.volume_id.value + " with replicated data is still at " + machine_->name,
                        {.consequence = "The machine was not deleted.",
                         .remedy = "Run the cleanup again.",
                         .retry_safe = true});
        }
    }
    if (use_.cloud.destroy(machine_->id, stop)) {
        use_.ledger.name_gone("machine", machine_->name);
        step.detail(machine_->name + " is deleted");
    } else {
        step.finish_with_warning(machine_->name +
                                 " is destroyed; this account may not expunge it, so CloudStack removes it later");
    }
}

void RollbackRun::restart_source(joblog::StepContext& step, const std::stop_token& stop) {
    if (use_.job_log.recall(failover_.job_id, source_was_running_key) != true) {
        step.detail("the source was off before the failover, or was not reached by it: it stays as it is");
        return;
    }
    const auto machine = use_.machines.find(vm_);
    const auto power = [&](const std::string& action) {
        return use_.power.power({.vcenter = use_.credentials.access(machine->credential_id),
                                 .moref = machine->source.moref,
                                 .action = action},
                                stop);
    };
    if (power("state").power_state == "poweredOn") {
        step.detail("the source is on already");
        return;
    }
    power("power_on");
    step.detail("the source is on again");
}

}  // namespace mk::failover
