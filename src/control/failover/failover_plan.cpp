#include "control/failover/failover_plan.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "model/machine_name.hpp"

namespace mk::failover {

namespace {

constexpr std::size_t longest_cloud_name = 255;

std::string unix_time(Instant when) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count());
}

std::chrono::seconds seconds_or(const Json& json, const char* field, std::chrono::seconds fallback) {
    return std::chrono::seconds{json::value_or<std::int64_t>(json, field, fallback.count())};
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

Json to_json(const FailoverRequest& request) {
    return {{"live", request.live},
            {"on_clones", request.on_clones},
            {"network_ids", request.network_ids},
            {"addresses", request.addresses},
            {"keep_mac", request.keep_mac},
            {"probes", request.boot.probes},
            {"expected_text", request.boot.text},
            {"boot_limit_s", request.boot.limit.count()},
            {"inspect_guest", request.inspect_guest},
            {"accept_unverified", request.accept_unverified},
            {"test_duration_s", request.test_duration ? Json(request.test_duration->count()) : Json(nullptr)},
            {"auto_cleanup", request.auto_cleanup},
            {"rollback_on_failure", request.rollback_on_failure},
            {"force_power_off", request.force_power_off},
            {"shutdown_limit_s", request.shutdown_limit.count()}};
}

FailoverRequest request_from(const Json& json) {
    FailoverRequest request;
    request.live = json::value_or<bool>(json, "live", false);
    request.on_clones = json::value_or<bool>(json, "on_clones", false);
    request.network_ids = json::value_or<std::vector<std::string>>(json, "network_ids", {});
    request.addresses = json::value_or<std::vector<std::string>>(json, "addresses", {});
    request.keep_mac = json::value_or<bool>(json, "keep_mac", false);
    request.boot.probes = json::value_or<std::vector<std::string>>(json, "probes", {});
    request.boot.text = json::value_or<std::string>(json, "expected_text", "");
    request.boot.limit = seconds_or(json, "boot_limit_s", request.boot.limit);
    request.inspect_guest = json::value_or<bool>(json, "inspect_guest", true);
    request.accept_unverified = json::value_or<bool>(json, "accept_unverified", false);
    if (const auto duration = json::find<std::int64_t>(json, "test_duration_s")) {
        request.test_duration = std::chrono::seconds{*duration};
    }
    request.auto_cleanup = json::value_or<bool>(json, "auto_cleanup", false);
    request.rollback_on_failure = json::value_or<bool>(json, "rollback_on_failure", false);
    request.force_power_off = json::value_or<bool>(json, "force_power_off", false);
    request.shutdown_limit = seconds_or(json, "shutdown_limit_s", request.shutdown_limit);
    return request;
}

bool rolls_back_on_failure(const FailoverRequest& request) {
    return request.rollback_on_failure || (!request.live && request.auto_cleanup);
}

bool has_touched_something(const joblog::Job& failover) {
    const bool source_was_on = json::value_or<bool>(json::parse(failover.metadata), source_was_running_key, false);
    return std::any_of(failover.steps.begin(), failover.steps.end(), [&](const joblog::Step& step) {
        // It only looks until it has noted what it is about to switch off.
        const bool may_have_changed = step.name != validation_step && (step.name != shutdown_step || source_was_on);
        return may_have_changed && step.status != StepStatus::pending;
    });
}

std::string source_bus(const SourceMachine& source, const DiskId& disk) {
    for (const auto& candidate : source.disks) {
        if (candidate.id == disk) {
            const auto& controller = candidate.controller;
            return controller == "ide" || controller == "sata" || controller == "nvme" ? controller : "scsi";
        }
    }
    return "scsi";
}

std::vector<machines::MachineDisk> boot_disk_first(std::vector<machines::MachineDisk> disks, const DiskId& boot_disk) {
    std::stable_partition(disks.begin(), disks.end(), [&](const auto& disk) { return disk.disk_id == boot_disk; });
    if (disks.empty() || disks.front().disk_id != boot_disk) {
        throw Error(ErrorCode::conflict, "the boot disk " + boot_disk.value + " is not among the machine's disks");
    }
    return disks;
}

std::string snapshot_name(bool live, const VmContextId& vm, const VolumeId& volume, Instant begun) {
    const auto name =
        std::string(live ? "live" : "test") + "-failover-" + vm.value + "-" + volume.value + "-" + unix_time(begun);
    return name.substr(0, longest_cloud_name);
}

std::string clone_name(const VmContextId& vm, const DiskId& disk, Instant begun) {
    return ("test-clone-" + vm.value + "-" + disk.value + "-" + unix_time(begun)).substr(0, longest_cloud_name);
}

std::string destination_name(bool live, const std::string& vm_name, Instant now) {
    return live ? cloud_machine_name(vm_name) : cloud_machine_name(vm_name, "-test-" + unix_time(now));
}

}  // namespace mk::failover
