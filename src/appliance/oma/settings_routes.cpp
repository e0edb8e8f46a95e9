#include <nlohmann/json.hpp>

#include "appliance/oma/routes.hpp"
#include "appliance/oma/views.hpp"
#include "base/json_fields.hpp"

namespace mk::oma {

namespace {

using http::json_response;
using http::ServerRequest;
using http::ServerResponse;

settings::CloudStackSettings access_from(const Json& body) {
    settings::CloudStackSettings access;
    access.api_url = json::value_or<std::string>(body, "api_url", "");
    access.certificate_sha256 = json::value_or<std::string>(body, "certificate_sha256", "");
    access.api_key = Secret(json::value_or<std::string>(body, "api_key", ""));
    access.secret_key = Secret(json::value_or<std::string>(body, "secret_key", ""));
    return access;
}

settings::Choice choice_from(const Json& body) {
    const auto text = [&](const char* field) { return json::value_or<std::string>(body, field, ""); };
    return {.zone = text("zone"),
            .template_name = text("template"),
            .service_offering = text("service_offering"),
            .disk_offering = text("disk_offering"),
            .network = text("network"),
            .test_network = text("test_network"),
            .appliance_vm = text("appliance_vm")};
}

ServerResponse add_credential(Services& services, const ServerRequest& request) {
    require_role(request, "administrator");
    const auto body = request.json();
    credentials::Credential entry;
    entry.name = json::require<std::string>(body, "name");
    entry.vcenter = json::require<std::string>(body, "vcenter");
    entry.username = json::require<std::string>(body, "username");
    entry.certificate_sha256 = json::value_or<std::string>(body, "certificate_sha256", "");
    const Secret password(json::require<std::string>(body, "password"));
    const auto id = services.discovery.add_vcenter(entry, password, actor_of(request), {});
    return json_response(view(services.credentials.require(id.value)), 201);
}

/// Names of networks are resolved to ids, ids are checked: an unknown one is refused here, not in the middle of a
/// failover.
std::pair<std::string, std::string> resolve_network(Services& services, const std::string& words) {
    if (words.empty()) {
        return {};
    }
    const auto found = services.cloudstack_setup.discover({}, {});
    std::string names;
    for (const auto& network : found.networks) {
        if (network.id == words || network.name == words) {
            return {network.id, network.name};
        }
        names += (names.empty() ? "" : ", ") + network.name;
    }
    throw Error(ErrorCode::invalid, "CloudStack has no network '" + words + "'",
                {.consequence = "Nothing was changed.", .remedy = "There is: " + names + ".", .retry_safe = true});
}

ServerResponse save_network(Services& services, const ServerRequest& request) {
    require_role(request, "operator");
    const auto body = request.json();
    networks::NetworkMapping mapping;
    mapping.source_network = json::require<std::string>(body, "source_network");
    std::tie(mapping.live_network_id, mapping.live_network_name) =
        resolve_network(services, json::value_or<std::string>(body, "live_network", ""));
    std::tie(mapping.test_network_id, mapping.test_network_name) =
        resolve_network(services, json::value_or<std::string>(body, "test_network", ""));
    services.networks.save(mapping);
    return json_response(view(mapping));
}

void add_credential_routes(http::Router& router, Services& services) {
    router.add("GET", "/api/v1/vmware-credentials", [&services](const ServerRequest&) {
        Json list = Json::array();
        for (const auto& credential : services.credentials.list()) {
            list.push_back(view(credential));
        }
        return json_response({{"credentials", list}});
    });
    router.add("POST", "/api/v1/vmware-credentials",
               [&services](const ServerRequest& r) { return add_credential(services, r); });
    router.add("GET", "/api/v1/vmware-credentials/{id}", [&services](const ServerRequest& request) {
        return json_response(view(services.credentials.require(request.params.at("id"))));
    });
    router.add("DELETE", "/api/v1/vmware-credentials/{id}", [&services](const ServerRequest& request) {
        require_role(request, "administrator");
        services.credentials.remove(services.credentials.require(request.params.at("id")).id);
        return json_response(Json::object());
    });
}

void add_network_routes(http::Router& router, Services& services) {
    router.add("GET", "/api/v1/networks", [&services](const ServerRequest&) {
        Json list = Json::array();
        for (const auto& mapping : services.networks.list()) {
            list.push_back(view(mapping));
        }
        return json_response({{"networks", list}});
    });
    router.add("PUT", "/api/v1/networks", [&services](const ServerRequest& r) { return save_network(services, r); });
}

}  // namespace

void add_settings_routes(http::Router& router, Services& services) {
    add_credential_routes(router, services);
    add_network_routes(router, services);
    router.add("POST", "/api/v1/ossea/discover-resources", [&services](const ServerRequest& request) {
        require_role(request, "administrator");
        return json_response(view(services.cloudstack_setup.discover(access_from(request.json()), {})));
    });
    router.add("GET", "/api/v1/ossea/config",
               [&services](const ServerRequest&) { return json_response(view(services.cloudstack.require())); });
    router.add("PUT", "/api/v1/ossea/config", [&services](const ServerRequest& request) {
        require_role(request, "administrator");
        const auto body = request.json();
        return json_response(view(services.cloudstack_setup.configure(access_from(body), choice_from(body), {})));
    });
    router.add("POST", "/api/v1/tokens", [&services](const ServerRequest& request) {
        require_role(request, "administrator");
        const auto body = request.json();
        const auto name = json::require<std::string>(body, "name");
        const auto role = json::require<std::string>(body, "role");
        return json_response({{"name", name}, {"role", role}, {"token", services.tokens.create(name, role).reveal()}},
                             201);
    });
}

}  // namespace mk::oma
