#include "control/failover/failover_plan.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "control/failover/ports.hpp"
#include "model/machine_name.hpp"

namespace mk::failover {

namespace {

constexpr std::chrono::seconds longest_duration = std::chrono::hours{24 * 30};
constexpr std::size_t snapshot_name_limit = 255;
constexpr const char* validation_step = "pre-failover-validation";

void check_duration(const char* name, std::chrono::seconds value) {
    if (value.count() <= 0 || value > longest_duration) {
        throw Error(ErrorCode::invalid, std::string(name) + " must be between 1 second and 30 days",
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
}

}  // namespace

std::string_view to_string(BootVerdict verdict) {
    switch (verdict) {
        case BootVerdict::booted:
            return "booted";
        case BootVerdict::not_proven:
            return "not_proven";
        case BootVerdict::failed:
            return "failed";
    }
    return "failed";
}

void check_request(const FailoverRequest& request) {
    check_duration("the boot time limit", request.boot_limit);
    check_duration("the shutdown time limit", request.shutdown_limit);
    if (request.test_duration) {
        check_duration("the test duration", *request.test_duration);
    }
}

std::vector<joblog::StepPlan> failover_steps(bool live) {
    std::vector<joblog::StepPlan> steps = {{validation_step, "Check that it can fail over", 1}};
    if (live) {
        steps.push_back({"source-shutdown", "Shut the source down", 3});
        const std::vector<joblog::StepPlan> final_sync = {
            {"source-check", "Check the source machine", 1}, {"volume-preparation", "Prepare the volumes", 1},
            {"write-session", "Open the write sessions", 1}, {"copy", "Send the last changes", 6},
            {"verification", "Verify what arrived", 1},      {"commit", "Commit the recovery point", 1}};
        steps.insert(steps.end(), final_sync.begin(), final_sync.end());
    }
    const std::vector<joblog::StepPlan> rest = {
        {"volume-detachment", "Detach the volumes", 2},
        {"multi-volume-snapshot-creation", "Snapshot every volume", 4},
        {"virtio-injection", "Add VirtIO drivers", 20},
        {"destination-vm-creation", live ? "Create the machine" : "Create the test machine", 1},
        {"volume-attachment", "Attach the volumes", 3},
        {"vm-startup-and-validation", live ? "Start the machine" : "Start the test machine", 8},
        {record_step, "Record the result", 1}};
    steps.insert(steps.end(), rest.begin(), rest.end());
    return steps;
}

std::vector<joblog::StepPlan> rollback_steps(bool live) {
    std::vector<joblog::StepPlan> steps = {{"ossea-client-initialization", "Reach CloudStack and the Volume Daemon", 1},
                                           {"failover-job-retrieval", "Read what the failover left", 1},
                                           {"test-vm-shutdown", "Stop the machine", 1},
                                           {"volume-detachment", "Detach the volumes", 1},
                                           {"cloudstack-snapshot-rollback", "Revert the volumes and verify them", 1},
                                           {"cloudstack-snapshot-deletion", "Delete the snapshots", 1},
                                           {"volume-reattachment-to-oma", "Attach the volumes to the appliance", 1},
                                           {"test-vm-deletion", "Delete the machine", 1},
                                           {"failover-job-status-update", "Close the failover job", 1}};
    if (live) {
        steps.push_back({"source-restart", "Start the source again", 1});
    }
    steps.push_back({record_step, "Record the result", 1});
    return steps;
}

std::vector<joblog::StepPlan> commit_steps() {
    return {{"failover-check", "Check the machine in the cloud", 1},
            {"cloudstack-snapshot-deletion", "Delete the snapshots", 4},
            {"hand-over", "Hand machine and volumes over", 1},
            {record_step, "Record the result", 1}};
}

bool lacks_only_the_record(const joblog::Job& job) {
    return !job.steps.empty() && std::all_of(job.steps.begin(), job.steps.end(), [](const joblog::Step& step) {
        return step.name == record_step || step.status == StepStatus::completed || step.status == StepStatus::warning ||
               step.status == StepStatus::skipped;
    });
}

bool has_touched_something(const joblog::Job& failover) {
    return std::any_of(failover.steps.begin(), failover.steps.end(), [](const joblog::Step& step) {
        return step.name != validation_step && step.status != StepStatus::pending;
    });
}

std::vector<machines::MachineDisk> boot_disk_first(std::vector<machines::MachineDisk> disks, const DiskId& boot_disk) {
    std::stable_partition(disks.begin(), disks.end(), [&](const auto& disk) { return disk.disk_id == boot_disk; });
    if (disks.empty() || disks.front().disk_id != boot_disk) {
        throw Error(ErrorCode::conflict, "the boot disk " + boot_disk.value + " is not among the machine's disks");
    }
    return disks;
}

std::string snapshot_name(bool live, const VmContextId& vm, const VolumeId& volume, Instant now) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const auto name = std::string(live ? "live" : "test") + "-failover-" + vm.value + "-" + volume.value + "-" +
                      std::to_string(seconds);
    return name.substr(0, snapshot_name_limit);
}

std::string destination_name(bool live, const std::string& vm_name, Instant now) {
    if (live) {
        return cloud_machine_name(vm_name);
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    return cloud_machine_name(vm_name, "-test-" + std::to_string(seconds));
}

}  // namespace mk::failover
