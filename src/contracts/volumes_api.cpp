#include "contracts/volumes_api.hpp"

#include "base/json_fields.hpp"

namespace mk::contracts {

using json::find;
using json::or_null;
using json::require;
using json::value_or;

namespace {

template <class AnyId>
Json id_or_null(const std::optional<AnyId>& id) {
    return id ? Json(id->value) : Json(nullptr);
}

template <class AnyId>
std::optional<AnyId> id_in(const Json& json, const char* field) {
    auto text = find<std::string>(json, field);
    return text ? std::optional<AnyId>(AnyId{std::move(*text)}) : std::nullopt;
}

template <class AnyId>
AnyId require_id(const Json& json, const char* field) {
    auto text = require<std::string>(json, field);
    if (text.empty()) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' is empty");
    }
    return AnyId{std::move(text)};
}

}  // namespace

Json to_json(const CreateVolume& request) {
    return {{"vm_context_id", request.vm_context_id.value},
            {"disk_id", request.disk_id.value},
            {"name", request.name},
            {"size_bytes", request.size_bytes}};
}

CreateVolume create_volume_from(const Json& json) {
    return {.vm_context_id = require_id<VmContextId>(json, "vm_context_id"),
            .disk_id = require_id<DiskId>(json, "disk_id"),
            .name = require<std::string>(json, "name"),
            .size_bytes = require<Bytes>(json, "size_bytes")};
}

Json to_json(const Volume& volume) {
    return {{"volume_id", volume.volume_id.value},
            {"vm_context_id", volume.vm_context_id.value},
            {"disk_id", volume.disk_id.value},
            {"name", volume.name},
            {"size_bytes", volume.size_bytes},
            {"state", volume.state},
            {"type", volume.type},
            {"vm_id", id_or_null(volume.vm_id)},
            {"device_id", or_null(volume.device_id)},
            {"operation_mode", volume.operation_mode},
            {"device_path", volume.device_path},
            {"symlink_path", volume.symlink_path},
            {"snapshot_status", volume.snapshot_status},
            {"clone_of", id_or_null(volume.clone_of)}};
}

Volume volume_from(const Json& json) {
    Volume volume;
    volume.volume_id = require_id<VolumeId>(json, "volume_id");
    volume.vm_context_id = VmContextId{value_or<std::string>(json, "vm_context_id", "")};
    volume.disk_id = DiskId{value_or<std::string>(json, "disk_id", "")};
    volume.name = value_or<std::string>(json, "name", "");
    volume.size_bytes = value_or<Bytes>(json, "size_bytes", 0);
    volume.state = value_or<std::string>(json, "state", "");
    volume.type = value_or<std::string>(json, "type", "");
    volume.vm_id = id_in<CloudMachineId>(json, "vm_id");
    volume.device_id = find<int>(json, "device_id");
    volume.operation_mode = value_or<std::string>(json, "operation_mode", "");
    volume.device_path = value_or<std::string>(json, "device_path", "");
    volume.symlink_path = value_or<std::string>(json, "symlink_path", "");
    volume.snapshot_status = value_or<std::string>(json, "snapshot_status", "");
    volume.clone_of = id_in<VolumeId>(json, "clone_of");
    return volume;
}

Json to_json(const Snapshot& snapshot) {
    return {{"volume_id", snapshot.volume_id.value},
            {"snapshot_id", id_or_null(snapshot.snapshot_id)},
            {"snapshot_name", snapshot.snapshot_name},
            {"status", snapshot.status},
            {"created_at_ms", or_null(snapshot.created_at_ms)},
            {"revertable", snapshot.revertable}};
}

Snapshot snapshot_from(const Json& json) {
    Snapshot snapshot;
    snapshot.volume_id = require_id<VolumeId>(json, "volume_id");
    snapshot.snapshot_id = id_in<CloudSnapshotId>(json, "snapshot_id");
    snapshot.snapshot_name = value_or<std::string>(json, "snapshot_name", "");
    snapshot.status = value_or<std::string>(json, "status", "");
    snapshot.created_at_ms = find<std::int64_t>(json, "created_at_ms");
    snapshot.revertable = value_or<bool>(json, "revertable", false);
    return snapshot;
}

