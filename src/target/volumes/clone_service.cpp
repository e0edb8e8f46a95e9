#include "target/volumes/clone_service.hpp"

#include <fmt/core.h>

#include "base/log.hpp"

namespace mk::volumes {
namespace {

constexpr const char* tag_key = "migratekit.context";
constexpr std::size_t longest_name = 255;

Error refusal(std::string cause, std::string remedy) {
    return Error(ErrorCode::conflict, std::move(cause),
                 {.consequence = "Nothing was changed.", .remedy = std::move(remedy), .retry_safe = true});
}

void require_usable_snapshot(const VolumeRow& replica, const Cloud& cloud, const Progress& progress) {
    const bool is_ready = replica.snapshot_status == "ready" || replica.snapshot_status == "rollback_complete";
    const auto info =
        is_ready && replica.snapshot_id ? cloud.snapshots().find(*replica.snapshot_id, progress.stop()) : std::nullopt;
    if (!info || info->state != "BackedUp") {
        throw refusal(fmt::format("the volume {} has no snapshot that a clone can be made from ({})", replica.name,
                                  info ? info->state : replica.snapshot_status),
                      "Take its snapshot first.");
    }
}

}  // namespace

// ---- making

/// With its record. A volume of that name that exists before the first record is not ours.
CloneRow CloneService::record(const VolumeRow& replica, const std::string& name, const Cloud& cloud,
                              const Progress& progress) {
    if (!cloud.volumes().list_named(name, progress.stop()).empty()) {
        throw refusal("CloudStack has a volume named " + name + " already, and it is not a clone of ours",
                      "Choose another name.");
    }
    CloneRow clone;
    clone.name = name;
    clone.clone_of = replica.id;
    clone.snapshot_id = *replica.snapshot_id;
    clone.vm_context_id = replica.vm_context_id;
    clone.disk_id = replica.disk_id;
    clone.size = replica.size;
    return parts_.volumes.insert_clone(std::move(clone));
}

void CloneService::note_made(const CloneRow& clone, const VolumeId& volume) {
    if (parts_.volumes.set_clone_volume(clone.id, volume)) {
        parts_.ledger.confirm(parts_.ledger.intend(ledger_clone, clone.name, clone.vm_context_id, JobId{}),
                              volume.value);
    }
}

cloudstack::VolumeInfo CloneService::make(const VolumeRow& replica, const CloneRow& clone, const Cloud& cloud,
                                          const Progress& progress) {
    parts_.ledger.intend(ledger_clone, clone.name, clone.vm_context_id, JobId{});
    progress.say("Making a volume from the snapshot");
    try {
        return cloud.clones().create({.name = clone.name, .snapshot_id = *replica.snapshot_id, .size = replica.size},
                                     progress.stop());
    } catch (const Error& error) {
        if (!error.retryable() && error.code() != ErrorCode::cancelled) {
            forget_unmade(clone, cloud, progress);
        }
        throw;
    }
}

VolumeView CloneService::create(const VolumeId& replica_id, const std::string& name, const Progress& progress) {
    if (name.empty() || name.size() > longest_name) {
        throw Error(ErrorCode::invalid, "the name of a clone has 1 to 255 characters");
    }
    const auto replica = parts_.volumes.require(replica_id);
    const auto cloud = parts_.cloud.open_for({name}, progress);
    auto clone = parts_.volumes.find_clone(name);
    if (clone && clone->clone_of != replica_id) {
        throw refusal("the clone " + name + " is one of another volume", "Choose another name.");
    }
    if (clone && clone->volume_id) {
        const auto info = cloud->volumes().find(*clone->volume_id, progress.stop());
        if (info && info->state == "Ready" && info->pending_job.empty()) {
            return parts_.service.get(info->id, progress.stop());  // a repetition: it may be in use since
        }
    }
    require_usable_snapshot(replica, *cloud, progress);
    if (!clone) {
        clone = record(replica, name, *cloud, progress);
    }
    const auto info = make(replica, *clone, *cloud, progress);
    note_made(*clone, info.id);
    try {
        cloud->volumes().tag("Volume", info.id.value, tag_key, replica.vm_context_id.value, progress.stop());
    } catch (const Error& error) {
        log::warn("volume={} could not be tagged; the ledger knows it: {}", info.id.value, error.cause());
    }
    return parts_.service.get(info.id, progress.stop());
}

// ---- those whose making was cut off

/// True when the clone exists; its id is known then. A volume of its name that was made from something else is not it.
bool CloneService::adopt(CloneRow& clone, const Cloud& cloud, const std::stop_token& stop) {
    if (clone.volume_id) {
        return true;
    }
    const auto found = cloud.volumes().find_named(clone.name, stop);
    if (!found || found->made_from.value_or(clone.snapshot_id) != clone.snapshot_id) {
        return false;
    }
    note_made(clone, found->id);
    clone.volume_id = found->id;
    return true;
}

/// Nothing remains of it when it is not seen.
void CloneService::forget_unmade(CloneRow clone, const Cloud& cloud, const Progress& progress) {
    try {
        if (!adopt(clone, cloud, progress.stop())) {
            parts_.ledger.name_gone(ledger_clone, clone.name);
            parts_.volumes.remove_clone(clone.name);
        }
    } catch (const Error& error) {
        log::warn("it is not known whether the clone {} exists; it stays recorded: {}", clone.name, error.cause());
    }
}

std::vector<VolumeView> CloneService::list(const std::optional<VmContextId>& vm_context_id,
                                           const std::stop_token& stop) {
    auto clones = parts_.volumes.list_clones(vm_context_id);
    std::vector<VolumeRow> rows;
    if (clones.empty()) {
        return {};
    }
    const auto cloud = parts_.cloud.open();
    for (auto& clone : clones) {
        if (adopt(clone, *cloud, stop)) {
            rows.push_back(as_volume(clone));
        }
    }
    return parts_.service.views_of(rows, stop);
}

void CloneService::require_none(const VolumeRow& replica, const Cloud& cloud, const Progress& progress) {
    std::string names;
    for (const auto& clone : parts_.volumes.list_clones_of(replica.id)) {
        forget_unmade(clone, cloud, progress);
        if (parts_.volumes.find_clone(clone.name)) {
            names += (names.empty() ? "" : ", ") + clone.name;
        }
    }
    if (!names.empty()) {
        throw refusal("the snapshot of the volume " + replica.name + " is kept: clones of it exist (" + names + ")",
                      "Delete the clones first.");
    }
}

}  // namespace mk::volumes
