#include "target/cloudstack/clone_commands.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/log.hpp"

namespace mk::cloudstack {

std::chrono::milliseconds CloneCommands::limit_for(Bytes size) const {
    return limits_.base + std::chrono::seconds{size / std::max<Bytes>(1, limits_.slowest_bytes_per_second)};
}

/// What an earlier creation made completely. What one left half-made has no bytes, and its first attach would fill it
/// with zeros: it is deleted.
std::optional<VolumeInfo> CloneCommands::find_made(const Create& request, const std::stop_token& stop) const {
    const auto named = volumes_.find_named(request.name, stop);
    auto volume = named ? volumes_.find_settled(named->id, limit_for(request.size), stop) : std::nullopt;
    if (!volume) {
        return std::nullopt;
    }
    if (volume->made_from && *volume->made_from != request.snapshot_id) {
        throw Error(ErrorCode::conflict,
                    fmt::format("CloudStack has a volume named {} that was made from the snapshot {}", volume->name,
                                volume->made_from->value),
                    {.consequence = "Nothing was created.", .remedy = "Delete or rename it when nobody needs it."});
    }
    if (volume->state == "Ready" && volume->size >= request.size) {
        return volume;
    }
    log::warn("volume={} of a creation that was cut off is {} and is made again", volume->id.value, volume->state);
    volumes_.remove(volume->id, stop);
    return std::nullopt;
}

VolumeInfo CloneCommands::create(const Create& request, const std::stop_token& stop) const {
    if (auto existing = find_made(request, stop)) {
        return std::move(*existing);
    }
    try {
        const auto job =
            client_.start("createVolume", {{"name", request.name}, {"snapshotid", request.snapshot_id.value}}, stop);
        client_.wait(job, limit_for(request.size), stop);
    } catch (const Error& error) {
        // A copy that goes on after our patience is found by the next call. Never blindly repeated: section 9.9.
        if (error.native() != outcome_unknown) {
            throw;
        }
        log::warn("volume={} nobody knows what came of its creation, its state decides: {}", request.name,
                  error.cause());
    }
    auto made = find_made(request, stop);
    if (!made) {
        throw Error(ErrorCode::external, "CloudStack has not made the volume " + request.name + " from its snapshot",
                    {.consequence = "The snapshot and its volume are unchanged.",
                     .remedy = "Look at the events in CloudStack, then repeat.",
                     .retry_safe = true});
    }
    return std::move(*made);
}

}  // namespace mk::cloudstack
