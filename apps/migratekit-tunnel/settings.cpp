#include "settings.hpp"

#include "os/file.hpp"
#include "os/listen_address.hpp"

namespace mk::apps {
namespace {

std::size_t count(const Config& config, const char* key, std::size_t fallback, std::int64_t highest) {
    return static_cast<std::size_t>(config.number(key, static_cast<std::int64_t>(fallback), 1, highest));
}

}  // namespace

const std::set<std::string>& tunnel_keys() {
    static const std::set<std::string> keys = {
        "folder",         "name",
        "metrics_folder", "limits.connections",  // both
        "listen",         "hand_off_socket",
        "control_folder", "limits.half_open",  // gateway
        "appliance_id",   "vma_api",
        "vma_token_file", "limits.idle",
        "limits.max_idle"  // client
    };
    return keys;
}

tunnel::GatewayOptions gateway_options(const Config& config) {
    tunnel::GatewayOptions options;
    const auto listen = os::parse_listen_address(config.get("listen", "0.0.0.0:443"));
    options.host = listen.host;
    options.port = listen.port;
    options.folder = config.require("folder");
    options.name = config.get("name", options.name);
    options.hand_off_socket = config.require("hand_off_socket");
    options.control_folder = config.require("control_folder");
    options.metrics_folder = config.get("metrics_folder", "");
    options.max_half_open = count(config, "limits.half_open", options.max_half_open, 100'000);
    options.max_connections = count(config, "limits.connections", options.max_connections, 10'000);
    return options;
}

tunnel::ReverseClientOptions client_options(const Config& config) {
    tunnel::ReverseClientOptions options;
    options.folder = config.require("folder");
    options.vma_api = config.get("vma_api", "127.0.0.1:8081");
    options.metrics_folder = config.get("metrics_folder", "");
    options.idle = count(config, "limits.idle", options.idle, 64);
    options.max_idle = count(config, "limits.max_idle", options.max_idle, 64);
    options.max_connections = count(config, "limits.connections", options.max_connections, 1'000);
    return options;
}

tunnel::PairingRequest pairing_request(const Config& config) {
    tunnel::PairingRequest request;
    request.folder = config.require("folder");
    request.appliance_id = config.require("appliance_id");
    request.name = config.get("name", request.appliance_id);
    request.api_token = os::read_secret_file(config.require("vma_token_file"));
    return request;
}

}  // namespace mk::apps
