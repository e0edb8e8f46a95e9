#include "target/cloudstack/volume_commands.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/log.hpp"
#include "target/cloudstack/fields.hpp"

namespace mk::cloudstack {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

VolumeInfo volume_from(const Json& json) {
    VolumeInfo volume;
    volume.id.value = text_field(json, "id");
    volume.name = text_field(json, "name");
    volume.type = text_field(json, "type");
    volume.state = text_field(json, "state");
    volume.size = static_cast<Bytes>(number_field(json, "size").value_or(0));
    if (const auto vm = text_field(json, "virtualmachineid"); !vm.empty()) {
        volume.vm_id = CloudMachineId{vm};
        volume.vm_name = text_field(json, "vmdisplayname");
        volume.vm_state = text_field(json, "vmstate");
    }
    if (const auto device = number_field(json, "deviceid"); device && volume.vm_id) {
        volume.device_id = static_cast<int>(*device);
    }
    if (auto snapshot = text_field(json, "snapshotid"); !snapshot.empty()) {
        volume.made_from = CloudSnapshotId{std::move(snapshot)};
    }
    if (number_field(json, "jobstatus").value_or(0) == 0) {
        volume.pending_job = text_field(json, "jobid");
    }
    return volume;
}

std::vector<VolumeInfo> volumes_from(const Json& list) {
    std::vector<VolumeInfo> volumes;
    std::transform(list.begin(), list.end(), std::back_inserter(volumes), volume_from);
    return volumes;
}

bool is_one_of(std::string_view state, std::initializer_list<std::string_view> states) {
    return std::find(states.begin(), states.end(), state) != states.end();
}

bool is_gone(const VolumeInfo& volume) {
    return is_one_of(volume.state, {"Destroy", "Expunging", "Expunged"});
}

bool is_in_transition(const VolumeInfo& volume) {
    return !volume.pending_job.empty() ||
           is_one_of(volume.state, {"Creating", "Attaching", "Snapshotting", "RevertSnapshotting", "Resizing",
                                    "Migrating", "Copying"});
}

Error attached_elsewhere(const VolumeInfo& volume) {
    return Error(ErrorCode::conflict,
                 fmt::format("the volume {} is attached to the machine '{}' ({})", volume.name, volume.vm_name,
                             volume.vm_id ? volume.vm_id->value : ""),
                 {.consequence = "Nothing was changed.", .remedy = "Detach it there first.", .retry_safe = true});
}

}  // namespace

std::optional<VolumeInfo> VolumeCommands::find(const VolumeId& id, const std::stop_token& stop) const {
    try {
        const auto found =
            volumes_from(client_.list("listVolumes", {{"id", id.value}, {"listall", "true"}}, "volume", stop));
        if (found.empty() || is_gone(found.front())) {
            return std::nullopt;
        }
        return found.front();
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            return std::nullopt;
        }
        throw;
    }
}

std::vector<VolumeInfo> VolumeCommands::list_named(const std::string& name, const std::stop_token& stop) const {
    auto found = volumes_from(client_.list("listVolumes", {{"name", name}, {"listall", "true"}}, "volume", stop));
    // Some releases match a part of the name.
    std::erase_if(found, [&](const VolumeInfo& volume) { return volume.name != name || is_gone(volume); });
    return found;
}

std::vector<VolumeInfo> VolumeCommands::list_of_machine(const CloudMachineId& vm_id,
                                                        const std::stop_token& stop) const {
    return volumes_from(
        client_.list("listVolumes", {{"virtualmachineid", vm_id.value}, {"listall", "true"}}, "volume", stop));
}

std::optional<VolumeInfo> VolumeCommands::find_settled(const VolumeId& id, std::chrono::milliseconds limit,
                                                       const std::stop_token& stop) const {
    std::optional<VolumeInfo> volume;
    wait_until(
        [&] {
            volume = find(id, stop);
            return !volume || !is_in_transition(*volume);
        },
        limits_.settle_poll, limit, stop, "the volume " + id.value + " to leave its transitional state");
    return volume;
}

VolumeInfo VolumeCommands::settled(const VolumeId& id, const std::stop_token& stop) const {
    auto volume = find_settled(id, limits_.settle, stop);
    if (!volume) {
        throw Error(ErrorCode::not_found, "the volume " + id.value + " does not exist in CloudStack",
                    {.remedy = "Check in CloudStack whether somebody deleted it, and that the API user may see it."});
    }
    return std::move(*volume);
}

