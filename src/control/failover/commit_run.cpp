#include "control/failover/commit_run.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "control/failover/failover_plan.hpp"

namespace mk::failover {

CommitRun::CommitRun(Collaborators& use, JobId job, VmContextId vm, FailoverJob failover)
    : use_(use), job_(std::move(job)), vm_(std::move(vm)), failover_(std::move(failover)) {}

void CommitRun::run(const std::stop_token& stop) {
    const auto step = [&](const char* name, void (CommitRun::*body)(joblog::StepContext&, const std::stop_token&)) {
        use_.job_log.run_step(job_, name, [&](joblog::StepContext& context) { (this->*body)(context, stop); });
    };
    step("failover-check", &CommitRun::check);
    step("cloudstack-snapshot-deletion", &CommitRun::delete_snapshots);
    step("hand-over", &CommitRun::hand_over);
}

void CommitRun::check(joblog::StepContext& step, const std::stop_token& stop) {
    use_.cloud.check(stop);
    const auto problem = obstacle(step, stop);
    if (problem.empty()) {
        return;
    }
    if (use_.job_log.recall(failover_.job_id, commit_begun_key) == true) {
        // Snapshots are gone already: there is nothing left to protect by refusing.
        step.finish_with_warning(problem + "; an earlier commit had begun, so this one goes on");
        return;
    }
    throw Error(
        ErrorCode::conflict, problem,
        {.consequence = "Nothing was changed; the snapshots are kept.",
         .remedy = "Put that right in CloudStack and commit again, or return to the source: migratekit failover "
                   "back " +
                   vm_.value,
         .retry_safe = true});
}

std::string CommitRun::obstacle(joblog::StepContext& step, const std::stop_token& stop) {
    const auto machine = use_.cloud.find(failover_.destination_vm_id, stop);
    const auto name = failover_.destination_vm_name;
    if (!machine || machine->state == "Destroyed" || machine->state == "Expunging" || machine->state == "Error") {
        return "the machine " + name + " is not in CloudStack any more" + (machine ? ": " + machine->state : "");
    }
    const auto volumes = use_.volumes.volumes_of(vm_, stop);
    const auto disks = use_.machines.disks(vm_);
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
    step.detail(machine->name + " (" + machine->state + ") has all its " + std::to_string(disks.size()) + " volumes");
    return {};
}

void CommitRun::delete_snapshots(joblog::StepContext& step, const std::stop_token& stop) {
    // Before the deed: with one snapshot less a rollback could not bring the whole copy back any more.
    use_.job_log.remember(failover_.job_id, commit_begun_key, true);
    std::size_t removed = 0;
    for (const auto& volume : use_.volumes.volumes_of(vm_, stop)) {
        if (volume.snapshot_status != "none") {
            use_.volumes.remove_snapshot(volume.volume_id, stop);  // returns when its absence was seen
            ++removed;
        }
    }
    step.detail(std::to_string(removed) + " snapshots deleted");
}

void CommitRun::hand_over(joblog::StepContext& step, const std::stop_token& stop) {
    const auto volumes = use_.volumes.volumes_of(vm_, stop);
    // By object, not by context alone: a test machine that could not be expunged is still ours to remove.
    const auto is_theirs = [&](const ledger::Entry& entry) {
        if (entry.kind == "machine") {
            return entry.object_id == failover_.destination_vm_id.value;
        }
        return entry.kind == "volume" && std::any_of(volumes.begin(), volumes.end(), [&](const auto& volume) {
                   return entry.object_id == volume.volume_id.value;
               });
    };
    for (const auto& entry : use_.ledger.open_entries(vm_)) {
        if (is_theirs(entry)) {
            step.info("Handed over to the operator: " + entry.kind + " " + entry.name + " (" + entry.object_id + ")");
            use_.ledger.hand_over(entry.id);
        }
    }
    step.detail(failover_.destination_vm_name + " and its volumes belong to the operator now");
}

}  // namespace mk::failover
