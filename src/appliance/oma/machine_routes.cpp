#include <nlohmann/json.hpp>

#include "appliance/oma/failover_views.hpp"
#include "appliance/oma/routes.hpp"
#include "appliance/oma/views.hpp"
#include "base/json_fields.hpp"

namespace mk::oma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

std::string query_or(const ServerRequest& request, const char* name, const std::string& fallback) {
    const auto found = request.query.find(name);
    return found == request.query.end() ? fallback : found->second;
}

Json machine_view(Services& services, const machines::Machine& machine) {
    auto shown = view(machine, services.machines.disks(machine.id));
    if (services.reconcile.has_leftovers(machine.id)) {
        shown["flags"].push_back("leftovers");
    }
    shown["job"] = nullptr;
    if (!machine.current_job.empty()) {
        if (const auto job = services.job_log.find(machine.current_job)) {
            shown["job"] = view(*job);
            if (const auto replication = services.replications.find(machine.current_job)) {
                shown["job"]["replication"] = view(*replication);
            }
        }
    }
    const auto failover = services.failovers.latest(machine.id);
    shown["failover"] = failover ? view(*failover) : Json(nullptr);
    return shown;
}

/// The only configured vCenter when none is named.
std::string vcenter_of(Services& services, const std::string& named) {
    if (!named.empty()) {
        return named;
    }
    const auto known = services.credentials.list();
    if (known.size() != 1) {
        throw Error(ErrorCode::invalid,
                    known.empty() ? "no vCenter is configured yet" : "several vCenters are configured",
                    {.consequence = "Nothing was changed.",
                     .remedy = known.empty() ? "Add one: migratekit vcenter add" : "Name one with --vcenter.",
                     .retry_safe = true});
    }
    return known.front().name;
}

ServerResponse discover(Services& services, const ServerRequest& request) {
    const auto vcenter = vcenter_of(services, query_or(request, "vcenter", ""));
    Json list = Json::array();
    for (const auto& machine : services.discovery.discover(vcenter, query_or(request, "filter", ""), {})) {
        list.push_back(view(machine));
    }
    return json_response({{"vcenter", vcenter}, {"machines", list}});
}

/// P1: adds a machine to management; replication starts only when asked for. `context_id` starts a managed one.
ServerResponse add_replication(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto body = request.json();
    const bool start = json::value_or<bool>(body, "start_replication", false);
    const auto existing = json::value_or<std::string>(body, "context_id", "");
    VmContextId id;
    if (existing.empty()) {
        const auto vcenter = vcenter_of(services, json::value_or<std::string>(body, "vcenter", ""));
        id = services.discovery.add(vcenter, json::require<std::string>(body, "machine"), {});
    } else {
        id = services.machines.require(existing).id;
    }
    Json answer = {{"context_id", id.value}, {"job_id", nullptr}};
    if (start) {
        answer["job_id"] = services.replication.start(id, {}, actor_of(request)).value;
    }
    return json_response(answer, existing.empty() ? 201 : 202);
}

replication::PassOptions options_from(const Json& body) {
    replication::PassOptions options;
    options.full = json::value_or<bool>(body, "full", false);
    options.compare = json::value_or<bool>(body, "compare", false);
    options.priority = json::value_or<int>(body, "priority", 0);
    if (const auto limit = json::find<Bytes>(body, "bytes_per_second")) {
        settings::check_limit(*limit);
        options.bytes_per_second = *limit;
    }
    return options;
}

ServerResponse start_sync(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto options = options_from(request.json());
    const auto machine = services.machines.require(request.params.at("id"));
    const auto job = services.replication.start(machine.id, options, actor_of(request));
    return json_response({{"job_id", job.value}, {"context_id", machine.id.value}}, 202);
}

