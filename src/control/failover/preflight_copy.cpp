// The copy: recovery point, verification, volumes, and room for the last changes.

#include <algorithm>

#include "base/error.hpp"
#include "control/failover/preflight_checks.hpp"

namespace mk::failover {

namespace {

constexpr auto old_point = std::chrono::hours{24};

std::string sync_command(const Subject& subject, const char* option = "") {
    return "migratekit sync start " + subject.name() + option + " --wait";
}

/// Who takes the responsibility; empty while nobody has asked for the failover yet.
std::string owner_of(const Subject& subject) {
    const auto machine = subject.use.machines.find(subject.machine.id);
    const auto job = machine && subject.scope == PreflightScope::in_job ? subject.use.job_log.find(machine->current_job)
                                                                        : std::nullopt;
    return job ? job->owner : "";
}

/// What only --accept-unverified overrules. The warning goes to the job's log, with the name of who said so.
void block_unless_accepted(const Subject& subject, const std::string& code, const std::string& text,
                           const std::string& remedy, Checks& checks) {
    if (!subject.request.accept_unverified) {
        checks.block(code, text, remedy + ". At your own risk, and with your name in the log: --accept-unverified");
        return;
    }
    const auto owner = owner_of(subject);
    checks.warn(code, text + "; accepted with --accept-unverified" + (owner.empty() ? "" : " by " + owner), remedy);
}

void check_age(const Subject& subject, Checks& checks) {
    const auto& point = *subject.point;
    const auto age = std::max(std::chrono::milliseconds::zero(), subject.use.clock.now() - point.snapshot_time);
    checks.note("recovery_point", "Recovery point of " + to_iso8601(point.snapshot_time) + ", " + point.consistency +
                                      "-consistent, " + std::to_string(point.disks.size()) + " disks, " +
                                      format_duration(age) + " old");
    if (age <= old_point) {
        return;
    }
    if (subject.request.live) {
        checks.note("recovery_point_old", "The final sync sends what changed since then");
    } else {
        checks.warn("recovery_point_old", "the recovery point is " + format_duration(age) + " old",
                    "For a newer state: " + sync_command(subject));
    }
}

void check_verification(const Subject& subject, Checks& checks) {
    const auto& machine = subject.machine;
    if (machine.verified_verdict == "differs") {
        block_unless_accepted(subject, "copy_differs", "the last comparison found differences between copy and source",
                              "Repair it: " + sync_command(subject, " --compare"), checks);
    } else if (!machine.compare_reason.empty()) {
        block_unless_accepted(subject, "copy_doubtful",
                              "the copy may differ from its source: " + machine.compare_reason,
                              "Compare and repair: " + sync_command(subject, " --compare"), checks);
    } else if (machine.verified_at) {
        checks.note("verification", "Compared with the source on " + to_iso8601(*machine.verified_at) +
                                        ": identical (" + std::to_string(machine.verified_percent) + " % compared)");
    } else {
        checks.note("verification",
                    "Never compared with the source as a whole; what was sent was read back from the target");
    }
}

bool is_in_point(const Subject& subject, const contracts::Volume& volume) {
    const auto& point = subject.point;
    return point && std::any_of(point->disks.begin(), point->disks.end(), [&](const auto& held) {
               return held.disk_id == volume.disk_id && held.volume_id == volume.volume_id;
           });
}

/// False when there is something against it.
bool check_volume(const Subject& subject, const contracts::Volume& volume, Checks& checks) {
    const auto& disk = volume.disk_id;
    if (volume.state == "Absent") {
        checks.block("volume_missing", "the volume of " + disk.value + " does not exist in CloudStack any more",
                     "Forget it: migratekit volume reconcile --run, then --remove " + volume.volume_id.value +
                         "; then copy anew: " + sync_command(subject, " --full"));
    } else if (subject.point && !is_in_point(subject, volume)) {
        checks.block("disk_not_copied", disk.value + " is not part of the last recovery point",
                     "Copy it first: " + sync_command(subject));
    } else if (volume.snapshot_status != "none") {
        checks.block("snapshot_left", "the volume of " + disk.value + " still has a snapshot of an earlier failover",
                     "Let it be found and remove it: migratekit volume reconcile --run, then --remove ID");
    } else if (volume.operation_mode == "failover") {
        checks.block("volume_in_use",
                     "the volume of " + disk.value + " is attached to another machine" +
                         (volume.vm_id ? " (" + volume.vm_id->value + ")" : ""),
                     "Detach it there, then try again.");
    } else {
        if (volume.operation_mode != "oma" && !subject.request.live) {
            checks.warn("volume_detached", "the volume of " + disk.value + " is not attached to the appliance", "");
        }
        return true;
    }
    return false;
}

}  // namespace

void check_recovery_point(const Subject& subject, Checks& checks) {
    const auto& point = subject.point;
    if (!point) {
        checks.block("no_recovery_point", subject.name() + " has no recovery point yet",
                     "Replicate it first: " + sync_command(subject));
        return;
    }
    if (!point->applied) {
        const std::string text = "the last recovery point is recorded but not fully on its volumes yet";
        const auto remedy = "Finish it with: " + sync_command(subject);
        // The last changes of a live failover can only be put onto a whole one: known before the source is off.
        subject.request.live ? checks.block("recovery_point_not_applied", text, remedy)
                             : block_unless_accepted(subject, "recovery_point_not_applied", text, remedy, checks);
        return;
    }
    check_age(subject, checks);
    check_verification(subject, checks);
}

void check_volumes(Subject& subject, Checks& checks) {
    subject.volumes = subject.use.volumes.volumes_of(subject.machine.id, subject.stop);
    bool is_good = true;
    Bytes total = 0;
    for (const auto& disk : subject.disks) {
        const auto found = std::find_if(subject.volumes.begin(), subject.volumes.end(),
                                        [&](const auto& v) { return v.disk_id == disk.disk_id; });
        if (found == subject.volumes.end()) {
            // Never skipped silently (DD 28).
            checks.block("volume_missing", disk.disk_id.value + " has no volume in CloudStack",
                         "Run a full sync: " + sync_command(subject, " --full"));
            is_good = false;
        } else {
            is_good = check_volume(subject, *found, checks) && is_good;
            total += found->size_bytes;
        }
    }
    for (const auto& clone : subject.use.volumes.clones_of(subject.machine.id, subject.stop)) {
        checks.block("clone_left", "the volume " + clone.name + ", made for an earlier test, is still there",
                     "Let it be found and remove it: migratekit volume reconcile --run, then --apply");
        is_good = false;
    }
    if (is_good) {
        checks.note("volumes", std::to_string(subject.volumes.size()) + " volumes are there, " + format_bytes(total) +
                                   " in all, without snapshots and clones");
    }
}

/// The final sync comes after the source was shut down: room for it must be known before.
void check_staging(const Subject& subject, Checks& checks) {
    const auto expected = expected_changes(forecast_facts(subject.use, subject.machine, subject.request));
    const auto space = subject.use.volumes.staging(subject.stop);
    const auto text = "the final sync needs about " + format_bytes(expected.likely) + " of staging space, at most " +
                      format_bytes(expected.at_most) + "; " + format_bytes(space.available_bytes) + " are free";
    const std::string remedy =
        "Make room in the Volume Daemon's staging folder, raise staging_quota_mib, or sync right "
        "before: " +
        sync_command(subject);
    if (space.available_bytes < expected.likely) {
        checks.block("staging_full", text, remedy);
    } else if (space.available_bytes < expected.at_most) {
        checks.warn("staging_tight", text, remedy);
    } else {
        checks.note("staging", text);
    }
}

}  // namespace mk::failover
