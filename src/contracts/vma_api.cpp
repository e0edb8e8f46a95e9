#include "contracts/vma_api.hpp"

#include <algorithm>
#include <limits>

#include "base/json_fields.hpp"

namespace mk::contracts {

using json::require;
using json::value_or;

namespace {

std::string one_of(const Json& json, const char* field, const std::string& fallback,
                   std::initializer_list<std::string_view> words) {
    const std::string word = value_or<std::string>(json, field, fallback);
    if (std::find(words.begin(), words.end(), word) == words.end()) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' has the unknown value '" + word + "'");
    }
    return word;
}

Json list_in(const Json& json, const char* field) {
    Json list = require<Json>(json, field);
    if (!list.is_array()) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' must be a list");
    }
    return list;
}

std::string require_text(const Json& json, const char* field) {
    auto text = require<std::string>(json, field);
    if (text.empty()) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' is empty");
    }
    return text;
}

int int_in(const Json& json, const char* field, int fallback, int least, int most) {
    const int number = value_or<int>(json, field, fallback);
    if (number < least || number > most) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' must be from " + std::to_string(least) +
                                            " to " + std::to_string(most));
    }
    return number;
}

Bytes possible_limit(Bytes bytes_per_second) {
    if (bytes_per_second != 0 && bytes_per_second < least_bytes_per_second) {
        throw Error(ErrorCode::invalid, "the field 'bytes_per_second' must be 0 for no limit, or at least " +
                                            std::to_string(least_bytes_per_second));
    }
    return bytes_per_second;
}

/// A piece of a disk: not empty, and its end can be counted.
Range range_from(const Json& json, Bytes longest) {
    const Range range{require<Bytes>(json, "offset"), require<Bytes>(json, "length")};
    if (range.length == 0 || range.length > longest ||
        range.offset > std::numeric_limits<Bytes>::max() - range.length) {
        throw Error(ErrorCode::invalid, "the range of " + std::to_string(range.length) + " bytes from " +
                                            std::to_string(range.offset) + " is not possible");
    }
    return range;
}

bool is_run_digest(const std::string& text) {
    constexpr std::size_t digits = 32;
    return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Json disk_json(const PassDisk& disk) {
    return {{"disk_id", disk.disk_id.value},         {"target_uri", disk.target_uri},
            {"target_is_zero", disk.target_is_zero}, {"target_has_writes", disk.target_has_writes},
            {"base_change_id", disk.base_change_id}, {"base_backing_uuid", disk.base_backing_uuid},
            {"base_capacity", disk.base_capacity}};
}

PassDisk disk_from(const Json& json) {
    PassDisk disk;
    disk.disk_id = DiskId{require_text(json, "disk_id")};
    disk.target_uri = require_text(json, "target_uri");
    disk.target_is_zero = value_or<bool>(json, "target_is_zero", false);
    disk.target_has_writes = value_or<bool>(json, "target_has_writes", false);
    disk.base_change_id = value_or<std::string>(json, "base_change_id", "");
    disk.base_backing_uuid = value_or<std::string>(json, "base_backing_uuid", "");
    disk.base_capacity = value_or<Bytes>(json, "base_capacity", 0);
    return disk;
}

Json disk_result_json(const PassDiskResult& disk) {
    Json digests = Json::array();
    for (const DigestedRange& digest : disk.digests) {
        digests.push_back(to_json(digest));
    }
    Json differences = Json::array();
    for (const Range& range : disk.differences) {
        differences.push_back({{"offset", range.offset}, {"length", range.length}});
    }
    return {{"disk_id", disk.disk_id.value},
            {"change_id", disk.change_id},
            {"backing_uuid", disk.backing_uuid},
            {"capacity", disk.capacity},
            {"incremental", disk.incremental},
            {"full_copy_reason", disk.full_copy_reason},
            {"planned", disk.planned},
            {"read", disk.read},
            {"sent", disk.sent},
            {"zeroed", disk.zeroed},
            {"skipped", disk.skipped},
            {"resumed", disk.resumed},
            {"compared", disk.compared},
            {"differences", std::move(differences)},
            {"digests", std::move(digests)}};
}

PassDiskResult disk_result_from(const Json& json) {
    PassDiskResult disk;
    disk.disk_id = DiskId{require_text(json, "disk_id")};
    disk.change_id = require<std::string>(json, "change_id");
    disk.backing_uuid = require<std::string>(json, "backing_uuid");
    disk.capacity = require<Bytes>(json, "capacity");
    disk.incremental = require<bool>(json, "incremental");
    disk.full_copy_reason = value_or<std::string>(json, "full_copy_reason", "");
    disk.planned = require<Bytes>(json, "planned");
    disk.read = require<Bytes>(json, "read");
    disk.sent = require<Bytes>(json, "sent");
    disk.zeroed = require<Bytes>(json, "zeroed");
    disk.skipped = require<Bytes>(json, "skipped");
    disk.resumed = value_or<Bytes>(json, "resumed", 0);
    disk.compared = value_or<Bytes>(json, "compared", 0);
    if (json.contains("differences")) {
        for (const Json& range : list_in(json, "differences")) {
            disk.differences.push_back(range_from(range, std::numeric_limits<Bytes>::max()));
        }
    }
    for (const Json& digest : list_in(json, "digests")) {
        disk.digests.push_back(digested_range_from(digest));
    }
    return disk;
}

}  // namespace

