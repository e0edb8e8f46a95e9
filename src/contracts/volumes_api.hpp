#pragma once
// What oma-api and volume-daemon exchange (api/volumes.yaml). Everything that may take long answers 202 {operation_id};
// the caller polls GET /api/v1/operations/{id}. Every call is safe to repeat: the state read back from reality decides.
// "=> X" below: an operation with the result X.
//
//   POST   /api/v1/volumes                               CreateVolume => Volume
//   GET    /api/v1/volumes?vm_context_id=&clones=        {volumes: [Volume]}
//   GET    /api/v1/volumes/{id}                          Volume, with what CloudStack says now
//   POST   /api/v1/volumes/{id}/attach                   {vm_id?, device_id?} => Volume
//   POST   /api/v1/volumes/{id}/attach-root              {vm_id} => Volume
//   POST   /api/v1/volumes/{id}/detach                   {} => Volume
//   POST   /api/v1/volumes/{id}/resize                   {size_bytes} => Volume
//   DELETE /api/v1/volumes/{id}?only=clone               => {}
//   POST   /api/v1/volumes/{id}/clones                   {name} => Volume
//   GET    /api/v1/volumes/{id}/device                   {attached, device_path, symlink_path, vm_id}
//   POST   /api/v1/volumes/{id}/digest                   {} => {digest}
//   POST   /api/v1/snapshots                             {volume_id, name, must_revert?} => Snapshot
//   POST   /api/v1/snapshots/{volume_id}/revert          {} => Snapshot
//   DELETE /api/v1/snapshots/{volume_id}                 => {}
//   GET    /api/v1/snapshots/vm/{vm_context_id}          {snapshots: [Snapshot]}
//   POST   /api/v1/machines/{vm_id}/discard-default-root {} => {volume_id}
//   GET    /api/v1/machines/{vm_id}/volumes              {volumes: [MachineVolume]}
//   POST   /api/v1/write-sessions                        OpenWriteSession -> WriteSession
//   GET    /api/v1/write-sessions?job_id=                {sessions: [WriteSession]}
//   POST   /api/v1/write-sessions/{id}/verify            {ranges: [{offset, length, digest}]} => {mismatches: [range]}
//   POST   /api/v1/write-sessions/{id}/commit            {} => {digest, bytes}
//   DELETE /api/v1/write-sessions/{id}                   aborts; the volume of a staged session is untouched
//   GET    /api/v1/staging                               StagingSpace
//   GET    /api/v1/operations/{id}                       Operation
//   GET    /health                                       {status, version}
//
// - Volumes: one per (vm_context_id, disk_id); creating it again answers the one that is there. Attached to the
//   appliance without vm_id; resized only to more; deleted only when detached and without a snapshot of ours.
// - Clones: volumes of their own, made from the ready snapshot of a replica; found again by name. They are attached,
//   detached, digested and deleted like replicas; they take no write session, no snapshot and do not grow. The list has
//   either the replicas or, with clones=true, the clones. Deleting with only=clone refuses everything else.
// - Digest: of the whole volume, read back from the device.
// - Snapshots: waited for until BackedUp; reverted only when the volume is detached; the row is cleared only when the
//   absence was seen; not deleted while clones of it exist. One that the storage cannot revert to is refused unless
//   must_revert is false.
// - Discard-default-root detaches and deletes the root volume that a shell machine was deployed with; refuses replicas
//   and clones.
// - Commit seals, applies and closes; it can be repeated at any time.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "model/ids.hpp"

namespace mk::contracts {

struct CreateVolume {
    VmContextId vm_context_id;
    DiskId disk_id;
    std::string name;
    Bytes size_bytes = 0;
};
Json to_json(const CreateVolume& request);
CreateVolume create_volume_from(const Json& json);

struct Volume {
    VolumeId volume_id;
    VmContextId vm_context_id;
    DiskId disk_id;
    std::string name;
    Bytes size_bytes = 0;
    std::string state;                    ///< CloudStack's: Allocated, Ready ...
    std::string type;                     ///< ROOT, DATADISK
    std::optional<CloudMachineId> vm_id;  ///< attached to
    std::optional<int> device_id;
    std::string operation_mode;  ///< "oma" (at the appliance), "failover" (at another machine), "" (detached)
    std::string device_path;     ///< on the appliance; empty elsewhere
    std::string symlink_path;
    std::string snapshot_status;         ///< none, creating, ready, failed, rollback_complete (J3)
    std::optional<VolumeId> clone_of{};  ///< the replica whose snapshot it was made from; nothing: it is a replica
};
Json to_json(const Volume& volume);
Volume volume_from(const Json& json);

struct Snapshot {
    VolumeId volume_id;
    std::optional<CloudSnapshotId> snapshot_id;
    std::string snapshot_name;
    std::string status;
    std::optional<std::int64_t> created_at_ms;
    bool revertable = false;
};
Json to_json(const Snapshot& snapshot);
Snapshot snapshot_from(const Json& json);

/// A volume of a machine as CloudStack says now.
struct MachineVolume {
    VolumeId volume_id;
    std::string type;  ///< ROOT, DATADISK
    bool is_replica = false;
    bool is_clone = false;  ///< made by us from a replica's snapshot
    std::optional<int> device_id{};
};
Json to_json(const MachineVolume& volume);
MachineVolume machine_volume_from(const Json& json);

/// Where the changes of increments are kept until they are applied. Bytes.
struct StagingSpace {
    Bytes total_bytes = 0;      ///< of the file system
    Bytes free_bytes = 0;       ///< of the file system
    Bytes reserved_bytes = 0;   ///< what open sessions use, and what they were promised beyond that
    Bytes available_bytes = 0;  ///< what the next session may expect
};
Json to_json(const StagingSpace& space);
StagingSpace staging_space_from(const Json& json);

struct OpenWriteSession {
    JobId job_id;
    VolumeId volume_id;
    Bytes length = 0;          ///< capacity of the source disk; the volume may be longer
    std::string kind;          ///< direct, staged
    bool expect_zero = false;  ///< direct only: the volume was just created and nobody wrote to it
    Bytes expected_bytes = 0;  ///< staged: what will about arrive; refused (exhausted) when it cannot fit
    /// An ended job whose session, still open, this one takes over with everything that arrived in it. Without such a
    /// session a new one is opened.
    std::optional<JobId> resume_of;
};
Json to_json(const OpenWriteSession& request);
OpenWriteSession open_write_session_from(const Json& json);

struct WriteSession {
    WriteSessionId session_id;
    JobId job_id;
    VolumeId volume_id;
    std::string kind;
    std::string state;        ///< open, committing, committed, aborted
    std::string nbd_uri;      ///< empty unless open
    std::string export_name;  ///< as in nbd_uri, for those who come through the tunnel
    Bytes length = 0;
    bool target_is_zero = false;  ///< it began on a volume of zeros
    bool has_writes = false;      ///< since then something may have been written through it
};
Json to_json(const WriteSession& session);
WriteSession write_session_from(const Json& json);

struct Operation {
    std::string operation_id;
    std::string state;   ///< running, completed, failed, interrupted (the daemon died; repeat the call)
    std::string detail;  ///< what it is doing now, for people
    double percent = 0;
    std::optional<Json> result;
    std::optional<Json> error;  ///< as contracts::to_json(Error)
};
Json to_json(const Operation& operation);
Operation operation_from(const Json& json);

}  // namespace mk::contracts
