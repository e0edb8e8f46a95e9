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

SnapshotInfo SnapshotCommands::wait_backed_up(const CloudSnapshotId& id, Bytes size,
                                              const std::stop_token& stop) const {
    std::optional<SnapshotInfo> snapshot;
    wait_until(
        [&] {
            snapshot = find(id, stop);
            return !snapshot || snapshot->state == "BackedUp" || snapshot->state == "Error";
        },
        limits_.poll, limit_for(size), stop, "the snapshot " + id.value + " to be complete");
    if (snapshot && snapshot->state == "BackedUp") {
        return *snapshot;
    }
    if (snapshot) {
        remove(id, stop);
    }
    throw Error(
        ErrorCode::external, "CloudStack could not complete the snapshot " + id.value,
        {.consequence = "The volume is unchanged; the incomplete snapshot was removed.",
         .remedy = "Check the free space of primary and secondary storage and CloudStack's events, then repeat.",
         .retry_safe = true});
}

SnapshotInfo SnapshotCommands::create(const VolumeId& volume_id, const std::string& name,
                                      const std::stop_token& stop) const {
    const auto adopt = [&]() -> std::optional<SnapshotInfo> {
        const auto all = list_of_volume(volume_id, stop);
        const auto same =
            std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.name == name && s.state != "Error"; });
        return same == all.end() ? std::nullopt : std::optional(*same);
    };
    const auto volume = require_detached(volume_id, "take a snapshot of", stop);
    if (const auto existing = adopt()) {
        return wait_backed_up(existing->id, volume.size, stop);
    }
    CloudSnapshotId id;
    try {
        const auto job = client_.start("createSnapshot", {{"volumeid", volume_id.value}, {"name", name}}, stop);
        id.value = job.object_id;
        client_.wait(job, limit_for(volume.size), stop);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        if (id.empty()) {
            const auto existing = is_outcome_unknown(error) ? adopt() : std::nullopt;
            if (!existing) {
                throw;
            }
            id = existing->id;
        }
        log::warn("volume={} snapshot={} the job failed, its state decides: {}", volume_id.value, id.value,
                  error.cause());
    }
    return wait_backed_up(id, volume.size, stop);
}

void SnapshotCommands::revert(const CloudSnapshotId& id, const VolumeId& volume_id, const std::stop_token& stop) const {
    for (int attempt = 1;; ++attempt) {
        const auto volume = require_detached(volume_id, "revert", stop);
        try {
            client_.wait(client_.start("revertSnapshot", {{"id", id.value}}, stop), limit_for(volume.size), stop);
            require_detached(volume_id, "revert", stop);
            return;
        } catch (const Error& error) {
            // 431 inside the job or before is a refusal: nothing was copied. Anything else may have left a half-copied
            // volume.
            const bool may_repeat = error.native() == "530" || error.native() == outcome_unknown;
            if (!may_repeat || attempt >= limits_.revert_attempts) {
                throw error.advised({.consequence = "The volume may be half reverted and must not be used.",
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

void SnapshotCommands::remove(const CloudSnapshotId& id, const std::stop_token& stop) const {
    if (!find(id, stop)) {
        return;
    }
    try {
        client_.wait(client_.start("deleteSnapshot", {{"id", id.value}}, stop), limits_.base, stop);
    } catch (const Error& error) {
        if (!is_outcome_unknown(error) && error.code() != ErrorCode::not_found) {
            throw;
        }
    }
    wait_until([&] { return !find(id, stop); }, limits_.poll, std::chrono::minutes{2}, stop,
               "the snapshot " + id.value + " to disappear");
}

}  // namespace mk::cloudstack
