// The guest: which disk it boots from, what is on its disks, and how its boot is to be proven.

#include <algorithm>

#include "base/error.hpp"
#include "control/failover/inspection_cache.hpp"
#include "control/failover/preflight_checks.hpp"

namespace mk::failover {

namespace {

const machines::MachineDisk* disk_of(const Subject& subject, const DiskId& id) {
    const auto found =
        std::find_if(subject.disks.begin(), subject.disks.end(), [&](const auto& disk) { return disk.disk_id == id; });
    return found == subject.disks.end() ? nullptr : &*found;
}

/// The disks as they can be read at the appliance, boot disk first; nothing when one of them is not there.
std::vector<GuestDisk> readable_disks(const Subject& subject, const std::vector<machines::MachineDisk>& ordered) {
    std::vector<GuestDisk> disks;
    for (const auto& disk : ordered) {
        const auto volume = std::find_if(subject.volumes.begin(), subject.volumes.end(),
                                         [&](const auto& v) { return v.disk_id == disk.disk_id; });
        if (volume == subject.volumes.end() || volume->operation_mode != "oma" || volume->device_path.empty()) {
            return {};
        }
        disks.push_back(
            {.device_path = volume->device_path, .source_bus = source_bus(subject.machine.source, disk.disk_id)});
    }
    return disks;
}

/// Why the disks cannot be read now; empty when they can.
std::string reason_not_to_inspect(const Subject& subject) {
    if (!subject.request.inspect_guest) {
        return "it was not asked for (--skip-inspection)";
    }
    if (!subject.point || !subject.point->applied) {
        return "there is no whole recovery point";
    }
    // Another job may be writing to them.
    if (subject.scope == PreflightScope::alone && !subject.machine.current_job.empty()) {
        return "a job of the machine runs";
    }
    if (disk_of(subject, subject.machine.boot_disk) == nullptr) {
        return "the boot disk is not known";
    }
    return {};
}

/// Nothing when it failed, which is told.
std::optional<GuestInspection> look(const Subject& subject, const std::vector<GuestDisk>& disks, Checks& checks) {
    try {
        return subject.use.guest.inspect(disks, subject.machine.source, subject.stop);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        checks.add({subject.request.live ? Severity::warning : Severity::blocker, "inspection", error.cause(),
                    (error.advice().remedy.empty() ? "" : error.advice().remedy + " ") +
                        "To go on without looking at the guest's disks: --skip-inspection"});
        return std::nullopt;
    }
}

void report(const Subject& subject, const std::vector<machines::MachineDisk>& ordered, const GuestInspection& seen,
            Checks& checks) {
    if (seen.has_system) {
        checks.note("guest_system", "On the disks: " + (seen.product.empty() ? seen.family : seen.product) +
                                        (seen.architecture.empty() ? "" : ", " + seen.architecture));
    }
    const bool is_known = seen.boot_disk >= 0 && static_cast<std::size_t>(seen.boot_disk) < ordered.size();
    if (is_known && seen.boot_disk != 0) {
        const auto& found = ordered[static_cast<std::size_t>(seen.boot_disk)].disk_id.value;
        checks.warn("boot_disk_doubtful",
                    "the boot loader was found on " + found + ", but the machine boots from " +
                        subject.machine.boot_disk.value + " by its settings",
                    "If that is right: migratekit vm set " + subject.name() + " --boot-disk " + found);
    }
    const bool is_uefi = subject.machine.source.firmware == "uefi" || subject.machine.source.firmware == "efi";
    if (seen.has_system && seen.needs_uefi != is_uefi) {
        checks.warn("firmware_doubtful",
                    std::string("the guest is installed for ") + (seen.needs_uefi ? "UEFI" : "BIOS") +
                        ", the source machine has " + (is_uefi ? "UEFI" : "BIOS"),
                    "Compare with the settings of the source; the machine in the cloud gets the source's firmware.");
    }
    for (auto finding : seen.findings) {
        // A live failover can be taken back, and its source started: an operator in distress decides, not we.
        if (subject.request.live && finding.severity == Severity::blocker) {
            finding.severity = Severity::warning;
        }
        checks.add(std::move(finding));
    }
}

}  // namespace

void check_boot_disk(const Subject& subject, Checks& checks) {
    const auto& machine = subject.machine;
    const auto* const disk = disk_of(subject, machine.boot_disk);
    if (disk == nullptr) {
        checks.block("no_boot_disk", "the boot disk " + machine.boot_disk.value + " is not among the machine's disks",
                     "Name it: migratekit vm set " + subject.name() + " --boot-disk DISK");
        return;
    }
    const auto& source = machine.source;
    checks.note("boot_disk", "It boots from " + disk->disk_id.value +
                                 (disk->label.empty() ? "" : " (" + disk->label + ")") + ", firmware " +
                                 (source.firmware.empty() ? "bios" : source.firmware) +
                                 (source.secure_boot ? " with secure boot" : ""));
}

void check_guest(const Subject& subject, Checks& checks) {
    if (const auto reason = reason_not_to_inspect(subject); !reason.empty()) {
        checks.note("not_inspected", "The guest's disks were not looked at: " + reason);
        return;
    }
    const auto ordered = boot_disk_first(subject.disks, subject.machine.boot_disk);
    auto& cache = *subject.use.inspections;
    const auto key = InspectionCache::key_of(subject.point->id, subject.machine.boot_disk);
    auto seen = cache.find(key);
    const auto disks = seen ? std::vector<GuestDisk>{} : readable_disks(subject, ordered);
    if (!seen && disks.empty()) {
        checks.note("not_inspected", "The guest's disks were not looked at: they are not attached to the appliance");
        return;
    }
    if (!seen) {
        seen = look(subject, disks, checks);
        if (!seen) {
            return;
        }
        // What is missing on the appliance (appliance_...) may be installed before the next look.
        if (std::none_of(seen->findings.begin(), seen->findings.end(),
                         [](const auto& finding) { return finding.code.starts_with("appliance_"); })) {
            cache.keep(key, *seen);
        }
    }
    report(subject, ordered, *seen, checks);
}

void check_probes(const Subject& subject, Checks& checks) {
    const auto& boot = subject.request.boot;
    if (!checks.attempt("probe", [&] { subject.use.boot.check(boot); })) {
        return;
    }
    if (boot.probes.empty()) {
        checks.warn("no_probe", "without a probe nobody can prove that the machine booted",
                    "Name one, e.g. --probe http:80/ or --probe tcp:22");
        return;
    }
    std::string probes;
    for (const auto& probe : boot.probes) {
        probes += (probes.empty() ? "" : ", ") + probe;
    }
    checks.note("probes", "The boot is proven by " + probes + " within " + format_duration(boot.limit));
}

}  // namespace mk::failover
