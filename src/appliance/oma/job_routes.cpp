#include <nlohmann/json.hpp>

#include "appliance/oma/failover_views.hpp"
#include "appliance/oma/routes.hpp"
#include "appliance/oma/views.hpp"
#include "control/replication/verification.hpp"

namespace mk::oma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

constexpr int list_limit = 200;
constexpr int event_limit = 500;

joblog::Job required(Services& services, const ServerRequest& request) {
    const auto& id = request.params.at("job");
    auto found = services.job_log.find(JobId{id});
    if (!found) {
        throw Error(
            ErrorCode::not_found, "there is no job " + id,
            {.consequence = "Nothing was changed.", .remedy = "List them: migratekit job list", .retry_safe = true});
    }
    return std::move(*found);
}

Json job_view(Services& services, const joblog::Job& job) {
    auto shown = view(job);
    const auto replication = services.replications.find(job.id);
    shown["replication"] = replication ? view(*replication) : Json(nullptr);
    const auto point = services.recovery_points.of_job(job.id);
    shown["recovery_point"] = point ? view(*point) : Json(nullptr);
    shown["verification"] = verification_view(services.job_log.recall(job.id, replication::verification_key));
    const auto failover = services.failovers.find(job.id);
    shown["failover"] = failover ? view(*failover) : Json(nullptr);
    if (replication) {
        Json disks = Json::array();
        for (const auto& disk : services.machines.disks(job.vm_context_id)) {
            disks.push_back(
                {{"disk_id", disk.disk_id.value}, {"bytes_total", disk.bytes_total}, {"bytes_done", disk.bytes_done}});
        }
        shown["replication"]["disks"] = disks;
    }
    const auto machine = services.machines.find(job.vm_context_id);
    shown["machine"] = machine ? Json(machine->source.name) : Json(nullptr);
    return shown;
}

ServerResponse list_jobs(Services& services, const ServerRequest& request) {
    std::optional<VmContextId> vm;
    if (const auto found = request.query.find("vm"); found != request.query.end()) {
        vm = services.machines.require(found->second).id;
    }
    const auto open = request.query.find("open");
    Json list = Json::array();
    for (const auto& job :
         services.job_log.list(vm, open != request.query.end() && open->second == "true", list_limit)) {
        auto shown = view(job);
        const auto machine = services.machines.find(job.vm_context_id);
        shown["machine"] = machine ? Json(machine->source.name) : Json(nullptr);
        const auto replication = services.replications.find(job.id);
        shown["replication"] = replication ? view(*replication) : Json(nullptr);
        list.push_back(shown);
    }
    return json_response({{"jobs", list}});
}

ServerResponse cancel_job(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto job = required(services, request);
    if (is_final(job.status)) {
        throw Error(ErrorCode::conflict, "the job has ended already: " + std::string(to_string(job.status)),
                    {.consequence = "Nothing was changed.", .retry_safe = true});
    }
    if (job.type == JobType::migration || job.type == JobType::verification) {
        services.replication.cancel(job.id);
    } else if (job.type == JobType::cleanup) {
        throw Error(ErrorCode::conflict, "a job of this kind (" + job.operation + ") cannot be stopped",
                    {.consequence = "It goes on.",
                     .remedy = "Wait for it: migratekit job wait " + job.id.value,
                     .retry_safe = true});
    } else {
        services.failover.cancel(job.id);
    }
    return json_response({{"job_id", job.id.value}}, 202);
}

}  // namespace

void add_job_routes(http::Router& router, Services& services) {
    router.add("GET", "/api/v1/jobs", [&services](const ServerRequest& r) { return list_jobs(services, r); });
    router.add("GET", "/api/v1/jobs/{job}", [&services](const ServerRequest& request) {
        return json_response(job_view(services, required(services, request)));
    });
    router.add("GET", "/api/v1/jobs/{job}/logs", [&services](const ServerRequest& request) {
        const auto job = required(services, request);
        const auto after = request.query.find("after");
        Json list = Json::array();
        for (const auto& event :
             services.job_log.events(job.id, after == request.query.end() ? "" : after->second, event_limit)) {
            list.push_back(view(event));
        }
        return json_response({{"job_id", job.id.value}, {"events", list}});
    });
    router.add("POST", "/api/v1/jobs/{job}/cancel",
               [&services](const ServerRequest& r) { return cancel_job(services, r); });
    router.add("GET", "/api/v1/ledger", [&services](const ServerRequest&) {
        Json list = Json::array();
        for (const auto& entry : services.ledger.open_entries()) {
            list.push_back(view(entry));
        }
        return json_response({{"entries", list}});
    });
}

}  // namespace mk::oma
