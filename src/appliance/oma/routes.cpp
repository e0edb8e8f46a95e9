#include "appliance/oma/routes.hpp"

#include <nlohmann/json.hpp>

namespace mk::oma {

namespace {

int rank_of(std::string_view role) {
    return role == "administrator" ? 2 : role == "operator" ? 1 : 0;
}

Json peer_view(const PeerState& peer) {
    return {{"name", peer.name},
            {"address", peer.address},
            {"reachable", peer.reachable},
            {"version", peer.version},
            {"problem", peer.problem.empty() ? Json(nullptr) : Json(peer.problem)}};
}

}  // namespace

// The principal is "<role> <name>", as make_router's authenticator writes it.
std::string actor_of(const http::ServerRequest& request) {
    const auto space = request.principal.find(' ');
    return space == std::string::npos ? request.principal : request.principal.substr(space + 1);
}

void require_role(const http::ServerRequest& request, std::string_view role) {
    const auto has = std::string_view(request.principal).substr(0, request.principal.find(' '));
    if (rank_of(has) < rank_of(role)) {
        throw Error(
            ErrorCode::forbidden, "this needs the role " + std::string(role) + ", the token has " + std::string(has),
            {.consequence = "Nothing was changed.", .remedy = "Use a token with that role.", .retry_safe = true});
    }
}

http::Router make_router(Services& services) {
    http::Router router([&services](std::string_view token) {
        const auto principal = services.tokens.authenticate(token);
        return principal.role + " " + principal.name;
    });
    router.add(
        "GET", "/health",
        [](const http::ServerRequest&) { return http::json_response({{"status", "ok"}, {"version", MK_VERSION}}); },
        true);
    router.add("GET", "/api/v1/status", [&services](const http::ServerRequest&) {
        Json peers = Json::array();
        for (const auto& peer : services.peers()) {
            peers.push_back(peer_view(peer));
        }
        return http::json_response({{"version", MK_VERSION}, {"peers", peers}});
    });
    add_settings_routes(router, services);
    add_transfer_routes(router, services);
    add_appliance_routes(router, services);
    add_machine_routes(router, services);
    add_failover_routes(router, services);
    add_job_routes(router, services);
    add_reconcile_routes(router, services);
    return router;
}

}  // namespace mk::oma
