#include "target/cloudstack/snapshot_commands.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.hpp"
#include "target/cloudstack/fields.hpp"

namespace mk::cloudstack {
namespace {

SnapshotInfo snapshot_from(const Json& json) {
    SnapshotInfo snapshot;
    snapshot.id.value = text_field(json, "id");
    snapshot.volume_id.value = text_field(json, "volumeid");
    snapshot.name = text_field(json, "name");
    snapshot.state = text_field(json, "state");
    snapshot.created = text_field(json, "created");
    snapshot.revertable = flag_field(json, "revertable");
    return snapshot;
}

/// The same snapshot may be listed once per store; it is revertable when one of them says so.
std::vector<SnapshotInfo> snapshots_from(const Json& list) {
    std::vector<SnapshotInfo> snapshots;
    for (const auto& json : list) {
        auto snapshot = snapshot_from(json);
        const auto same =
            std::find_if(snapshots.begin(), snapshots.end(), [&](const auto& s) { return s.id == snapshot.id; });
        if (same == snapshots.end()) {
            snapshots.push_back(std::move(snapshot));
        } else {
            same->revertable = same->revertable || snapshot.revertable;
        }
    }
    std::erase_if(snapshots, [](const SnapshotInfo& s) { return s.state == "Destroyed" || s.state == "Hidden"; });
    return snapshots;
}

}  // namespace

std::chrono::milliseconds SnapshotCommands::limit_for(Bytes size) const {
    return limits_.base + std::chrono::seconds{size / std::max<Bytes>(1, limits_.slowest_bytes_per_second)};
}

std::optional<SnapshotInfo> SnapshotCommands::find(const CloudSnapshotId& id, const std::stop_token& stop) const {
    try {
        const auto found =
            snapshots_from(client_.list("listSnapshots", {{"id", id.value}, {"listall", "true"}}, "snapshot", stop));
        return found.empty() ? std::nullopt : std::optional(found.front());
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            return std::nullopt;
        }
        throw;
    }
}

std::vector<SnapshotInfo> SnapshotCommands::list_of_volume(const VolumeId& volume_id,
                                                           const std::stop_token& stop) const {
    return snapshots_from(
        client_.list("listSnapshots", {{"volumeid", volume_id.value}, {"listall", "true"}}, "snapshot", stop));
}

VolumeInfo SnapshotCommands::require_detached(const VolumeId& volume_id, const char* what,
                                              const std::stop_token& stop) const {
    auto volume = volumes_.settled(volume_id, stop);
    if (volume.vm_id) {
        throw Error(ErrorCode::conflict,
                    fmt::format("cannot {} the volume {}: it is attached to '{}'", what, volume.name, volume.vm_name),
                    {.consequence = "Nothing was changed.", .remedy = "Detach the volume first.", .retry_safe = true});
    }
    return volume;
}

/// Nothing when it ended in Error, which is removed then, or has vanished.
std::optional<SnapshotInfo> SnapshotCommands::wait_backed_up(const CloudSnapshotId& id, Bytes size,
                                                             const std::stop_token& stop) const {
    std::optional<SnapshotInfo> snapshot;
    wait_until(
        [&] {
            snapshot = find(id, stop);
            return !snapshot || snapshot->state == "BackedUp" || snapshot->state == "Error";
        },
        limits_.poll, limit_for(size), stop, "the snapshot " + id.value + " to be complete");
    if (snapshot && snapshot->state == "Error") {
        remove(id, stop);
        return std::nullopt;
    }
    return snapshot;
}

std::optional<SnapshotInfo> SnapshotCommands::find_named(const VolumeId& volume_id, const std::string& name,
                                                         const std::stop_token& stop) const {
    for (const auto& snapshot : list_of_volume(volume_id, stop)) {
        if (snapshot.name == name) {
            return snapshot;
        }
    }
    return std::nullopt;
}

