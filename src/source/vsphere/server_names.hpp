#pragma once
// The names in a server's certificate. nbdkit's curl plugin cannot pin a fingerprint; it can trust exactly one
// certificate and always checks the name. An administrator who pins a certificate often uses an address that the
// certificate does not name; the reader then calls the server by a name that the certificate does carry, over a relay
// to the same address.

#include <optional>
#include <string>

namespace mk::vsphere {

/// Whether `host` (name or IP address) is one of the certificate's names. Throws Error{invalid} when `pem` is no
/// certificate.
bool certificate_names(const std::string& pem, const std::string& host);

/// A name under which the certificate can be verified; a wildcard is filled in. Nothing when it has none.
std::optional<std::string> usable_name(const std::string& pem);

}  // namespace mk::vsphere