Json to_json(const VcenterAccess& access) {
    return {{"vcenter", access.url},
            {"username", access.username},
            {"password", access.password.reveal()},
            {"certificate_sha256", access.certificate_sha256}};
}

VcenterAccess vcenter_access_from(const Json& json) {
    VcenterAccess access;
    access.url = require_text(json, "vcenter");
    access.username = require_text(json, "username");
    access.password = Secret{require<std::string>(json, "password")};
    access.certificate_sha256 = value_or<std::string>(json, "certificate_sha256", "");
    return access;
}

Json to_json(const RateLimit& limit) {
    return {{"bytes_per_second", limit.bytes_per_second}};
}

RateLimit rate_limit_from(const Json& json) {
    return {.bytes_per_second = possible_limit(require<Bytes>(json, "bytes_per_second"))};
}

Json to_json(const PassRequest& request) {
    Json out = to_json(request.vcenter);
    out["job_id"] = request.job_id.value;
    out["moref"] = request.moref;
    out["instance_uuid"] = request.instance_uuid;
    out["machine_name"] = request.machine_name;
    out["quiesce"] = request.quiesce;
    out["attempt"] = request.attempt;
    out["compare_percent"] = request.compare_percent;
    out["only_compare"] = request.only_compare;
    out["priority"] = request.priority;
    out["bytes_per_second"] = request.bytes_per_second;
    out["disks"] = Json::array();
    for (const PassDisk& disk : request.disks) {
        out["disks"].push_back(disk_json(disk));
    }
    return out;
}

PassRequest pass_request_from(const Json& json) {
    PassRequest request;
    request.job_id = JobId{require_text(json, "job_id")};
    request.vcenter = vcenter_access_from(json);
    request.moref = require_text(json, "moref");
    request.instance_uuid = value_or<std::string>(json, "instance_uuid", "");
    request.machine_name = value_or<std::string>(json, "machine_name", "");
    request.quiesce = one_of(json, "quiesce", "try", {"never", "try", "required"});
    request.attempt = int_in(json, "attempt", 1, 1, 1'000'000);
    request.compare_percent = int_in(json, "compare_percent", 0, 0, 100);
    request.only_compare = value_or<bool>(json, "only_compare", false);
    request.priority = int_in(json, "priority", 0, -100, 100);
    request.bytes_per_second = possible_limit(value_or<Bytes>(json, "bytes_per_second", 0));
    for (const Json& disk : list_in(json, "disks")) {
        request.disks.push_back(disk_from(disk));
    }
    if (request.only_compare && request.compare_percent == 0) {
        throw Error(ErrorCode::invalid, "the field 'only_compare' needs 'compare_percent'");
    }
    if (request.disks.empty()) {
        throw Error(ErrorCode::invalid, "the field 'disks' is empty");
    }
    return request;
}