/// Its id, once the job is over; its state decides what came of it.
CloudSnapshotId SnapshotCommands::take(const VolumeInfo& volume, const std::string& name,
                                       const std::stop_token& stop) const {
    CloudSnapshotId id;
    try {
        const auto job = client_.start("createSnapshot", {{"volumeid", volume.id.value}, {"name", name}}, stop);
        id.value = job.object_id;
        client_.wait(job, limit_for(volume.size), stop);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        if (id.empty()) {
            const auto existing = is_outcome_unknown(error) ? find_named(volume.id, name, stop) : std::nullopt;
            if (!existing) {
                throw;
            }
            id = existing->id;
        }
        log::warn("volume={} snapshot={} the job failed, its state decides: {}", volume.id.value, id.value,
                  error.cause());
    }
    return id;
}

SnapshotInfo SnapshotCommands::create(const VolumeId& volume_id, const std::string& name,
                                      const std::stop_token& stop) const {
    for (int attempt = 1; attempt <= limits_.create_attempts; ++attempt) {
        const auto volume = require_detached(volume_id, "take a snapshot of", stop);
        const auto existing = find_named(volume_id, name, stop);
        const auto id = existing ? existing->id : take(volume, name, stop);
        if (auto complete = wait_backed_up(id, volume.size, stop)) {
            return std::move(*complete);
        }
        log::warn("volume={} snapshot={} ended in Error and was removed", volume_id.value, id.value);
    }
    throw Error(
        ErrorCode::external, "CloudStack could not complete the snapshot " + name,
        {.consequence = "The volume is unchanged; the incomplete snapshot was removed.",
         .remedy = "Check the free space of primary and secondary storage and CloudStack's events, then repeat.",
         .retry_safe = true});
}

void SnapshotCommands::revert(const CloudSnapshotId& id, const VolumeId& volume_id, const std::stop_token& stop) const {
    for (int attempt = 1;; ++attempt) {
        const auto volume = require_detached(volume_id, "revert", stop);
        try {
            client_.wait(client_.start("revertSnapshot", {{"id", id.value}}, stop), limit_for(volume.size), stop);
            require_detached(volume_id, "revert", stop);
            return;
        } catch (const Error& error) {
            // A refusal, inside the job or before: nothing was copied. Anything else may have left a half-copied
            // volume.
            if (error.native() == "431") {
                throw;
            }
            const bool may_repeat = error.native() == "530" || error.native() == outcome_unknown;
            if (!may_repeat || attempt >= limits_.revert_attempts) {
                throw with_advice(error, {.consequence = "The volume may be half reverted and must not be used.",
                                          .remedy = "Repeat the revert; the snapshot is kept.",
                                          .retry_safe = true});
            }
            log::warn("volume={} snapshot={} revert failed, repeating: {}", volume_id.value, id.value, error.cause());
        }
        if (!pause(limits_.poll, stop)) {
            throw Error(ErrorCode::cancelled, "stopped while reverting the volume " + volume_id.value);
        }
    }
}

/// False where nobody knows what came of it.
bool SnapshotCommands::delete_once(const CloudSnapshotId& id, const std::stop_token& stop) const {
    try {
        client_.wait(client_.start("deleteSnapshot", {{"id", id.value}}, stop), limits_.base, stop);
    } catch (const Error& error) {
        if (error.native() == "530") {
            throw with_advice(error, {.consequence = "The snapshot is kept.",
                                      .remedy = "A volume that was made from it may still depend on it: delete such "
                                                "volumes, then repeat.",
                                      .retry_safe = true});
        }
        if (is_outcome_unknown(error)) {
            return false;
        }
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
    }
    return true;
}

void SnapshotCommands::remove(const CloudSnapshotId& id, const std::stop_token& stop) const {
    for (int attempt = 1; attempt <= limits_.remove_attempts; ++attempt) {
        const auto snapshot = find(id, stop);
        if (!snapshot) {
            return;
        }
        // One that is being destroyed only has to be waited for.
        const bool rests = snapshot->state == "BackedUp" || snapshot->state == "Error";
        if ((attempt > 1 && !rests) || delete_once(id, stop)) {
            break;
        }
        log::warn("snapshot={} nobody knows what came of its deletion", id.value);
        if (!pause(limits_.poll, stop)) {
            throw Error(ErrorCode::cancelled, "stopped while deleting the snapshot " + id.value);
        }
    }
    wait_until([&] { return !find(id, stop); }, limits_.poll, std::chrono::minutes{2}, stop,
               "the snapshot " + id.value + " to disappear");
}

}  // namespace mk::cloudstack