Json to_json(const MachineVolume& volume) {
    return {{"volume_id", volume.volume_id.value},
            {"type", volume.type},
            {"device_id", or_null(volume.device_id)},
            {"is_replica", volume.is_replica},
            {"is_clone", volume.is_clone}};
}

MachineVolume machine_volume_from(const Json& json) {
    MachineVolume volume;
    volume.volume_id = require_id<VolumeId>(json, "volume_id");
    volume.type = value_or<std::string>(json, "type", "");
    volume.device_id = find<int>(json, "device_id");
    // Required: whoever destroys a machine goes by it, and "not told" must not mean "no replica".
    volume.is_replica = require<bool>(json, "is_replica");
    volume.is_clone = value_or<bool>(json, "is_clone", false);
    return volume;
}

Json to_json(const StagingSpace& space) {
    return {{"total_bytes", space.total_bytes},
            {"free_bytes", space.free_bytes},
            {"reserved_bytes", space.reserved_bytes},
            {"available_bytes", space.available_bytes}};
}

StagingSpace staging_space_from(const Json& json) {
    return {.total_bytes = require<Bytes>(json, "total_bytes"),
            .free_bytes = require<Bytes>(json, "free_bytes"),
            .reserved_bytes = require<Bytes>(json, "reserved_bytes"),
            .available_bytes = require<Bytes>(json, "available_bytes")};
}

Json to_json(const OpenWriteSession& request) {
    return {{"job_id", request.job_id.value},
            {"volume_id", request.volume_id.value},
            {"length", request.length},
            {"kind", request.kind},
            {"expect_zero", request.expect_zero},
            {"expected_bytes", request.expected_bytes},
            {"resume_of", id_or_null(request.resume_of)}};
}

OpenWriteSession open_write_session_from(const Json& json) {
    OpenWriteSession request;
    request.job_id = require_id<JobId>(json, "job_id");
    request.volume_id = require_id<VolumeId>(json, "volume_id");
    request.length = require<Bytes>(json, "length");
    request.kind = require<std::string>(json, "kind");
    if (request.kind != "direct" && request.kind != "staged") {
        throw Error(ErrorCode::invalid, "the field 'kind' must be 'direct' or 'staged'");
    }
    request.expect_zero = value_or<bool>(json, "expect_zero", false);
    request.expected_bytes = value_or<Bytes>(json, "expected_bytes", 0);
    request.resume_of = id_in<JobId>(json, "resume_of");
    return request;
}

Json to_json(const WriteSession& session) {
    return {{"session_id", session.session_id.value},
            {"job_id", session.job_id.value},
            {"volume_id", session.volume_id.value},
            {"kind", session.kind},
            {"state", session.state},
            {"nbd_uri", session.nbd_uri},
            {"export_name", session.export_name},
            {"length", session.length},
            {"target_is_zero", session.target_is_zero},
            {"has_writes", session.has_writes}};
}

WriteSession write_session_from(const Json& json) {
    WriteSession session;
    session.session_id = require_id<WriteSessionId>(json, "session_id");
    session.job_id = JobId{value_or<std::string>(json, "job_id", "")};
    session.volume_id = require_id<VolumeId>(json, "volume_id");
    session.kind = value_or<std::string>(json, "kind", "");
    session.state = require<std::string>(json, "state");
    session.nbd_uri = value_or<std::string>(json, "nbd_uri", "");
    session.export_name = value_or<std::string>(json, "export_name", "");
    session.length = value_or<Bytes>(json, "length", 0);
    session.target_is_zero = value_or<bool>(json, "target_is_zero", false);
    session.has_writes = value_or<bool>(json, "has_writes", true);
    return session;
}

Json to_json(const Operation& operation) {
    return {{"operation_id", operation.operation_id},
            {"state", operation.state},
            {"detail", operation.detail},
            {"percent", operation.percent},
            {"result", or_null(operation.result)},
            {"error", or_null(operation.error)}};
}

Operation operation_from(const Json& json) {
    Operation operation;
    operation.operation_id = require<std::string>(json, "operation_id");
    operation.state = require<std::string>(json, "state");
    operation.detail = value_or<std::string>(json, "detail", "");
    operation.percent = value_or<double>(json, "percent", 0);
    operation.result = find<Json>(json, "result");
    operation.error = find<Json>(json, "error");
    return operation;
}

}  // namespace mk::contracts
