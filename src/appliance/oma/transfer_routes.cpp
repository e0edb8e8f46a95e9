// How copies run: limits of the line, share that is compared.

#include <nlohmann/json.hpp>

#include "appliance/oma/routes.hpp"
#include "appliance/oma/views.hpp"
#include "base/json_fields.hpp"

namespace mk::oma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

/// The document that is saved, and beside it what counts at this moment.
Json bandwidth_view(const Services& services) {
    const auto limits = services.transfer.bandwidth();
    const auto now = services.transfer.now();
    const auto* const window = settings::window_at(limits, now);
    const auto limit = settings::limit_at(limits, now);
    auto shown = settings::to_json(limits);
    shown["now"] = {{"bytes_per_second", limit == 0 ? Json(nullptr) : Json(limit)},
                    {"window", window == nullptr ? Json(nullptr) : settings::to_json(*window)},
                    {"local_time", settings::local_time_text(now)}};
    return shown;
}

ServerResponse save_bandwidth(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    services.transfer.save_bandwidth(settings::bandwidth_limits_from(request.json()));
    return json_response(bandwidth_view(services));
}

Json replication_view(const Services& services) {
    return {{"compare_percent", services.transfer.compare_percent()}};
}

ServerResponse save_replication(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    services.transfer.save_compare_percent(json::require<int>(request.json(), "compare_percent"));
    return json_response(replication_view(services));
}

}  // namespace

void add_transfer_routes(http::Router& router, Services& services) {
    router.add("GET", "/api/v1/settings/bandwidth",
               [&services](const ServerRequest&) { return json_response(bandwidth_view(services)); });
    router.add("PUT", "/api/v1/settings/bandwidth",
               [&services](const ServerRequest& r) { return save_bandwidth(services, r); });
    router.add("GET", "/api/v1/settings/replication",
               [&services](const ServerRequest&) { return json_response(replication_view(services)); });
    router.add("PUT", "/api/v1/settings/replication",
               [&services](const ServerRequest& r) { return save_replication(services, r); });
}

}  // namespace mk::oma