Json to_json(const DigestedRange& digest) {
    return {{"offset", digest.range.offset}, {"length", digest.range.length}, {"digest", digest.digest}};
}

DigestedRange digested_range_from(const Json& json) {
    DigestedRange digested{.range = range_from(json, longest_digested_range),
                           .digest = require<std::string>(json, "digest")};
    if (!is_run_digest(digested.digest)) {
        throw Error(ErrorCode::invalid, "the field 'digest' must be 32 lower-case hex digits");
    }
    return digested;
}

Json to_json(const PassResult& result) {
    Json disks = Json::array();
    for (const PassDiskResult& disk : result.disks) {
        disks.push_back(disk_result_json(disk));
    }
    return {{"snapshot_time_ms", result.snapshot_time_ms},
            {"consistency", result.consistency},
            {"wire_bytes", result.wire_bytes},
            {"disks", std::move(disks)}};
}

PassResult pass_result_from(const Json& json) {
    PassResult result;
    result.snapshot_time_ms = require<std::int64_t>(json, "snapshot_time_ms");
    result.consistency = require<std::string>(json, "consistency");
    result.wire_bytes = value_or<Bytes>(json, "wire_bytes", 0);
    for (const Json& disk : list_in(json, "disks")) {
        result.disks.push_back(disk_result_from(disk));
    }
    return result;
}

Json to_json(const PassDiskProgress& disk) {
    return {{"disk_id", disk.disk_id.value}, {"total_bytes", disk.total_bytes}, {"done_bytes", disk.done_bytes}};
}

PassDiskProgress pass_disk_progress_from(const Json& json) {
    return {.disk_id = DiskId{require<std::string>(json, "disk_id")},
            .total_bytes = value_or<Bytes>(json, "total_bytes", 0),
            .done_bytes = value_or<Bytes>(json, "done_bytes", 0)};
}

Json to_json(const PassProgress& progress) {
    Json out = {{"job_id", progress.job_id.value},
                {"state", progress.state},
                {"stage", progress.stage},
                {"sync_type", progress.sync_type},
                {"percent", progress.percent},
                {"total_bytes", progress.total_bytes},
                {"done_bytes", progress.done_bytes},
                {"sent_bytes", progress.sent_bytes},
                {"zeroed_bytes", progress.zeroed_bytes},
                {"wire_bytes", progress.wire_bytes},
                {"bottleneck", progress.bottleneck},
                {"trouble", progress.trouble},
                {"attempt", progress.attempt},
                {"bytes_per_second", progress.bytes_per_second},
                {"heartbeat_ms", progress.heartbeat_ms}};
    out["eta_seconds"] = json::or_null(progress.eta_seconds);
    out["stalled_seconds"] = json::or_null(progress.stalled_seconds);
    out["disks"] = Json::array();
    for (const PassDiskProgress& disk : progress.disks) {
        out["disks"].push_back(to_json(disk));
    }
    out["result"] = progress.result ? to_json(*progress.result) : Json(nullptr);
    out["error"] = json::or_null(progress.error);
    return out;
}

