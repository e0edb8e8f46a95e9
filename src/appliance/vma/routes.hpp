#pragma once
// The routes of api/vma.yaml. Handlers run on several threads at once.

#include <string>

#include "appliance/vma/job_registry.hpp"
#include "appliance/vma/ports.hpp"
#include "base/secret.hpp"
#include "http/server.hpp"

namespace mk::vma {

/// Registry and gateway must outlive the router. Everything but /health needs the bearer token.
http::Router make_router(JobRegistry& jobs, VcenterGateway& vcenter, const Secret& token);

}  // namespace mk::vma
