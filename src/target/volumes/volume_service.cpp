#include "target/volumes/volume_service.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "target/volumes/block_device.hpp"
#include "target/volumes/machine_lock.hpp"

namespace mk::volumes {
namespace {

using cloudstack::VolumeInfo;

constexpr const char* tag_key = "migratekit.context";

Error gone_from_cloud(const VolumeRow& row) {
    const Advice advice = row.clone_of
                              ? Advice{.consequence = "What was tested on it is over; the replica is not touched.",
                                       .remedy = "Delete the volume here."}
                              : Advice{.consequence = "This replica is lost.",
                                       .remedy = "Delete the volume here, then replicate the machine in full again."};
    return Error(ErrorCode::not_found,
                 "the volume " + row.name + " (" + row.id.value + ") does not exist in CloudStack any more", advice);
}

std::string persistent_name_of(const VolumeRow& row) {
    return row.clone_of ? PersistentNames::name_of_clone(row.vm_context_id, row.disk_id, row.id)
                        : PersistentNames::name_of(row.vm_context_id, row.disk_id);
}

bool is_at_appliance(const VolumeInfo& info, const Cloud& cloud) {
    return info.vm_id && *info.vm_id == cloud.appliance();
}

}  // namespace

std::string cloud_volume_name(const CreateRequest& request) {
    const auto identity = sha256_hex(request.vm_context_id.value + "/" + request.disk_id.value).substr(0, 8);
    return request.name.substr(0, 200) + "-" + identity;
}

// ---- looking

VolumeView VolumeService::view_of(const VolumeRow& row, const VolumeInfo& info, const Cloud& cloud) const {
    VolumeView view{.row = row,
                    .state = info.state,
                    .type = info.type,
                    .vm_id = info.vm_id,
                    .device_id = info.device_id,
                    .operation_mode = "",
                    .device_path = "",
                    .symlink_path = ""};
    if (!info.vm_id) {
        return view;
    }
    view.operation_mode = is_at_appliance(info, cloud) ? "oma" : "failover";
    const auto mapping = parts_.volumes.find_mapping(row.id);
    if (view.operation_mode == "oma" && mapping && mapping->operation_mode == "oma") {
        if (const auto device = parts_.locator.find(row.id)) {
            view.device_path = device->path;
            view.symlink_path = mapping->symlink_path;
        }
    }
    return view;
}

VolumeView VolumeService::get(const VolumeId& id, const std::stop_token& stop) const {
    const auto row = parts_.volumes.require_known(id);
    const auto cloud = parts_.cloud.open();
    const auto info = cloud->volumes().find(id, stop);
    if (!info) {
        throw gone_from_cloud(row);
    }
    return view_of(row, *info, *cloud);
}

std::vector<VolumeView> VolumeService::list(const std::optional<VmContextId>& vm_context_id,
                                            const std::stop_token& stop) const {
    return views_of(parts_.volumes.list(vm_context_id), stop);
}

std::vector<VolumeView> VolumeService::views_of(const std::vector<VolumeRow>& rows, const std::stop_token& stop) const {
    std::vector<VolumeView> views;
    if (rows.empty()) {
        return views;
    }
    const auto cloud = parts_.cloud.open();
    for (const auto& row : rows) {
        if (const auto info = cloud->volumes().find(row.id, stop)) {
            views.push_back(view_of(row, *info, *cloud));
        } else {
            VolumeView absent;
            absent.row = row;
            absent.state = "Absent";
            views.push_back(absent);
        }
    }
    return views;
}

DeviceView VolumeService::device(const VolumeId& id, const std::stop_token& stop) const {
    const auto view = get(id, stop);
    return {.attached = view.vm_id.has_value(),
            .device_path = view.device_path,
            .symlink_path = view.symlink_path,
            .vm_id = view.vm_id ? view.vm_id->value : ""};
}

std::vector<MachineVolume> VolumeService::machine_volumes(const CloudMachineId& vm_id,
                                                          const std::stop_token& stop) const {
    std::vector<MachineVolume> volumes;
    for (const auto& info : parts_.cloud.open()->volumes().list_of_machine(vm_id, stop)) {
        const auto known = parts_.volumes.find_known(info.id);
        volumes.push_back({.id = info.id,
                           .type = info.type,
                           .device_id = info.device_id,
                           .is_replica = known && !known->clone_of,
                           .is_clone = known && known->clone_of});
    }
    return volumes;
}

// ---- creating and deleting

VolumeView VolumeService::create(const CreateRequest& request, const Progress& progress) {
    const auto cloud = parts_.cloud.open_for({cloud_volume_name(request)}, progress);
    if (const auto row = parts_.volumes.find_disk(request.vm_context_id, request.disk_id)) {
        const auto info = cloud->volumes().find(row->id, progress.stop());
        if (!info) {
            throw gone_from_cloud(*row);
        }
        return view_of(*row, *info, *cloud);
    }
    if (request.size == 0 || request.name.empty()) {
        throw Error(ErrorCode::invalid, "a volume needs a name and a size");
    }
    const auto name = cloud_volume_name(request);
    progress.say("Checking that CloudStack can take the volume");
    cloud->placement().require_size(cloud->zone_id(), cloud->disk_offering_id(), gib_rounded_up(request.size),
                                    progress.stop());
    cloud->placement().require_no_vm_snapshots(cloud->appliance(), progress.stop());
    cloud->placement().require_free_slot(cloud->appliance(), progress.stop());
    const auto entry = parts_.ledger.intend(ledger_volume, name, request.vm_context_id, JobId{});
    progress.say("Creating the volume");
    const auto info = create_in_cloud(request, name, *cloud, progress);
    parts_.ledger.confirm(entry, info.id.value);
    // A volume that was found and has been attached before may hold anything; a fresh one is a record without bytes.
    VolumeRow row;
    row.id = info.id;
    row.vm_context_id = request.vm_context_id;
    row.disk_id = request.disk_id;
    row.name = name;
    row.size = info.size;
    row.written = info.state != "Allocated";
    parts_.volumes.insert(row);
    try {
        cloud->volumes().tag("Volume", info.id.value, tag_key, request.vm_context_id.value, progress.stop());
    } catch (const Error& error) {
        log::warn("volume={} could not be tagged; the ledger knows it: {}", info.id.value, error.cause());
    }
    return view_of(row, info, *cloud);
}

/// An earlier creation may have been cut off before its row was written, and the source have grown since: such a volume
/// has no bytes yet, and is made again in the right size.
VolumeInfo VolumeService::create_in_cloud(const CreateRequest& request, const std::string& name, const Cloud& cloud,
                                          const Progress& progress) {
    const cloudstack::VolumeCommands::Create wanted{.name = name,
                                                    .zone_id = cloud.zone_id(),
                                                    .disk_offering_id = cloud.disk_offering_id(),
                                                    .size_gib = gib_rounded_up(request.size)};
    try {
        auto info = cloud.volumes().create(wanted, progress.stop());
        if (info.size < request.size && info.state == "Allocated" && !info.vm_id) {
            log::warn("volume={} of a creation that was cut off has another size and is made again", info.id.value);
            cloud.volumes().remove(info.id, progress.stop());
            info = cloud.volumes().create(wanted, progress.stop());
        }
        if (info.size < request.size) {
            throw Error(ErrorCode::conflict,
                        fmt::format("CloudStack has the volume {} with {} instead of {}", name, format_bytes(info.size),
                                    format_bytes(request.size)),
                        {.consequence = "Nothing was written to it.",
                         .remedy = "Delete that volume in CloudStack when nobody needs it, then repeat.",
                         .retry_safe = true});
        }
        return info;
    } catch (const Error& error) {
        if (!error.retryable() && error.code() != ErrorCode::cancelled) {
            forget_unmade(name, cloud, progress);
        }
        throw;
    }
}

/// After a refusal: the ledger forgets the intention when no such volume is seen.
void VolumeService::forget_unmade(const std::string& name, const Cloud& cloud, const Progress& progress) {
    try {
        if (cloud.volumes().list_named(name, progress.stop()).empty()) {
            parts_.ledger.name_gone(ledger_volume, name);
        }
    } catch (const Error& error) {
        log::warn("it is not known whether the volume {} exists; the ledger keeps it: {}", name, error.cause());
    }
}

/// Snapshots and clones need the replica.
void VolumeService::require_removable(const VolumeRow& replica, const Cloud& cloud, bool exists,
                                      const Progress& progress) const {
    const auto refuse = [&](const char* what, const char* remedy) {
        throw Error(ErrorCode::conflict, "the volume " + replica.name + " has " + what + " and cannot be deleted",
                    {.consequence = "Nothing was changed.", .remedy = remedy, .retry_safe = true});
    };
    if (!parts_.volumes.list_clones_of(replica.id).empty()) {
        refuse("clones", "Delete its clones and its snapshot first.");
    }
    if (replica.snapshot_id || (exists && !cloud.snapshots().list_of_volume(replica.id, progress.stop()).empty())) {
        refuse("a snapshot", "Delete its snapshot first.");
    }
}

void VolumeService::remove(const VolumeId& id, const Progress& progress) {
    const auto found = parts_.volumes.find_known(id);
    if (!found) {
        return;  // an earlier call was completed
    }
    require_no_active_session(parts_.sessions, id, "delete");
    const auto cloud = parts_.cloud.open_for({id.value}, progress);
    const auto info = cloud->volumes().find(id, progress.stop());
    if (info && info->vm_id) {
        throw Error(ErrorCode::conflict,
                    "the volume " + found->name + " is attached to '" + info->vm_name + "' and cannot be deleted",
                    {.consequence = "Nothing was changed.", .remedy = "Detach it first.", .retry_safe = true});
    }
    if (!found->clone_of) {
        require_removable(*found, *cloud, info.has_value(), progress);
    }
    progress.say("Deleting the volume");
    cloud->volumes().remove(id, progress.stop());
    forget_attachment(*found);
    parts_.digests.forget(id);
    parts_.ledger.gone(found->clone_of ? ledger_clone : ledger_volume, id.value);
    // Last: while the row is there, a repetition finishes the rest.
    if (found->clone_of) {
        parts_.volumes.remove_clone(found->name);
    } else {
        parts_.volumes.remove(id);
    }
}

void VolumeService::remove_clone(const VolumeId& id, const Progress& progress) {
    if (const auto replica = parts_.volumes.find(id)) {
        throw Error(ErrorCode::conflict, "the volume " + replica->name + " is a replica and not a clone",
                    {.consequence = "Nothing was changed.", .remedy = "Name the clone that is to be deleted."});
    }
    remove(id, progress);
}

VolumeView VolumeService::resize(const VolumeId& id, Bytes size, const Progress& progress) {
    const auto row = parts_.volumes.require(id);
    require_no_active_session(parts_.sessions, id, "resize");
    if (row.snapshot_id) {
        throw Error(
            ErrorCode::conflict, "the volume " + row.name + " has a snapshot of the old size",
            {.consequence = "Nothing was changed.", .remedy = "Delete the snapshot first.", .retry_safe = true});
    }
    const auto cloud = parts_.cloud.open_for({id.value}, progress);
    const auto before = cloud->volumes().settled(id, progress.stop());
    const auto size_gib = gib_rounded_up(size);
    if (before.size < size_gib * GiB) {
        cloud->placement().require_size(cloud->zone_id(), cloud->disk_offering_id(), size_gib, progress.stop());
        if (before.vm_id) {
            cloud->placement().require_no_vm_snapshots(*before.vm_id, progress.stop());
        }
    }
    if (row.size < size_gib * GiB) {
        // Before it grows: what was known about the content is of the old size.
        parts_.volumes.set_digest(id, std::nullopt);
        parts_.digests.forget_current(id);
    }
    progress.say("Growing the volume");
    const auto info = cloud->volumes().resize(id, size_gib, progress.stop());
    parts_.volumes.set_size(id, info.size);
    if (is_at_appliance(info, *cloud)) {
        parts_.locator.wait_present(id, info.size, device_limit_, progress.stop());
    }
    return view_of(parts_.volumes.require(id), info, *cloud);
}

// ---- attaching and detaching

VolumeView VolumeService::note_attached(const VolumeRow& row, const VolumeInfo& info, const Cloud& cloud,
                                        const Progress& progress) {
    MappingRow mapping{.volume_id = row.id,
                       .vm_context_id = row.vm_context_id,
                       .operation_mode = "failover",
                       .vm_id = *info.vm_id,
                       .device_id = info.device_id,
                       .device_path = "",
                       .persistent_name = "",
                       .symlink_path = ""};
    if (is_at_appliance(info, cloud)) {
        progress.say("Waiting for the device");
        const auto device = parts_.locator.wait_present(row.id, info.size, device_limit_, progress.stop());
        mapping.operation_mode = "oma";
        mapping.device_path = device.path;
        mapping.persistent_name = persistent_name_of(row);
        mapping.symlink_path = parts_.names.point(mapping.persistent_name, device.stable);
    }
    parts_.volumes.save_mapping(mapping);
    return view_of(row, info, cloud);
}

void VolumeService::forget_attachment(const VolumeRow& row) {
    parts_.names.remove(persistent_name_of(row));
    parts_.volumes.remove_mapping(row.id);
}

VolumeView VolumeService::attach(const VolumeId& id, const std::optional<CloudMachineId>& vm_id,
                                 std::optional<int> device_id, const Progress& progress) {
    const auto row = parts_.volumes.require_known(id);
    const auto cloud = parts_.cloud.open_for({id.value}, progress);
    const auto machine = vm_id.value_or(cloud->appliance());
    if (device_id == 0) {
        throw Error(ErrorCode::invalid, "device 0 is the root disk", {.remedy = "Use attach-root."});
    }
    progress.say("Attaching the volume");
    VolumeInfo info;
    {
        const auto lease = lock_machine(parts_.locks, machine, progress.stop());
        const auto before = cloud->volumes().settled(id, progress.stop());
        if (row.clone_of && before.state != "Ready") {
            throw Error(ErrorCode::conflict,
                        "the volume " + row.name + ", made from a snapshot, is " + before.state + ", not Ready",
                        {.consequence = "It was not attached: CloudStack would fill it with zeros.",
                         .remedy = "Make it again, or remove it.",
                         .retry_safe = true});
        }
        if (!before.vm_id) {
            cloud->placement().require_no_vm_snapshots(machine, progress.stop());
            cloud->placement().require_free_slot(machine, progress.stop());
        }
        info = cloud->volumes().attach(id, machine, device_id, progress.stop());
    }
    return note_attached(row, info, *cloud, progress);
}

VolumeView VolumeService::attach_root(const VolumeId& id, const CloudMachineId& vm_id, const Progress& progress) {
    const auto row = parts_.volumes.require_known(id);
    const auto cloud = parts_.cloud.open_for({id.value}, progress);
    if (vm_id == cloud->appliance()) {
        throw Error(ErrorCode::invalid, "a replica or a clone cannot become the root disk of the appliance");
    }
    progress.say("Attaching the volume as root disk");
    VolumeInfo info;
    {
        const auto lease = lock_machine(parts_.locks, vm_id, progress.stop());
        info = cloud->volumes().attach_root(id, vm_id, progress.stop());
    }
    return note_attached(row, info, *cloud, progress);
}

VolumeView VolumeService::detach(const VolumeId& id, const Progress& progress) {
    const auto row = parts_.volumes.require_known(id);
    require_no_active_session(parts_.sessions, id, "detach");
    const auto cloud = parts_.cloud.open_for({id.value}, progress);
    auto info = cloud->volumes().settled(id, progress.stop());
    const bool was_here = is_at_appliance(info, *cloud);
    if (info.vm_id) {
        if (const auto device = was_here ? parts_.locator.find(id) : std::nullopt) {
            BlockDevice(device->path).forget_cached();  // nothing of ours may be on its way when it is unplugged
        }
        progress.say("Detaching the volume");
        const auto lease = lock_machine(parts_.locks, *info.vm_id, progress.stop());
        cloud->placement().require_no_vm_snapshots(*info.vm_id, progress.stop());
        info = cloud->volumes().detach(id, progress.stop());
    }
    if (was_here) {
        progress.say("Waiting for the device to vanish");
        parts_.locator.wait_absent(id, device_limit_, progress.stop());
    }
    forget_attachment(row);
    return view_of(row, info, *cloud);
}

std::string VolumeService::digest(const VolumeId& id, const Progress& progress) {
    const auto row = parts_.volumes.require_known(id);
    if (const auto active = parts_.sessions.find_active(id);
        active && (!active->is_staged() || active->state == "committing")) {
        throw Error(ErrorCode::conflict,
                    "the volume " + row.name + " is being written by the job " + active->job_id.value,
                    {.consequence = "Its digest is not known before that ends.",
                     .remedy = "Wait for that job, or stop it first.",
                     .retry_safe = true});
    }
    const auto device = parts_.locator.find(id);
    if (!device || device->size != row.size) {
        throw Error(ErrorCode::conflict, "the volume " + row.name + " is not attached to this appliance",
                    {.remedy = "Attach it first.", .retry_safe = true});
    }
    const auto digest = parts_.digests.recompute(id, BlockDevice(device->path), progress.stop(),
                                                 [&](double percent) { progress.say("Reading the volume", percent); });
    if (!row.clone_of) {
        parts_.volumes.set_digest(id, digest);
    }
    return digest;
}

}  // namespace mk::volumes
