#include "vma_client.hpp"

#include <random>

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "contracts/source_machine_json.hpp"

namespace mk::oma {

namespace {

constexpr auto short_limit = std::chrono::seconds{30};
constexpr auto power_limit = std::chrono::minutes{5};

/// Half to whole of it, so that many that were refused together do not come back together.
std::chrono::milliseconds with_jitter(std::chrono::milliseconds full) {
    thread_local std::minstd_rand generator{std::random_device{}()};
    return std::chrono::milliseconds{std::uniform_int_distribution(full.count() / 2, full.count())(generator)};
}

}  // namespace

VmaConnections::Lease VmaClient::call(std::chrono::milliseconds limit) {
    return connections_.lease(route_(), limit);
}

/// Waits while the VMA makes as many calls to vCenters as it can: that one is refused, not queued.
Json VmaClient::post_in_turn(const std::string& path, const Json& body, std::chrono::milliseconds limit,
                             const std::stop_token& stop) {
    const auto deadline = std::chrono::steady_clock::now() + turns_.limit;
    for (;;) {
        try {
            return call(limit)->post(path, body, stop);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::exhausted || std::chrono::steady_clock::now() > deadline) {
                throw;
            }
        }
        if (!pause(with_jitter(turns_.pause), stop)) {
            throw Error(ErrorCode::cancelled, "stopped while waiting for the VMA to have time for the vCenter",
                        {.retry_safe = true});
        }
    }
}

discovery::Inventory VmaClient::discover(const contracts::VcenterAccess& access, const std::string& filter,
                                         const std::stop_token& stop) {
    auto body = contracts::to_json(access);
    body["filter"] = filter;
    const auto answer = post_in_turn("/api/v1/discover", body, turns_.limit, stop);
    discovery::Inventory inventory;
    inventory.vcenter_uuid = json::require<std::string>(answer, "vcenter_uuid");
    inventory.version = json::value_or<std::string>(answer, "version", "");
    for (const auto& machine : json::require<Json>(answer, "machines")) {
        inventory.machines.push_back(contracts::source_machine_from(machine));
    }
    return inventory;
}

SourceMachine VmaClient::look_up(const contracts::VcenterAccess& access, const std::string& moref,
                                 const std::string& instance_uuid, const std::stop_token& stop) {
    // Found by its instance UUID: a machine that was registered again has another moref (vsphere.md section 1).
    for (auto& machine : discover(access, "", stop).machines) {
        if (machine.instance_uuid == instance_uuid) {
            return std::move(machine);
        }
    }
    throw Error(
        ErrorCode::not_found, "the vCenter has no machine " + instance_uuid + " (" + moref + ") any more",
        {.consequence = "The last recovery point is unchanged.",
         .remedy = "Was it deleted or moved to another vCenter? Fail over from the last recovery point, or remove it.",
         .retry_safe = true});
}

std::string VmaClient::target_uri(const contracts::WriteSession& session) const {
    return route_().is_tunnel ? "tunnel:///" + session.export_name : session.nbd_uri;
}

bool VmaClient::can_compare() const {
    return route_().is_tunnel;
}

void VmaClient::start_pass(const contracts::PassRequest& request, const std::stop_token& stop) {
    call(short_limit)->post("/api/v1/replicate", contracts::to_json(request), stop);
}

contracts::PassProgress VmaClient::progress(const JobId& job, const std::stop_token& stop) {
    return contracts::pass_progress_from(call(short_limit)->get("/api/v1/progress/" + job.value, stop));
}

void VmaClient::stop_pass(const JobId& job) {
    call(short_limit)->post("/api/v1/jobs/" + job.value + "/stop", Json::object());
}

void VmaClient::forget_pass(const JobId& job) {
    call(short_limit)->remove("/api/v1/jobs/" + job.value);
}

void VmaClient::set_limit(Bytes bytes_per_second) {
    call(short_limit)
        ->put("/api/v1/limit", contracts::to_json(contracts::RateLimit{.bytes_per_second = bytes_per_second}));
}

void VmaClient::forget_checkpoint(const std::string& instance_uuid) {
    call(short_limit)->remove("/api/v1/checkpoints/" + http::url_encode(instance_uuid));
}

std::vector<std::string> VmaClient::sweep_snapshots(const contracts::VcenterAccess& access, const std::string& moref,
                                                    const std::stop_token& stop) {
    auto body = contracts::to_json(access);
    body["moref"] = moref;
    const auto answer = post_in_turn("/api/v1/snapshots/sweep", body, turns_.limit, stop);
    return json::require<std::vector<std::string>>(answer, "remaining");
}

contracts::PowerState VmaClient::power(const contracts::PowerRequest& request, const std::stop_token& stop) {
    return contracts::power_state_from(post_in_turn("/api/v1/power", contracts::to_json(request), power_limit, stop));
}

reconcile::SourceView VmaClient::find_snapshots(const contracts::VcenterAccess& access, const std::stop_token& stop) {
    const auto answer = post_in_turn("/api/v1/snapshots/list", contracts::to_json(access), turns_.limit, stop);
    reconcile::SourceView view{.vcenter_uuid = json::require<std::string>(answer, "vcenter_uuid"), .snapshots = {}};
    for (const auto& snapshot : json::require<Json>(answer, "snapshots")) {
        view.snapshots.push_back(contracts::source_snapshot_from(snapshot));
    }
    return view;
}

void VmaClient::remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token& stop) {
    post_in_turn("/api/v1/snapshots/remove", contracts::to_json(removal), turns_.limit, stop);
}

std::string VmaClient::version() {
    return json::value_or<std::string>(call(std::chrono::seconds{5})->get("/health"), "version", "");
}

}  // namespace mk::oma
