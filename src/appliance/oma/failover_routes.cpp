#include <nlohmann/json.hpp>

#include "appliance/oma/routes.hpp"
#include "appliance/oma/views.hpp"
#include "base/json_fields.hpp"

namespace mk::oma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

/// The machine a failover request means: `context_id`, or the names of older clients.
machines::Machine machine_of(Services& services, const Json& body) {
    for (const auto* field : {"context_id", "vm_id", "vm_name"}) {
        if (const auto words = json::find<std::string>(body, field)) {
            return services.machines.require(*words);
        }
    }
    throw Error(ErrorCode::invalid, "the field 'context_id' is missing",
                {.consequence = "Nothing was changed.", .retry_safe = true});
}

failover::FailoverRequest request_from(const Json& body, bool live) {
    failover::FailoverRequest request;
    request.live = live;
    request.network_ids = json::value_or<std::vector<std::string>>(body, "network_ids", {});
    request.probe = json::value_or<std::string>(body, "probe", "");
    request.boot_limit = std::chrono::seconds{json::value_or<std::int64_t>(body, "boot_limit_s", 600)};
    if (const auto duration = json::find<std::int64_t>(body, "test_duration_s")) {
        request.test_duration = std::chrono::seconds{*duration};
    }
    request.auto_cleanup = json::value_or<bool>(body, "auto_cleanup", false);
    request.force_power_off = json::value_or<bool>(body, "force_power_off", false);
    request.shutdown_limit = std::chrono::seconds{json::value_or<std::int64_t>(body, "shutdown_limit_s", 600)};
    return request;
}

ServerResponse start_failover(Services& services, const ServerRequest& request, bool live) {
    require_role(request, "operator");
    const auto body = request.json();
    const auto machine = machine_of(services, body);
    const auto job = services.failover.start(machine.id, request_from(body, live), actor_of(request));
    return json_response({{"job_id", job.value}, {"context_id", machine.id.value}}, 202);
}

ServerResponse check_failover(Services& services, const ServerRequest& request) {
    const auto body = request.json();
    const auto machine = machine_of(services, body);
    const bool live = json::value_or<bool>(body, "live", false);
    return json_response(view(services.failover.check(machine.id, request_from(body, live))));
}

ServerResponse finish_test(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto body = request.json();
    const auto machine = machine_of(services, body);
    const auto job = services.failover.finish_test(machine.id, json::value_or<std::string>(body, "verdict", ""),
                                                   json::value_or<std::string>(body, "note", ""), actor_of(request));
    return json_response({{"job_id", job.value}, {"context_id", machine.id.value}}, 202);
}

ServerResponse go_back(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto machine = machine_of(services, request.json());
    const auto job = services.failover.go_back(machine.id, actor_of(request));
    return json_response({{"job_id", job.value}, {"context_id", machine.id.value}}, 202);
}

ServerResponse commit(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto machine = machine_of(services, request.json());
    const auto job = services.failover.commit(machine.id, actor_of(request));
    return json_response({{"job_id", job.value}, {"context_id", machine.id.value}}, 202);
}

ServerResponse clean_up(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto machine = machine_of(services, request.json());
    const auto job = services.failover.clean_up(machine.id, actor_of(request));
    return json_response({{"job_id", job.value}, {"context_id", machine.id.value}}, 202);
}

}  // namespace

void add_failover_routes(http::Router& router, Services& services) {
    router.add("POST", "/api/v1/failover/check",
               [&services](const ServerRequest& r) { return check_failover(services, r); });
    router.add("POST", "/api/v1/failover/test",
               [&services](const ServerRequest& r) { return start_failover(services, r, false); });
    router.add("POST", "/api/v1/failover/live",
               [&services](const ServerRequest& r) { return start_failover(services, r, true); });
    router.add("POST", "/api/v1/failover/finish",
               [&services](const ServerRequest& r) { return finish_test(services, r); });
    router.add("POST", "/api/v1/failover/back", [&services](const ServerRequest& r) { return go_back(services, r); });
    router.add("POST", "/api/v1/failover/commit", [&services](const ServerRequest& r) { return commit(services, r); });
    router.add("POST", "/api/v1/failover/cleanup",
               [&services](const ServerRequest& r) { return clean_up(services, r); });
    router.add("GET", "/api/v1/failover/jobs/{job}", [&services](const ServerRequest& request) {
        const auto found = services.failovers.find(JobId{request.params.at("job")});
        if (!found) {
            throw Error(ErrorCode::not_found, "there is no failover job " + request.params.at("job"));
        }
        return json_response(view(*found));
    });
}

}  // namespace mk::oma