std::optional<VolumeInfo> VolumeCommands::find_named(const std::string& name, const std::stop_token& stop) const {
    const auto named = list_named(name, stop);
    if (named.size() > 1) {
        throw Error(ErrorCode::conflict, "CloudStack has several volumes named " + name,
                    {.consequence = "Nothing was created.", .remedy = "Delete or rename those that are not in use."});
    }
    return named.empty() ? std::nullopt : std::optional(named.front());
}

VolumeInfo VolumeCommands::create(const Create& request, const std::stop_token& stop) const {
    if (const auto existing = find_named(request.name, stop)) {
        return *existing;
    }
    try {
        const auto job = client_.start("createVolume",
                                       {{"name", request.name},
                                        {"zoneid", request.zone_id},
                                        {"diskofferingid", request.disk_offering_id},
                                        {"size", std::to_string(request.size_gib)}},
                                       stop);
        client_.wait(job, limits_.settle, stop);
        return settled(VolumeId{job.object_id}, stop);
    } catch (const Error& error) {
        if (!is_outcome_unknown(error)) {
            throw;
        }
        if (const auto existing = find_named(request.name, stop)) {
            return settled(existing->id, stop);
        }
        throw;
    }
}

VolumeInfo VolumeCommands::attach_at(const VolumeInfo& volume, const CloudMachineId& vm_id,
                                     std::optional<int> device_id, const std::stop_token& stop) const {
    Parameters parameters{{"id", volume.id.value}, {"virtualmachineid", vm_id.value}};
    if (device_id) {
        parameters.emplace_back("deviceid", std::to_string(*device_id));
    }
    try {
        client_.wait(client_.start("attachVolume", parameters, stop), limits_.attach, stop);
    } catch (const Error& error) {
        // A refused attach leaves the volume as it was; of an unknown one only the state tells.
        if (!is_outcome_unknown(error)) {
            throw;
        }
        if (settled(volume.id, stop).vm_id != vm_id) {
            throw;
        }
    }
    auto now = settled(volume.id, stop);
    if (now.vm_id != vm_id) {
        throw Error(ErrorCode::external,
                    "CloudStack reported the volume " + volume.name + " as attached, but it is not",
                    {.remedy = "Repeat the operation.", .retry_safe = true});
    }
    return now;
}

VolumeInfo VolumeCommands::attach(const VolumeId& id, const CloudMachineId& vm_id, std::optional<int> device_id,
                                  const std::stop_token& stop) const {
    const auto volume = settled(id, stop);
    if (volume.vm_id && volume.vm_id != vm_id) {
        throw attached_elsewhere(volume);
    }
    if (volume.vm_id) {
        if (device_id && volume.device_id && *device_id != *volume.device_id) {
            throw Error(ErrorCode::conflict,
                        fmt::format("the volume {} is attached as device {}, not {}", volume.name, *volume.device_id,
                                    *device_id),
                        {.remedy = "Detach it first.", .retry_safe = true});
        }
        return volume;
    }
    return attach_at(volume, vm_id, device_id, stop);
}

VolumeInfo VolumeCommands::attach_root(const VolumeId& id, const CloudMachineId& vm_id,
                                       const std::stop_token& stop) const {
    auto volume = settled(id, stop);
    if (volume.vm_id && volume.vm_id != vm_id) {
        throw attached_elsewhere(volume);
    }
    if (!volume.vm_id) {
        if (volume.state != "Ready") {  // never written: it would fail only when the machine starts
            throw Error(ErrorCode::conflict,
                        fmt::format("the volume {} cannot become a root disk in state {}", volume.name, volume.state),
                        {.remedy = "A first copy must be completed before."});
        }
        const auto others = list_of_machine(vm_id, stop);
        if (std::any_of(others.begin(), others.end(),
                        [](const VolumeInfo& v) { return v.device_id == 0 || v.type == "ROOT"; })) {
            throw Error(ErrorCode::conflict, "the machine " + vm_id.value + " already has a root volume",
                        {.consequence = "Nothing was changed.",
                         .remedy = "Discard its default root volume first.",
                         .retry_safe = true});
        }
        volume = attach_at(volume, vm_id, 0, stop);
    }
    if (volume.type != "ROOT" || volume.device_id != 0) {
        throw Error(ErrorCode::conflict,
                    fmt::format("the volume {} is attached as {} device {}, not as root device 0", volume.name,
                                volume.type, volume.device_id.value_or(-1)),
                    {.consequence = "The machine would not start.",
                     .remedy = "Detach it, then attach it as root.",
                     .retry_safe = true});
    }
    return volume;
}

