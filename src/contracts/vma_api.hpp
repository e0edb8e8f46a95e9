#pragma once
// What oma-api and vma-api exchange (api/vma.yaml), and what vma-api hands to migratekit-engine. The VMA stores no
// vCenter credentials: they come with each request, in bodies only.
//
//   POST   /api/v1/discover               VcenterAccess, filter? -> {vcenter_uuid, version, machines}
//   POST   /api/v1/power                  PowerRequest -> PowerState
//   POST   /api/v1/snapshots/sweep        VcenterAccess, moref -> {removed: [names], remaining: [names]}
//   POST   /api/v1/snapshots/list         VcenterAccess -> {vcenter_uuid, snapshots: [SourceSnapshot]}
//   POST   /api/v1/snapshots/remove       SnapshotRemoval -> {removed: true}
//   POST   /api/v1/replicate              PassRequest -> 202 {job_id}
//   GET    /api/v1/progress/{job}         PassProgress
//   GET    /api/v1/jobs                   {jobs: [PassProgress]}, without digests
//   POST   /api/v1/jobs/{job}/stop        202 {job_id}; the job removes its snapshot first
//   PUT    /api/v1/jobs/{job}/limit       RateLimit -> 204
//   DELETE /api/v1/jobs/{job}             {job_id}: forgets a finished job
//   PUT    /api/v1/limit                  RateLimit -> 204
//   DELETE /api/v1/checkpoints/{machine}  204
//   GET    /health                        {status, version, readers: ["folder", ...]}, without token
//
// A job that is unknown is 404. What the job's state forbids is 409: to forget or to start again one that runs, to
// limit one that has ended.
// - Replicate: the same job and attempt again (or an earlier attempt) answers 202 and starts nothing; a later attempt
//   of a job that has ended starts it anew.
// - Sweep removes only snapshots of ours. List finds all that are named like ours, in the whole vCenter; remove takes
//   one of those that carry our mark, whichever appliance made it, and is content when it is gone. Both 409 while a
//   job copies the machine.
// - The limit of all jobs together is shared among those that run, fairly by priority, and outlives a restart.
// - A checkpoint belongs to a machine (its instance uuid), not to a job: what an ended pass has already copied, from
//   which the next one goes on. The OMA removes it when that is not worth anything any more: the sessions were
//   aborted, or the pass was committed. 409 while a job copies the machine; 204 also when there is none.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"
#include "model/ids.hpp"

