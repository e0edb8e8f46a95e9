// What is not accounted for: looking, and applying one finding.

#include <nlohmann/json.hpp>

#include "appliance/oma/reconcile_views.hpp"
#include "appliance/oma/routes.hpp"
#include "base/json_fields.hpp"

namespace mk::oma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

Json report_view(Services& services, const reconcile::Report& report) {
    auto shown = view(report);
    for (auto& finding : shown["findings"]) {
        const auto context = json::value_or<std::string>(finding, "context_id", "");
        const auto machine = services.machines.find(VmContextId{context});
        finding["machine"] = machine ? Json(machine->source.name) : Json(nullptr);
    }
    return shown;
}

ServerResponse run(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    return json_response(report_view(services, services.reconcile.run_now(request.stop)));
}

ServerResponse apply(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto confirmation = json::value_or<std::string>(request.json(), "confirm", "");
    const auto job = services.reconcile.apply(request.params.at("id"), confirmation, actor_of(request));
    return json_response({{"job_id", job.value}}, 202);
}

}  // namespace

void add_reconcile_routes(http::Router& router, Services& services) {
    router.add("GET", "/api/v1/reconcile", [&services](const ServerRequest&) {
        return json_response(report_view(services, services.reconcile.report()));
    });
    router.add("POST", "/api/v1/reconcile/run", [&services](const ServerRequest& r) { return run(services, r); });
    router.add("POST", "/api/v1/reconcile/{id}/apply",
               [&services](const ServerRequest& r) { return apply(services, r); });
}

}  // namespace mk::oma
