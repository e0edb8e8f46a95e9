#include "appliance/volumes/dto.hpp"

#include "base/block_digest.hpp"
#include "base/json_fields.hpp"

namespace mk::volumes_api {

contracts::Volume to_contract(const volumes::VolumeView& view) {
    return {.volume_id = view.row.id,
            .vm_context_id = view.row.vm_context_id,
            .disk_id = view.row.disk_id,
            .name = view.row.name,
            .size_bytes = view.row.size,
            .state = view.state,
            .type = view.type,
            .vm_id = view.vm_id,
            .device_id = view.device_id,
            .operation_mode = view.operation_mode,
            .device_path = view.device_path,
            .symlink_path = view.symlink_path,
            .snapshot_status = view.row.snapshot_status,
            .clone_of = view.row.clone_of};
}

contracts::Snapshot to_contract(const volumes::SnapshotView& view) {
    return {.volume_id = view.row.id,
            .snapshot_id = view.row.snapshot_id,
            .snapshot_name = view.row.snapshot_name,
            .status = view.row.snapshot_status,
            .created_at_ms = view.row.snapshot_created_ms,
            .revertable = view.revertable};
}

contracts::WriteSession to_contract(const volumes::WriteSessionView& view) {
    return {.session_id = view.row.id,
            .job_id = view.row.job_id,
            .volume_id = view.row.volume_id,
            .kind = view.row.kind,
            .state = view.row.state,
            .nbd_uri = view.nbd_uri,
            .export_name = view.export_name,
            .length = view.row.length,
            .target_is_zero = view.row.target_is_zero,
            .has_writes = view.has_writes};
}

contracts::Operation to_contract(const volumes::OperationView& view) {
    contracts::Operation operation;
    operation.operation_id = view.id;
    operation.state = view.state;
    operation.detail = view.detail;
    operation.percent = view.percent;
    if (!view.result.empty()) {
        operation.result = json::parse(view.result);
    }
    if (!view.error.empty()) {
        operation.error = json::parse(view.error);
    }
    return operation;
}

Json to_json(const volumes::DeviceView& view) {
    return {{"attached", view.attached},
            {"device_path", view.device_path},
            {"symlink_path", view.symlink_path},
            {"vm_id", view.vm_id.empty() ? Json(nullptr) : Json(view.vm_id)}};
}

contracts::MachineVolume to_contract(const volumes::MachineVolume& volume) {
    return {.volume_id = volume.id,
            .type = volume.type,
            .is_replica = volume.is_replica,
            .is_clone = volume.is_clone,
            .device_id = volume.device_id};
}

contracts::StagingSpace to_contract(const volumes::StagingState& state) {
    return {.total_bytes = state.total,
            .free_bytes = state.free,
            .reserved_bytes = state.reserved,
            .available_bytes = state.available};
}

namespace {

/// Anything else than a digest would just never be equal.
std::string digest_in(const Json& entry) {
    auto digest = json::require<std::string>(entry, "digest");
    leaf_digest_from_hex(digest);
    return digest;
}

}  // namespace

std::vector<volumes::RangeDigest> range_digests_from(const Json& body) {
    const auto list = json::require<Json>(body, "ranges");
    if (!list.is_array()) {
        throw Error(ErrorCode::invalid, "the field 'ranges' is not a list");
    }
    std::vector<volumes::RangeDigest> ranges;
    ranges.reserve(list.size());
    for (const auto& entry : list) {
        ranges.push_back(
            {{json::require<Bytes>(entry, "offset"), json::require<Bytes>(entry, "length")}, digest_in(entry)});
    }
    return ranges;
}

}  // namespace mk::volumes_api
