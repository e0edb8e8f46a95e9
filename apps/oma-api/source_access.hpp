#pragma once
// The way to the VMA: one at a configured URL, or the paired one behind the gateway's socket. Looked up for each call,
// so that pairing and retiring count at once. Thread-safe.

#include <optional>
#include <string>

#include "appliance/oma/services.hpp"
#include "base/secret.hpp"
#include "control/settings/source_appliances.hpp"
#include "tunnel/pairing_store.hpp"

namespace mk::oma {

/// src/tunnel's pairings as the control plane sees them.
class TunnelPairings : public settings::Pairings {
  public:
    /// `folder` holds identity and pairings, together with the gateway; empty: this OMA has no tunnel.
    TunnelPairings(const std::string& folder, const Clock& clock);

    std::vector<settings::PairedAppliance> list() const override;
    settings::Invitation invite() override;
    std::size_t open_invitations() const override;
    bool remove(const std::string& id) override;
    /// Of the appliance's API. Throws Error{not_found} when it is not paired any more.
    Secret api_token(const std::string& id) const;

  private:
    std::string folder_;
    const Clock& clock_;
    std::optional<tunnel::PairingStore> store_;
};

/// Where calls to a VMA go.
struct VmaRoute {
    std::string name = "the VMA";  ///< for errors
    std::string base_url;          ///< "http(s)://..." or "unix:/path"
    Secret token;
    bool is_tunnel = false;
};

/// What the configuration says.
struct VmaAddresses {
    std::string url{};             ///< of a VMA that is reached without tunnel; empty: a paired one
    Secret token{};                ///< of that one
    std::string control_folder{};  ///< of the gateway's sockets: "<appliance id>.sock"
};

class SourceDirectory {
  public:
    SourceDirectory(VmaAddresses addresses, const TunnelPairings& pairings, settings::SourceAppliances& appliances);

    /// To the VMA that is used. Throws Error{conflict} with the remedy when there is none.
    VmaRoute route() const;
    VmaRoute route_to(const settings::PairedAppliance& appliance) const;
    /// For status pages: the URL or socket; what is wrong instead when there is no VMA.
    std::string address() const;

  private:
    VmaAddresses addresses_;
    const TunnelPairings& pairings_;
    settings::SourceAppliances& appliances_;
};

/// Asks the appliance's health; an answer within 3 s, or why there is none.
ApplianceState appliance_state(const VmaRoute& route);

}  // namespace mk::oma