namespace mk::contracts {

/// How to reach a vCenter. In JSON: vcenter (URL or host), username, password, certificate_sha256.
struct VcenterAccess {
    std::string url;  ///< "https://host[:port]/sdk"; "host" is completed
    std::string username;
    Secret password;
    std::string certificate_sha256;
};
Json to_json(const VcenterAccess& access);
VcenterAccess vcenter_access_from(const Json& json);

/// The least limit that can be set, beside 0 for none: below it a single request would take longer than its time limit.
inline constexpr Bytes least_bytes_per_second = 64 * KiB;

struct RateLimit {
    Bytes bytes_per_second = 0;  ///< on the wire; 0: none
};
Json to_json(const RateLimit& limit);
RateLimit rate_limit_from(const Json& json);

struct PassDisk {
    DiskId disk_id;
    /// "tunnel:///EXPORT" through the VMA's tunnel, or an NBD URI (block/nbd.hpp).
    std::string target_uri;
    bool target_is_zero = false;     ///< the session began on a volume of zeros
    bool target_has_writes = false;  ///< the session was written to before: an earlier attempt of this pass
    std::string base_change_id;      ///< empty: full copy
    std::string base_backing_uuid;
    Bytes base_capacity = 0;
};

struct PassRequest {
    JobId job_id;
    VcenterAccess vcenter;
    std::string moref;
    std::string instance_uuid;
    std::string machine_name;     ///< for messages only
    std::string quiesce = "try";  ///< never, try, required
    std::vector<PassDisk> disks;
    /// The same job with a higher attempt is started anew; with the same one nothing is started.
    int attempt = 1;
    /// Of what has not changed since the base: this share is read as well and compared with the target by digests. 100
    /// compares the whole disk. Without a base everything is compared instead of sent, when it is more than 0.
    int compare_percent = 0;
    /// Nothing is sent: what differs is only listed. Needs compare_percent.
    bool only_compare = false;
    int priority = 0;            ///< -100 to 100; higher ones get slots and bandwidth first
    Bytes bytes_per_second = 0;  ///< limit of this job on the wire, see RateLimit; 0: none
};
/// Carries the password: for request bodies and the engine's stdin only, never for logs or files.
Json to_json(const PassRequest& request);
PassRequest pass_request_from(const Json& json);

struct PassDiskProgress {
    DiskId disk_id;
    Bytes total_bytes = 0;  ///< that must be handled; 0 while unknown
    Bytes done_bytes = 0;
};

Json to_json(const PassDiskProgress& disk);
PassDiskProgress pass_disk_progress_from(const Json& json);

struct DigestedRange {
    Range range;         ///< at most longest_digested_range
    std::string digest;  ///< run_digest() of base/block_digest.hpp: 32 lower-case hex digits
};
inline constexpr Bytes longest_digested_range = 32 * MiB;
Json to_json(const DigestedRange& digest);
DigestedRange digested_range_from(const Json& json);

/// What a finished pass reports of a disk.
struct PassDiskResult {
    DiskId disk_id;
    std::string change_id;
    std::string backing_uuid;
    Bytes capacity = 0;
    bool incremental = false;
    std::string full_copy_reason;
    Bytes planned = 0, read = 0, sent = 0, zeroed = 0, skipped = 0;
    Bytes resumed = 0;   ///< of `planned`, done by earlier attempts
    Bytes compared = 0;  ///< read and compared by digests
    /// Where the target differed although nothing was said to have changed there; sent unless only_compare.
    std::vector<Range> differences{};
    std::vector<DigestedRange> digests{};
};

struct PassResult {
    std::int64_t snapshot_time_ms = 0;
    std::string consistency;
    Bytes wire_bytes = 0;  ///< sent and received on the way to the target, after compression
    std::vector<PassDiskResult> disks;
};

/// GET /api/v1/progress/{job}. `percent` and `total_bytes` are the names of the inventory (C2).
struct PassProgress {
    JobId job_id;
    std::string state;      ///< running, completed, failed, cancelled, interrupted (VMA or engine died)
    std::string stage;      ///< gui.md section 5
    std::string sync_type;  ///< "initial", "incremental" or "" while unknown
    double percent = 0;     ///< of bytes that must move; 100 only when flushed
    Bytes total_bytes = 0;
    Bytes done_bytes = 0;
    Bytes sent_bytes = 0;
    Bytes zeroed_bytes = 0;
    Bytes wire_bytes = 0;
    std::string bottleneck{};  ///< "read", "tunnel" or "write" when that leg is more than 80 % busy, else ""
    std::string trouble{};     ///< what the engine waits for to pass, with its cause: a lost connection; else ""
    int attempt = 1;
    double bytes_per_second = 0;  ///< of done_bytes, mean of the last 10 s
    /// Absent until 20 s and 1 % have passed, and while nothing moves.
    std::optional<std::int64_t> eta_seconds{};
    /// For how long nothing has moved although it should, from 60 s on.
    std::optional<std::int64_t> stalled_seconds{};
    std::int64_t heartbeat_ms = 0;  ///< when the engine last spoke
    std::vector<PassDiskProgress> disks{};
    std::optional<PassResult> result{};  ///< when completed
    std::optional<Json> error{};         ///< when failed: code, message, consequence, remedy, retry_safe, native
};
Json to_json(const PassProgress& progress);
PassProgress pass_progress_from(const Json& json);
Json to_json(const PassResult& result);
PassResult pass_result_from(const Json& json);

struct PowerRequest {
    VcenterAccess vcenter;
    std::string moref;
    std::string action;  ///< state, shutdown (guest), power_off, power_on. All are safe to repeat.
};
Json to_json(const PowerRequest& request);
PowerRequest power_request_from(const Json& json);

struct PowerState {
    std::string power_state;  ///< poweredOn, poweredOff, suspended
    bool tools_running = false;
};
Json to_json(const PowerState& state);
PowerState power_state_from(const Json& json);

/// A snapshot in a vCenter that is named like ours. Without our mark it has no job and no appliance: somebody else's.
struct SourceSnapshot {
    std::string machine_moref;
    std::string machine_name;
    std::string instance_uuid;  ///< of the machine
    std::string moref;
    std::string name;
    JobId job_id;
    std::string appliance_id;
    std::int64_t created_ms = 0;  ///< by vCenter's clock
};
Json to_json(const SourceSnapshot& snapshot);
SourceSnapshot source_snapshot_from(const Json& json);

struct SnapshotRemoval {
    VcenterAccess vcenter;
    std::string moref;  ///< of the machine
    std::string snapshot_moref;
};
Json to_json(const SnapshotRemoval& removal);
SnapshotRemoval snapshot_removal_from(const Json& json);

/// {code, message, consequence, remedy, retry_safe, native} and back.
Json to_json(const Error& error);
Error error_from(const Json& json);

}  // namespace mk::contracts