ServerResponse start_verification(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto percent = json::value_or<int>(request.json(), "percent", 100);
    const auto machine = services.machines.require(request.params.at("id"));
    const auto job = services.replication.verify(machine.id, percent, actor_of(request));
    return json_response({{"job_id", job.value}, {"context_id", machine.id.value}}, 202);
}

/// What may be changed of a managed machine: the disk that it boots from.
ServerResponse change_machine(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto machine = services.machines.require(request.params.at("id"));
    const DiskId disk{json::require<std::string>(request.json(), "boot_disk_id")};
    services.machines.set_boot_disk(machine.id, disk);
    return json_response(machine_view(services, services.machines.require(machine.id.value)));
}

/// Leaves management: the volumes of the copy are deleted unless kept, the source is not touched.
ServerResponse remove_machine(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto machine = services.machines.require(request.params.at("id"));
    const bool keep_volumes = query_or(request, "keep_volumes", "false") == "true";
    const bool kept = services.replication.remove(machine.id, keep_volumes, actor_of(request));
    return json_response({{"context_id", machine.id.value}, {"volumes_kept", kept}});
}

/// The change id of one disk, from the last recovery point and from nothing else (Y).
ServerResponse change_id(Services& services, const ServerRequest& request) {
    const auto machine = services.machines.require(query_or(request, "vm_context_id", ""));
    const auto disk_id = query_or(request, "disk_id", "");
    const auto point = services.recovery_points.latest(machine.id);
    for (const auto& disk : point ? point->disks : std::vector<RecoveryPointDisk>{}) {
        if (disk.disk_id.value == disk_id) {
            return json_response(
                {{"context_id", machine.id.value}, {"disk_id", disk_id}, {"change_id", disk.change_id}});
        }
    }
    throw Error(ErrorCode::not_found,
                "there is no recovery point of " + machine.source.name + " with disk '" + disk_id + "'");
}

}  // namespace

void add_machine_routes(http::Router& router, Services& services) {
    router.add("GET", "/api/v1/discovery", [&services](const ServerRequest& r) { return discover(services, r); });
    router.add("POST", "/api/v1/replications",
               [&services](const ServerRequest& r) { return add_replication(services, r); });
    router.add("GET", "/api/v1/replications/changeid",
               [&services](const ServerRequest& r) { return change_id(services, r); });
    router.add("GET", "/api/v1/vms", [&services](const ServerRequest&) {
        Json list = Json::array();
        for (const auto& machine : services.machines.list()) {
            list.push_back(machine_view(services, machine));
        }
        return json_response({{"vms", list}});
    });
    router.add("GET", "/api/v1/vms/{id}", [&services](const ServerRequest& request) {
        return json_response(machine_view(services, services.machines.require(request.params.at("id"))));
    });
    router.add("PATCH", "/api/v1/vms/{id}",
               [&services](const ServerRequest& r) { return change_machine(services, r); });
    router.add("DELETE", "/api/v1/vms/{id}",
               [&services](const ServerRequest& r) { return remove_machine(services, r); });
    router.add("POST", "/api/v1/vms/{id}/sync",
               [&services](const ServerRequest& r) { return start_sync(services, r); });
    router.add("POST", "/api/v1/vms/{id}/verify",
               [&services](const ServerRequest& r) { return start_verification(services, r); });
    router.add("GET", "/api/v1/vms/{id}/recovery-points", [&services](const ServerRequest& request) {
        Json list = Json::array();
        for (const auto& point :
             services.recovery_points.list(services.machines.require(request.params.at("id")).id, 100)) {
            list.push_back(view(point));
        }
        return json_response({{"recovery_points", list}});
    });
    router.add("GET", "/api/v1/vms/{id}/volumes", [&services](const ServerRequest& request) {
        Json list = Json::array();
        for (const auto& volume :
             services.volumes.volumes_of(services.machines.require(request.params.at("id")).id, {})) {
            list.push_back(contracts::to_json(volume));
        }
        return json_response({{"volumes", list}});
    });
}

}  // namespace mk::oma