PassProgress pass_progress_from(const Json& json) {
    PassProgress progress;
    progress.job_id = JobId{require_text(json, "job_id")};
    progress.state = require_text(json, "state");
    progress.stage = value_or<std::string>(json, "stage", "");
    progress.sync_type = value_or<std::string>(json, "sync_type", "");
    progress.percent = value_or<double>(json, "percent", 0);
    progress.total_bytes = value_or<Bytes>(json, "total_bytes", 0);
    progress.done_bytes = value_or<Bytes>(json, "done_bytes", 0);
    progress.sent_bytes = value_or<Bytes>(json, "sent_bytes", 0);
    progress.zeroed_bytes = value_or<Bytes>(json, "zeroed_bytes", 0);
    progress.wire_bytes = value_or<Bytes>(json, "wire_bytes", 0);
    progress.bottleneck = value_or<std::string>(json, "bottleneck", "");
    progress.trouble = value_or<std::string>(json, "trouble", "");
    progress.attempt = value_or<int>(json, "attempt", 1);
    progress.bytes_per_second = value_or<double>(json, "bytes_per_second", 0);
    progress.eta_seconds = json::find<std::int64_t>(json, "eta_seconds");
    progress.stalled_seconds = json::find<std::int64_t>(json, "stalled_seconds");
    progress.heartbeat_ms = value_or<std::int64_t>(json, "heartbeat_ms", 0);
    for (const Json& disk : value_or<Json>(json, "disks", Json::array())) {
        progress.disks.push_back(pass_disk_progress_from(disk));
    }
    if (const auto result = json::find<Json>(json, "result")) {
        progress.result = pass_result_from(*result);
    }
    progress.error = json::find<Json>(json, "error");
    return progress;
}

Json to_json(const PowerRequest& request) {
    Json out = to_json(request.vcenter);
    out["moref"] = request.moref;
    out["action"] = request.action;
    return out;
}

PowerRequest power_request_from(const Json& json) {
    return {.vcenter = vcenter_access_from(json),
            .moref = require_text(json, "moref"),
            .action = one_of(json, "action", "state", {"state", "shutdown", "power_off", "power_on"})};
}

Json to_json(const PowerState& state) {
    return {{"power_state", state.power_state}, {"tools_running", state.tools_running}};
}

PowerState power_state_from(const Json& json) {
    return {.power_state = require_text(json, "power_state"),
            .tools_running = value_or<bool>(json, "tools_running", false)};
}

Json to_json(const SourceSnapshot& snapshot) {
    return {{"machine_moref", snapshot.machine_moref},
            {"machine_name", snapshot.machine_name},
            {"instance_uuid", snapshot.instance_uuid},
            {"moref", snapshot.moref},
            {"name", snapshot.name},
            {"job_id", snapshot.job_id.value},
            {"appliance_id", snapshot.appliance_id},
            {"created_ms", snapshot.created_ms}};
}

SourceSnapshot source_snapshot_from(const Json& json) {
    return {.machine_moref = require_text(json, "machine_moref"),
            .machine_name = value_or<std::string>(json, "machine_name", ""),
            .instance_uuid = value_or<std::string>(json, "instance_uuid", ""),
            .moref = require_text(json, "moref"),
            .name = require_text(json, "name"),
            .job_id = JobId{value_or<std::string>(json, "job_id", "")},
            .appliance_id = value_or<std::string>(json, "appliance_id", ""),
            .created_ms = value_or<std::int64_t>(json, "created_ms", 0)};
}

Json to_json(const SnapshotRemoval& removal) {
    Json out = to_json(removal.vcenter);
    out["moref"] = removal.moref;
    out["snapshot_moref"] = removal.snapshot_moref;
    return out;
}

SnapshotRemoval snapshot_removal_from(const Json& json) {
    return {.vcenter = vcenter_access_from(json),
            .moref = require_text(json, "moref"),
            .snapshot_moref = require_text(json, "snapshot_moref")};
}

Json to_json(const Error& error) {
    return {{"code", std::string(to_string(error.code()))}, {"message", error.cause()},
            {"consequence", error.advice().consequence},    {"remedy", error.advice().remedy},
            {"retry_safe", error.advice().retry_safe},      {"native", error.native()}};
}

Error error_from(const Json& json) {
    const Error error(error_code_from(require<std::string>(json, "code")), require<std::string>(json, "message"),
                      {.consequence = value_or<std::string>(json, "consequence", ""),
                       .remedy = value_or<std::string>(json, "remedy", ""),
                       .retry_safe = value_or<bool>(json, "retry_safe", false)});
    return error.with_native(value_or<std::string>(json, "native", ""));
}

}  // namespace mk::contracts
