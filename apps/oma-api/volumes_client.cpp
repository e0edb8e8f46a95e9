#include "volumes_client.hpp"

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "contracts/vma_api.hpp"
#include "http/api_client.hpp"

namespace mk::oma {

namespace {

constexpr int most_restarts = 5;
/// Digests per request: the daemon takes bodies of 1 MiB.
constexpr std::size_t ranges_per_request = 4000;

http::ApiClient client_for(const std::string& base_url, const Secret& token) {
    http::ApiClient client("the Volume Daemon", base_url, token);
    client.set_limit(std::chrono::minutes{2});
    return client;
}

std::string volume_path(const VolumeId& volume) {
    return "/api/v1/volumes/" + volume.value;
}
std::string session_path(const WriteSessionId& session) {
    return "/api/v1/write-sessions/" + session.value;
}

}  // namespace

VolumesClient::VolumesClient(std::string base_url, Secret token, Pacing pacing)
    : base_url_(std::move(base_url)), token_(std::move(token)), pacing_(pacing) {}

contracts::Operation VolumesClient::follow(const std::string& operation_id, const Report& report,
                                           const std::stop_token& stop) {
    std::string last_detail;
    for (;;) {
        contracts::Operation operation;
        retry(pacing_.patience, stop, [&] {
            operation = contracts::operation_from(
                client_for(base_url_, token_).get("/api/v1/operations/" + operation_id, stop));
        });
        if (report && !operation.detail.empty() && operation.detail != last_detail) {
            last_detail = operation.detail;
            report(last_detail);
        }
        if (operation.state != "running") {
            return operation;
        }
        if (!pause(pacing_.poll, stop)) {
            throw Error(ErrorCode::cancelled, "stopped while the Volume Daemon was working",
                        {.consequence = "The daemon finishes what it is doing.", .retry_safe = true});
        }
    }
}

Json VolumesClient::operate(const std::string& method, const std::string& path, const Json& body, const Report& report,
                            const std::stop_token& stop) {
    for (int attempt = 1;; ++attempt) {
        Json started;
        // Safe to repeat: the daemon reads reality before it acts.
        retry(pacing_.patience, stop, [&] {
            auto client = client_for(base_url_, token_);
            started = method == "DELETE" ? client.remove(path, stop) : client.post(path, body, stop);
        });
        const auto operation = follow(json::require<std::string>(started, "operation_id"), report, stop);
        if (operation.state == "completed") {
            return operation.result.value_or(Json::object());
        }
        if (operation.state == "failed") {
            throw operation.error ? contracts::error_from(*operation.error)
                                  : Error(ErrorCode::external, "the Volume Daemon failed without a reason");
        }
        if (attempt == most_restarts) {
            throw Error(ErrorCode::unavailable, "the Volume Daemon was restarted again and again during one operation",
                        {.remedy = "Look at its log: journalctl -u volume-daemon", .retry_safe = true});
        }
    }
}

std::vector<contracts::Volume> VolumesClient::volumes_of(const VmContextId& vm, const std::stop_token& stop) {
    return list("vm_context_id=" + http::url_encode(vm.value), stop);
}

std::vector<contracts::Volume> VolumesClient::clones_of(const VmContextId& vm, const std::stop_token& stop) {
    return list("vm_context_id=" + http::url_encode(vm.value) + "&clones=true", stop);
}

std::vector<contracts::Volume> VolumesClient::list(const std::string& query, const std::stop_token& stop) {
    const auto answer = client_for(base_url_, token_).get("/api/v1/volumes?" + query, stop);
    std::vector<contracts::Volume> volumes;
    for (const auto& volume : json::require<Json>(answer, "volumes")) {
        volumes.push_back(contracts::volume_from(volume));
    }
    return volumes;
}

contracts::Volume VolumesClient::create(const contracts::CreateVolume& request, const std::stop_token& stop) {
    return contracts::volume_from(operate("POST", "/api/v1/volumes", contracts::to_json(request), {}, stop));
}

contracts::Volume VolumesClient::resize(const VolumeId& volume, Bytes bytes, const std::stop_token& stop) {
    return contracts::volume_from(operate("POST", volume_path(volume) + "/resize", {{"size_bytes", bytes}}, {}, stop));
}

contracts::Volume VolumesClient::attach_to_appliance(const VolumeId& volume, const std::stop_token& stop) {
    return contracts::volume_from(operate("POST", volume_path(volume) + "/attach", Json::object(), {}, stop));
}

contracts::Volume VolumesClient::attach_as_root(const VolumeId& volume, const CloudMachineId& machine,
                                                const std::stop_token& stop) {
    return contracts::volume_from(
        operate("POST", volume_path(volume) + "/attach-root", {{"vm_id", machine.value}}, {}, stop));
}

contracts::Volume VolumesClient::attach_as_data(const VolumeId& volume, const CloudMachineId& machine,
                                                const std::stop_token& stop) {
    return contracts::volume_from(
        operate("POST", volume_path(volume) + "/attach", {{"vm_id", machine.value}}, {}, stop));
}

void VolumesClient::detach(const VolumeId& volume, const std::stop_token& stop) {
    operate("POST", volume_path(volume) + "/detach", Json::object(), {}, stop);
}

void VolumesClient::remove(const VolumeId& volume, const std::stop_token& stop) {
    operate("DELETE", volume_path(volume), Json::object(), {}, stop);
}

contracts::WriteSession VolumesClient::open_session(const contracts::OpenWriteSession& request,
                                                    const std::stop_token& stop) {
    return contracts::write_session_from(
        client_for(base_url_, token_).post("/api/v1/write-sessions", contracts::to_json(request), stop));
}

std::vector<contracts::WriteSession> VolumesClient::sessions_of(const JobId& job, const std::stop_token& stop) {
    const auto answer = client_for(base_url_, token_).get("/api/v1/write-sessions?job_id=" + job.value, stop);
    std::vector<contracts::WriteSession> sessions;
    for (const auto& session : json::require<Json>(answer, "sessions")) {
        sessions.push_back(contracts::write_session_from(session));
    }
    return sessions;
}

std::vector<Range> VolumesClient::verify(const WriteSessionId& session,
                                         const std::vector<contracts::DigestedRange>& ranges,
                                         const std::stop_token& stop) {
    std::vector<Range> wrong;
    for (std::size_t start = 0; start < ranges.size(); start += ranges_per_request) {
        Json list = Json::array();
        for (std::size_t i = start; i < std::min(ranges.size(), start + ranges_per_request); ++i) {
            list.push_back(contracts::to_json(ranges[i]));
        }
        const auto result = operate("POST", session_path(session) + "/verify", {{"ranges", list}}, {}, stop);
        for (const auto& range : json::require<Json>(result, "mismatches")) {
            wrong.push_back({json::require<Bytes>(range, "offset"), json::require<Bytes>(range, "length")});
        }
    }
    return wrong;
}

std::string VolumesClient::commit(const WriteSessionId& session, const Report& report, const std::stop_token& stop) {
    return json::require<std::string>(operate("POST", session_path(session) + "/commit", Json::object(), report, stop),
                                      "digest");
}

void VolumesClient::abort(const WriteSessionId& session, const std::stop_token& stop) {
    client_for(base_url_, token_).remove(session_path(session), stop);
}

void VolumesClient::give_up(const WriteSessionId& session, const std::stop_token& stop) {
    client_for(base_url_, token_).remove(session_path(session) + "?give_up=true", stop);
}

contracts::Snapshot VolumesClient::take_snapshot(const VolumeId& volume, const std::string& name, bool must_revert,
                                                 const Report& report, const std::stop_token& stop) {
    const Json body{{"volume_id", volume.value}, {"name", name}, {"must_revert", must_revert}};
    return contracts::snapshot_from(operate("POST", "/api/v1/snapshots", body, report, stop));
}

contracts::Snapshot VolumesClient::create_snapshot(const VolumeId& volume, const std::string& name,
                                                   const Report& report, const std::stop_token& stop) {
    return take_snapshot(volume, name, true, report, stop);
}

contracts::Snapshot VolumesClient::create_snapshot_for_clones(const VolumeId& volume, const std::string& name,
                                                              const Report& report, const std::stop_token& stop) {
    return take_snapshot(volume, name, false, report, stop);
}

contracts::Volume VolumesClient::create_clone(const VolumeId& volume, const std::string& name, const Report& report,
                                              const std::stop_token& stop) {
    return contracts::volume_from(operate("POST", volume_path(volume) + "/clones", {{"name", name}}, report, stop));
}

void VolumesClient::remove_clone(const VolumeId& clone, const std::stop_token& stop) {
    operate("DELETE", volume_path(clone) + "?only=clone", Json::object(), {}, stop);
}

void VolumesClient::revert_snapshot(const VolumeId& volume, const Report& report, const std::stop_token& stop) {
    operate("POST", "/api/v1/snapshots/" + volume.value + "/revert", Json::object(), report, stop);
}

void VolumesClient::remove_snapshot(const VolumeId& volume, const std::stop_token& stop) {
    operate("DELETE", "/api/v1/snapshots/" + volume.value, Json::object(), {}, stop);
}

std::string VolumesClient::digest(const VolumeId& volume, const Report& report, const std::stop_token& stop) {
    return json::require<std::string>(operate("POST", volume_path(volume) + "/digest", Json::object(), report, stop),
                                      "digest");
}

void VolumesClient::discard_default_root(const CloudMachineId& machine, const std::stop_token& stop) {
    operate("POST", "/api/v1/machines/" + machine.value + "/discard-default-root", Json::object(), {}, stop);
}

std::vector<failover::MachineVolume> VolumesClient::volumes_at(const CloudMachineId& machine,
                                                               const std::stop_token& stop) {
    const auto answer = client_for(base_url_, token_).get("/api/v1/machines/" + machine.value + "/volumes", stop);
    std::vector<failover::MachineVolume> volumes;
    for (const auto& volume : json::require<Json>(answer, "volumes")) {
        volumes.push_back(contracts::machine_volume_from(volume));
    }
    return volumes;
}

failover::StagingSpace VolumesClient::staging(const std::stop_token& stop) {
    return contracts::staging_space_from(client_for(base_url_, token_).get("/api/v1/staging", stop));
}

std::string VolumesClient::version() {
    auto client = client_for(base_url_, token_);
    client.set_limit(std::chrono::seconds{5});
    return json::value_or<std::string>(client.get("/health"), "version", "");
}

}  // namespace mk::oma
