#include <cstdlib>

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

/// Beyond it additions of durations overflow.
constexpr std::int64_t longest_said = std::int64_t{100} * 365 * 24 * 3600;

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

/// Seconds; Error{invalid} for what no duration can be. Whether it makes sense is the failover's to judge.
std::chrono::seconds seconds_of(const Json& body, const char* field, std::chrono::seconds otherwise) {
    const auto value = json::find<std::int64_t>(body, field);
    if (value && std::abs(*value) > longest_said) {
        throw Error(ErrorCode::invalid, std::string("the field '") + field + "' is no sensible duration",
                    {.consequence = "Nothing was changed.", .remedy = "Give it in seconds.", .retry_safe = true});
    }
    return value ? std::chrono::seconds{*value} : otherwise;
}

failover::BootExpectation expectation_from(const Json& body) {
    failover::BootExpectation boot;
    boot.probes = json::value_or<std::vector<std::string>>(body, "probes", {});
    // Older clients name one.
    if (const auto probe = json::value_or<std::string>(body, "probe", ""); boot.probes.empty() && !probe.empty()) {
        boot.probes.push_back(probe);
    }
    boot.text = json::value_or<std::string>(body, "expect", "");
    boot.limit = seconds_of(body, "boot_limit_s", boot.limit);
    return boot;
}

failover::FailoverRequest request_from(const Json& body, bool live) {
    failover::FailoverRequest request;
    request.live = live;
    request.on_clones = json::value_or<bool>(body, "on_clones", false);
    request.network_ids = json::value_or<std::vector<std::string>>(body, "network_ids", {});
    request.addresses = json::value_or<std::vector<std::string>>(body, "addresses", {});
    request.keep_mac = json::value_or<bool>(body, "keep_mac", false);
    request.boot = expectation_from(body);
    request.inspect_guest = json::value_or<bool>(body, "inspect_guest", true);
    request.accept_unverified = json::value_or<bool>(body, "accept_unverified", false);
    if (json::find<std::int64_t>(body, "test_duration_s")) {
        request.test_duration = seconds_of(body, "test_duration_s", {});
    }
    request.auto_cleanup = json::value_or<bool>(body, "auto_cleanup", false);
    request.rollback_on_failure = json::value_or<bool>(body, "rollback_on_failure", false);
    request.force_power_off = json::value_or<bool>(body, "force_power_off", false);
    request.shutdown_limit = seconds_of(body, "shutdown_limit_s", request.shutdown_limit);
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

ServerResponse extend_test(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto body = request.json();
    const auto machine = machine_of(services, body);
    json::require<std::int64_t>(body, "by_s");
    services.failover.extend(machine.id, seconds_of(body, "by_s", {}), actor_of(request));
    const auto failover = services.failovers.latest(machine.id);
    return json_response(view(failover.value()));
}

ServerResponse cleanup_plan(Services& services, const ServerRequest& request) {
    const auto machine = services.machines.require(request.params.at("id"));
    Json steps = Json::array();
    for (const auto& step : services.failover.plan_cleanup(machine.id, {})) {
        steps.push_back(view(step));
    }
    return json_response({{"context_id", machine.id.value}, {"steps", steps}});
}

ServerResponse failover_report(Services& services, const ServerRequest& request) {
    const auto& id = request.params.at("job");
    const auto found = services.failovers.find(JobId{id});
    if (!found) {
        throw Error(
            ErrorCode::not_found, "there is no failover job " + id,
            {.consequence = "Nothing was changed.", .remedy = "List them: migratekit job list", .retry_safe = true});
    }
    return json_response(report_of(services, *found));
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
    router.add("POST", "/api/v1/failover/extend",
               [&services](const ServerRequest& r) { return extend_test(services, r); });
    router.add("GET", "/api/v1/vms/{id}/cleanup-plan",
               [&services](const ServerRequest& r) { return cleanup_plan(services, r); });
    router.add("GET", "/api/v1/failover/jobs/{job}",
               [&services](const ServerRequest& r) { return failover_report(services, r); });
}

}  // namespace mk::oma
