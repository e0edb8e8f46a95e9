#include "target/volumes/snapshot_service.hpp"

#include "base/log.hpp"

namespace mk::volumes {
namespace {

constexpr const char* tag_key = "migratekit.context";

}  // namespace

void SnapshotService::refuse_second(const VolumeRow& row, const std::string& name) const {
    const bool has_other =
        row.snapshot_status != "none" && row.snapshot_status != "failed" && row.snapshot_name != name;
    if (has_other) {
        throw Error(
            ErrorCode::conflict, "the volume " + row.name + " already has the snapshot " + row.snapshot_name,
            {.consequence = "Nothing was changed.", .remedy = "Delete that snapshot first.", .retry_safe = true});
    }
}

/// Of a row that says so. One that is gone is not taken again: the volume may have been written to since.
cloudstack::SnapshotInfo SnapshotService::find_ready(const VolumeRow& row, const Cloud& cloud,
                                                     const Progress& progress) const {
    auto info = cloud.snapshots().find(*row.snapshot_id, progress.stop());
    if (!info) {
        throw Error(ErrorCode::conflict,
                    "the snapshot " + row.snapshot_name + " of the volume " + row.name + " is gone from CloudStack",
                    {.consequence = "The volume cannot be reverted; what it holds now is not known to be a recovery "
                                    "point.",
                     .remedy = "Delete the snapshot here, then replicate the machine in full again."});
    }
    return std::move(*info);
}

/// Recorded as creating before it is taken, and as ready afterwards.
cloudstack::SnapshotInfo SnapshotService::take(VolumeRow& row, const std::string& name, const Cloud& cloud,
                                               const Progress& progress) {
    const auto entry = parts_.ledger.intend(ledger_snapshot, name, row.vm_context_id, JobId{});
    row.snapshot_name = name;
    row.snapshot_status = "creating";
    parts_.volumes.set_snapshot(row);
    parts_.digests.save_for_snapshot(row.id);
    progress.say("Taking the snapshot");
    cloudstack::SnapshotInfo info;
    try {
        info = cloud.snapshots().create(row.id, name, progress.stop());
    } catch (const Error& error) {
        if (error.code() != ErrorCode::cancelled && !error.retryable()) {  // else it may yet be completed
            row.snapshot_status = "failed";
            parts_.volumes.set_snapshot(row);
        }
        throw;
    }
    parts_.ledger.confirm(entry, info.id.value);
    row.snapshot_id = info.id;
    row.snapshot_created_ms = row.snapshot_created_ms.value_or(to_ms(parts_.clock.now()));
    row.snapshot_status = "ready";
    parts_.volumes.set_snapshot(row);
    try {
        cloud.volumes().tag("Snapshot", info.id.value, tag_key, row.vm_context_id.value, progress.stop());
    } catch (const Error& error) {
        log::warn("snapshot={} could not be tagged; the ledger knows it: {}", info.id.value, error.cause());
    }
    return info;
}

SnapshotView SnapshotService::create(const VolumeId& volume_id, const std::string& name, bool must_revert,
                                     const Progress& progress) {
    auto row = parts_.volumes.require(volume_id);
    require_no_active_session(parts_.sessions, volume_id, "take a snapshot of");
    if (name.empty() || name.size() > 255) {
        throw Error(ErrorCode::invalid, "the name of a snapshot has 1 to 255 characters");
    }
    refuse_second(row, name);
    const auto cloud = parts_.cloud.open_for({volume_id.value}, progress);
    if (row.snapshot_status == "failed" && row.snapshot_name != name) {
        remove(volume_id, progress);  // what the failed one may have left
        row = parts_.volumes.require(volume_id);
    }
    const bool is_repetition = row.snapshot_status == "ready" || row.snapshot_status == "rollback_complete";
    const auto info = is_repetition ? find_ready(row, *cloud, progress) : take(row, name, *cloud, progress);
    if (must_revert && !info.revertable) {
        remove(volume_id, progress);
        throw Error(
            ErrorCode::conflict, "the storage of the volume " + row.name + " cannot revert to a snapshot",
            {.consequence = "Nothing was changed; the snapshot was removed.",
             .remedy = "Test on clones, or move the replicas to storage that CloudStack can revert (NFS, local, "
                       "Ceph)."});
    }
    return {row, info.revertable};
}

SnapshotView SnapshotService::revert(const VolumeId& volume_id, const Progress& progress) {
    auto row = parts_.volumes.require(volume_id);
    require_no_active_session(parts_.sessions, volume_id, "revert");
    if (!row.snapshot_id || (row.snapshot_status != "ready" && row.snapshot_status != "rollback_complete")) {
        throw Error(
            ErrorCode::conflict,
            "the volume " + row.name + " has no snapshot that is ready (" + row.snapshot_status + ")",
            {.consequence = "Nothing was changed.", .remedy = "Check the snapshots of the volume in CloudStack."});
    }
    const auto cloud = parts_.cloud.open_for({volume_id.value, row.snapshot_id->value}, progress);
    progress.say("Reverting to the snapshot");
    parts_.digests.forget_current(volume_id);  // from here on it may be what it was, or what it will be
    cloud->snapshots().revert(*row.snapshot_id, volume_id, progress.stop());
    parts_.digests.restore_from_snapshot(volume_id);
    parts_.volumes.set_digest(volume_id, parts_.digests.known(volume_id));
    row.snapshot_status = "rollback_complete";
    parts_.volumes.set_snapshot(row);
    const auto info = cloud->snapshots().find(*row.snapshot_id, progress.stop());
    return {row, info && info->revertable};
}

void SnapshotService::clear(VolumeRow row) {
    const auto name = row.snapshot_name;
    if (row.snapshot_id) {
        parts_.ledger.gone(ledger_snapshot, row.snapshot_id->value);
    }
    parts_.ledger.name_gone(ledger_snapshot, name);
    row.snapshot_id.reset();
    row.snapshot_name.clear();
    row.snapshot_created_ms.reset();
    row.snapshot_status = "none";
    parts_.volumes.set_snapshot(row);
    parts_.digests.forget_snapshot(row.id);
}

void SnapshotService::remove(const VolumeId& volume_id, const Progress& progress) {
    const auto row = parts_.volumes.require(volume_id);
    if (row.snapshot_status == "none") {
        return;
    }
    const auto known_id = row.snapshot_id ? row.snapshot_id->value : std::string();
    const auto cloud = parts_.cloud.open_for({volume_id.value, known_id}, progress);
    parts_.clones.require_none(row, *cloud, progress);
    progress.say("Deleting the snapshot");
    if (row.snapshot_id) {
        cloud->snapshots().remove(*row.snapshot_id, progress.stop());
    }
    // Its id may never have been learned: what carries our name on this volume is ours.
    for (const auto& snapshot : cloud->snapshots().list_of_volume(volume_id, progress.stop())) {
        if (snapshot.name == row.snapshot_name) {
            cloud->snapshots().remove(snapshot.id, progress.stop());
        }
    }
    clear(row);
}

std::vector<SnapshotView> SnapshotService::list(const VmContextId& vm_context_id, const std::stop_token& stop) const {
    std::vector<SnapshotView> views;
    for (const auto& row : parts_.volumes.list(vm_context_id)) {
        if (row.snapshot_status == "none") {
            continue;
        }
        const auto info =
            row.snapshot_id ? parts_.cloud.open()->snapshots().find(*row.snapshot_id, stop) : std::nullopt;
        views.push_back({row, info && info->revertable});
    }
    return views;
}

}  // namespace mk::volumes
