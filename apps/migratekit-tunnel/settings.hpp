#pragma once
// What the configuration files of the tunnel say.

#include <set>
#include <string>

#include "base/config.hpp"
#include "tunnel/gateway.hpp"
#include "tunnel/pairing_exchange.hpp"
#include "tunnel/reverse_client.hpp"

namespace mk::apps {

/// Of both sides: the short commands take either file.
const std::set<std::string>& tunnel_keys();

tunnel::GatewayOptions gateway_options(const Config& config);
tunnel::ReverseClientOptions client_options(const Config& config);
/// Without gateway and code.
tunnel::PairingRequest pairing_request(const Config& config);

}  // namespace mk::apps
