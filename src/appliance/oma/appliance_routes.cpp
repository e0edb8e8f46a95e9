// The appliances at the source sites: who is paired, how they are, pairing and retiring.

#include <future>

#include <nlohmann/json.hpp>

#include "appliance/oma/routes.hpp"
#include "appliance/oma/views.hpp"
#include "base/json_fields.hpp"

namespace mk::oma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

Json appliance_view(const Services& services, const settings::PairedAppliance& appliance) {
    auto shown = view(appliance);
    shown["used"] = services.appliances.is_used(appliance);
    shown.update(view(services.appliance_state(appliance)));
    return shown;
}

/// All are asked at the same time: one that is silent holds up its own line only. There are as many as sites.
ServerResponse list_appliances(const Services& services) {
    std::vector<std::future<Json>> asked;
    for (const auto& appliance : services.appliances.list()) {
        asked.push_back(
            std::async(std::launch::async, [&services, appliance] { return appliance_view(services, appliance); }));
    }
    Json list = Json::array();
    for (auto& one : asked) {
        list.push_back(one.get());
    }
    return json_response({{"appliances", list}, {"open_invitations", services.appliances.open_invitations()}});
}

ServerResponse invite(Services& services, const ServerRequest& request) {
    require_role(request, "administrator");
    return json_response(view(services.appliances.invite()), 201);
}

ServerResponse retire(Services& services, const ServerRequest& request) {
    require_role(request, "administrator");
    const auto force = request.query.find("force");
    return json_response(view(
        services.appliances.retire(request.params.at("id"), force != request.query.end() && force->second == "true")));
}

}  // namespace

void add_appliance_routes(http::Router& router, Services& services) {
    router.add("GET", "/api/v1/appliances", [&services](const ServerRequest&) { return list_appliances(services); });
    router.add("POST", "/api/v1/appliances/pairings",
               [&services](const ServerRequest& r) { return invite(services, r); });
    router.add("GET", "/api/v1/appliances/{id}", [&services](const ServerRequest& request) {
        return json_response(appliance_view(services, services.appliances.require(request.params.at("id"))));
    });
    router.add("DELETE", "/api/v1/appliances/{id}",
               [&services](const ServerRequest& r) { return retire(services, r); });
}

}  // namespace mk::oma
