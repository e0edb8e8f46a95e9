#pragma once
// The REST face of the OMA under /api/v1 (api/oma.yaml). Routes know HTTP and DTOs, nothing else: rules live in the
// services.

#include "appliance/oma/services.hpp"
#include "http/server.hpp"

namespace mk::oma {

/// A router with every route of the OMA. `services` must outlive it.
http::Router make_router(Services& services);

void add_settings_routes(http::Router& router, Services& services);
void add_transfer_routes(http::Router& router, Services& services);
void add_appliance_routes(http::Router& router, Services& services);
void add_machine_routes(http::Router& router, Services& services);
void add_failover_routes(http::Router& router, Services& services);
void add_job_routes(http::Router& router, Services& services);
void add_reconcile_routes(http::Router& router, Services& services);

/// Who asks, for audit columns and job owners.
std::string actor_of(const http::ServerRequest& request);
/// Throws Error{forbidden} unless the caller's role is at least `role` (viewer < operator < administrator).
void require_role(const http::ServerRequest& request, std::string_view role);

}  // namespace mk::oma
