#pragma once
// Who an appliance is in the tunnel: a private key that never leaves its folder and a self-signed certificate made
// from it, renewed when two thirds of its 90 days are over. Trust is in the key: peers know its fingerprint.

#include <string>

#include "base/clock.hpp"

namespace mk::tunnel {

struct Identity {
    std::string certificate_file;  ///< PEM
    std::string key_file;          ///< PEM, 0600
    std::string fingerprint{};     ///< SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits
};

/// Opens the identity in `folder`; makes key (EC P-256) and certificate when they are absent, and a new certificate
/// from the same key when the old one is due. `name` becomes the certificate's common name; whoever connects to the
/// gateway can read it. An empty name keeps the one of the certificate that is there. Safe to call from several
/// processes, and cheap enough for every connection. Throws Error{corrupt} when the key cannot be read: a new key would
/// be another appliance.
Identity open_identity(const std::string& folder, const std::string& name);
Identity open_identity(const std::string& folder, const std::string& name, Instant now);

/// "ab12 cd34 ..." in groups of four, for people to compare.
std::string fingerprint_for_people(const std::string& fingerprint);

}  // namespace mk::tunnel