/// Throws what the job said, unless the volume is seen detached.
void VolumeCommands::unplug_once(const VolumeId& id, const std::stop_token& stop) const {
    try {
        client_.wait(client_.start("detachVolume", {{"id", id.value}}, stop), limits_.detach_job, stop);
    } catch (const Error& error) {
        // While the job lives a newer attachment could be cleared by it (apache/cloudstack 14214): never go on then.
        if (error.native() == job_still_running || settled(id, stop).vm_id) {
            throw;
        }
    }
}

VolumeInfo VolumeCommands::detach(const VolumeId& id, const std::stop_token& stop) const {
    const auto give_up = SteadyClock::now() + limits_.unplug;
    auto next_pause = limits_.first_unplug_pause;
    while (true) {
        auto volume = settled(id, stop);
        if (!volume.vm_id) {
            return volume;
        }
        try {
            unplug_once(id, stop);
            continue;
        } catch (const Error& error) {
            // The guest may finish later. Callers without admin rights get a generic text, so the code alone must do.
            const bool may_pass = error.native() == "530" || error.native() == outcome_unknown;
            if (!may_pass || SteadyClock::now() + next_pause > give_up) {
                const Advice advice{.consequence = "The volume is still attached to '" + volume.vm_name + "'.",
                                    .remedy = "Close what holds the disk in that machine, then repeat.",
                                    .retry_safe = true};
                throw may_pass ? with_advice(error, advice) : error.advised(advice);
            }
            log::warn("volume={} detach refused, again in {} ms: {}", id.value, next_pause.count(), error.cause());
        }
        if (!pause(next_pause, stop)) {
            throw Error(ErrorCode::cancelled, "stopped while detaching the volume " + id.value);
        }
        next_pause = std::min<std::chrono::milliseconds>(next_pause * 2, 30s);
    }
}

void VolumeCommands::remove(const VolumeId& id, const std::stop_token& stop) const {
    if (!find(id, stop)) {
        return;
    }
    const auto volume = settled(id, stop);
    if (volume.vm_id) {
        throw attached_elsewhere(volume);
    }
    try {
        client_.call("deleteVolume", {{"id", id.value}}, limits_.remove, stop);
    } catch (const Error& error) {
        if (!is_outcome_unknown(error) && error.code() != ErrorCode::not_found) {
            throw;
        }
    }
    wait_until([&] { return !find(id, stop); }, limits_.settle_poll, std::chrono::minutes{2}, stop,
               "the volume " + id.value + " to disappear");
}

VolumeInfo VolumeCommands::resize(const VolumeId& id, std::uint64_t size_gib, const std::stop_token& stop) const {
    const auto volume = settled(id, stop);
    const Bytes wanted = size_gib * GiB;
    if (volume.size == wanted) {
        return volume;
    }
    if (volume.size > wanted) {
        throw Error(ErrorCode::invalid, fmt::format("the volume {} has {} and cannot shrink to {}", volume.name,
                                                    format_bytes(volume.size), format_bytes(wanted)));
    }
    try {
        client_.wait(client_.start("resizeVolume", {{"id", id.value}, {"size", std::to_string(size_gib)}}, stop),
                     limits_.settle, stop);
    } catch (const Error& error) {
        if (!is_outcome_unknown(error)) {
            throw;
        }
    }
    const auto now = settled(id, stop);
    if (now.size < wanted) {
        throw Error(ErrorCode::external,
                    fmt::format("the volume {} has still {} after resizing", volume.name, format_bytes(now.size)),
                    {.remedy = "Look at the events in CloudStack, then repeat.", .retry_safe = true});
    }
    return now;
}

void VolumeCommands::tag(const std::string& resource_type, const std::string& resource_id, const std::string& key,
                         const std::string& value, const std::stop_token& stop) const {
    const auto job = client_.start(
        "createTags",
        {{"resourcetype", resource_type}, {"resourceids", resource_id}, {"tags[0].key", key}, {"tags[0].value", value}},
        stop);
    client_.wait(job, std::chrono::minutes{2}, stop);
}

}  // namespace mk::cloudstack
