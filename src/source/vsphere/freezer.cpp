#include "source/vsphere/freezer.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "source/vsphere/change_tracking.hpp"
#include "source/vsphere/property_reader.hpp"
#include "source/vsphere/tasks.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view activation_suffix = "-activate";

bool is_quiesce_failure(const Error& error) {
    return handling_of(error) == FaultHandling::without_quiescing || error.native() == "QuiesceTimedout" ||
           error.native() == "SnapshotFault" || error.native() == "ToolsUnavailable";
}

}  // namespace

Freezer::Freezer(Session& session, Moref vm, const FreezeOptions& options,
                 std::function<void(const MachineFacts&)> refuse, const std::stop_token& stop)
    : session_(session), vm_(std::move(vm)), options_(options), refuse_(std::move(refuse)), stop_(stop) {}

void Freezer::stage(std::string_view words) const {
    if (options_.on_stage) {
        options_.on_stage(words);
    }
}

SnapshotRequest Freezer::request(const std::string& suffix, bool quiesce) const {
    return {std::string(snapshot_name_prefix) + options_.job_id + suffix,
            snapshot_description(options_.job_id, options_.appliance_id), quiesce};
}

FrozenState Freezer::freeze() {
    remove_left_overs();
    facts_ = fetch_facts(session_, vm_, stop_);
    refuse_(facts_);
    if (!facts_.tracking_enabled) {
        stage("Enabling change tracking");
        enable_change_tracking(session_, vm_, stop_);
        activate_tracking();
    }
    stage("Taking snapshot");
    auto frozen = take_with_quiesce_rule();
    if (has_all_change_ids(frozen)) {
        return frozen;
    }
    // Enabled by somebody but never activated: that needs a stun without a snapshot in the way, then a new snapshot.
    log::info("vm={} change tracking is enabled but not active; activating it", vm_.id);
    remove_snapshot(session_, vm_, frozen.snapshot.reference, {});  // a stop must not leave it there
    stage("Enabling change tracking");
    activate_tracking();
    stage("Taking snapshot");
    return take_with_quiesce_rule();
}

void Freezer::remove_left_overs() {
    wait_for_running_tasks(session_, vm_, stop_);  // one of them may be the creation that a killed engine ordered
    for (const auto& snapshot : list_snapshots(session_, vm_, stop_)) {
        if (is_ours(snapshot, options_.appliance_id)) {
            log::info("vm={} removing the left-over snapshot '{}' ({})", vm_.id, snapshot.name, snapshot.reference.id);
            stage("Removing snapshot");
            remove_snapshot(session_, vm_, snapshot.reference, stop_);
        }
    }
    wait_consolidated(session_, vm_, stop_);
}

/// Creating and deleting a snapshot stuns the machine, which is when the setting becomes effective; no reboot is
/// needed.
void Freezer::activate_tracking() {
    const auto snapshot = create_snapshot(session_, vm_, request(std::string(activation_suffix), false), stop_);
    remove_snapshot(session_, vm_, snapshot.reference, {});
    facts_ = fetch_facts(session_, vm_, stop_);
    if (!facts_.tracking_enabled) {
        throw Error(ErrorCode::conflict, "changed block tracking does not stay enabled on '" + facts_.name + "'",
                    {.consequence = "Nothing was copied.",
                     .remedy = "Look at the machine's advanced settings (ctkEnabled) and at other backup products.",
                     .retry_safe = true});
    }
}

bool Freezer::has_all_change_ids(const FrozenState& frozen) const {
    return std::all_of(frozen.hardware.disks.begin(), frozen.hardware.disks.end(), [&](const DiskDevice& disk) {
        const auto* controller = facts_.hardware.controller_of(disk);
        const auto kind = controller == nullptr || controller->kind == "pvscsi" ||
                                  controller->kind.starts_with("lsi") || controller->kind == "buslogic"
                              ? std::string("scsi")
                              : controller->kind;
        const auto place = kind + std::to_string(controller == nullptr ? 0 : controller->bus_number) + ":" +
                           std::to_string(disk.unit_number);
        return !disk.change_id.empty() || facts_.tracking_off_disks.contains(place);
    });
}

FrozenState Freezer::take_with_quiesce_rule() {
    const bool is_running = facts_.power_state == "poweredOn";
    const bool is_required = options_.quiesce == "required";
    if (is_required && is_running && !facts_.tools_running) {
        throw Error(ErrorCode::conflict, "'" + facts_.name + "' must be quiesced, but VMware Tools do not run",
                    {.consequence = "No snapshot was taken.",
                     .remedy = "Start VMware Tools, or allow crash-consistent snapshots for this machine.",
                     .retry_safe = true})
            .with_native("ToolsUnavailable");
    }
    if (options_.quiesce == "never" || !is_running || !facts_.tools_running) {
        return take(false);
    }
    try {
        return take(true);
    } catch (const Error& error) {
        if (is_required || !is_quiesce_failure(error)) {
            throw;
        }
        log::warn("vm={} quiescing failed, the snapshot is crash-consistent: {}", vm_.id, error.cause());
    }
    return take(false);
}

FrozenState Freezer::take(bool quiesce) {
    FrozenState frozen;
    frozen.vm = vm_;
    frozen.snapshot = create_snapshot(session_, vm_, request("", quiesce), stop_);
    try {
        if (options_.on_snapshot) {
            options_.on_snapshot(frozen.snapshot.reference.id, frozen.snapshot.name);
        }
        const auto config = read_object(session_, frozen.snapshot.reference, {"config.hardware.device"}, stop_);
        frozen.hardware = read_hardware(config.get("config.hardware.device"));
        if (frozen.hardware.disks.empty()) {
            throw Error(ErrorCode::corrupt, "the snapshot of '" + facts_.name + "' names no disks");
        }
        frozen.is_application_consistent = quiesce && frozen.snapshot.quiesced;
        return frozen;
    } catch (const std::exception&) {
        try {
            remove_snapshot(session_, vm_, frozen.snapshot.reference, {});
        } catch (const Error& error) {
            log::error("vm={} the snapshot '{}' is left behind: {}", vm_.id, frozen.snapshot.name, error.full_text());
        }
        throw;
    }
}

SweepResult sweep(Session& session, const Moref& vm, std::string_view appliance_id, const std::stop_token& stop) {
    SweepResult result;
    wait_for_running_tasks(session, vm, stop);
    for (const auto& snapshot : list_snapshots(session, vm, stop)) {
        if (!is_ours(snapshot, appliance_id)) {
            continue;
        }
        try {
            remove_snapshot(session, vm, snapshot.reference, stop);
            result.removed.push_back(snapshot.name);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            log::warn("vm={} the snapshot '{}' ({}) cannot be removed: {}", vm.id, snapshot.name, snapshot.reference.id,
                      error.full_text());
            result.remaining.push_back(snapshot.name);
        }
    }
    return result;
}

}  // namespace mk::vsphere
