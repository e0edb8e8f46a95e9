#include "source_access.hpp"

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "http/api_client.hpp"
#include "tunnel/identity.hpp"

namespace mk::oma {

namespace {

// Through the tunnel and back, with a VMA that is busy copying; who waits for it looks at a list.
constexpr std::chrono::seconds health_limit{3};

settings::PairedAppliance shown(const tunnel::Pairing& pairing) {
    return {.id = pairing.appliance_id,
            .name = pairing.name,
            .fingerprint = pairing.fingerprint,
            .fingerprint_for_people = tunnel::fingerprint_for_people(pairing.fingerprint),
            .paired_at = pairing.paired_at};
}

Error no_tunnel() {
    return {ErrorCode::conflict,
            "this OMA has no tunnel",
            {.consequence = "Nothing was changed.",
             .remedy = "Set tunnel.folder and tunnel.control_folder in oma-api.toml as in the configuration of "
                       "migratekit-tunnel, and restart the service.",
             .retry_safe = true}};
}

}  // namespace

TunnelPairings::TunnelPairings(const std::string& folder, const Clock& clock) : folder_(folder), clock_(clock) {
    if (!folder.empty()) {
        store_.emplace(folder, clock);
    }
}

std::vector<settings::PairedAppliance> TunnelPairings::list() const {
    std::vector<settings::PairedAppliance> found;
    for (const auto& pairing : store_ ? store_->list() : std::vector<tunnel::Pairing>{}) {
        found.push_back(shown(pairing));
    }
    return found;
}

settings::Invitation TunnelPairings::invite() {
    if (!store_) {
        throw no_tunnel();
    }
    const auto identity = tunnel::open_identity(folder_, "", clock_.now());
    const auto invitation = store_->invite();
    return {.code = invitation.code,
            .expires = invitation.expires,
            .fingerprint = identity.fingerprint,
            .fingerprint_for_people = tunnel::fingerprint_for_people(identity.fingerprint)};
}

std::size_t TunnelPairings::open_invitations() const {
    return store_ ? store_->open_codes().size() : 0;
}

bool TunnelPairings::remove(const std::string& id) {
    return store_ && store_->remove(id);
}

Secret TunnelPairings::api_token(const std::string& id) const {
    const auto pairing = store_ ? store_->find(id) : std::nullopt;
    if (!pairing) {
        throw Error(ErrorCode::not_found, "the appliance " + id + " is not paired with this OMA",
                    {.consequence = "Nothing was changed.",
                     .remedy = "List them: migratekit appliance list",
                     .retry_safe = true});
    }
    return pairing->api_token;
}

SourceDirectory::SourceDirectory(VmaAddresses addresses, const TunnelPairings& pairings,
                                 settings::SourceAppliances& appliances)
    : addresses_(std::move(addresses)), pairings_(pairings), appliances_(appliances) {}

VmaRoute SourceDirectory::route() const {
    const auto used = appliances_.used();
    return used ? route_to(*used) : VmaRoute{.base_url = addresses_.url, .token = addresses_.token};
}

VmaRoute SourceDirectory::route_to(const settings::PairedAppliance& appliance) const {
    return {.name = "the VMA " + appliance.name,
            .base_url = "unix:" + addresses_.control_folder + "/" + appliance.id + ".sock",
            .token = pairings_.api_token(appliance.id),
            .is_tunnel = true};
}

std::string SourceDirectory::address() const {
    if (!addresses_.url.empty()) {
        return addresses_.url;
    }
    try {
        return "tunnel to " + appliances_.used()->name;
    } catch (const Error&) {
        return "tunnel";
    }
}

ApplianceState appliance_state(const VmaRoute& route) {
    http::ApiClient client(route.name, route.base_url, route.token);
    client.set_limit(health_limit);
    const auto asked = std::chrono::steady_clock::now();
    try {
        const auto version = json::value_or<std::string>(client.get("/health"), "version", "");
        const auto taken = std::chrono::steady_clock::now() - asked;
        return {.reachable = true,
                .version = version,
                .is_same_version = version == MK_VERSION,
                .round_trip = std::chrono::ceil<std::chrono::milliseconds>(taken),
                .problem = {}};
    } catch (const Error& error) {
        return {.problem = error.cause()};
    }
}

}  // namespace mk::oma
