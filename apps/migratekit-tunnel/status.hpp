#pragma once
// `migratekit-tunnel status`: who this appliance is, whom it trusts, and what its processes counted last.

#include "base/config.hpp"
#include "base/json.hpp"

namespace mk::apps {

/// {"fingerprint", "pairings": [...], "metrics": [{"name", "labels": {...}, "value"}]}. No token is in it.
Json tunnel_status(const Config& config);
void print_status(const Json& status);

}  // namespace mk::apps
