#pragma once
// A TLS connection from the VMA to its gateway, for dial() and for the reverse connections.

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "tunnel/pairing_store.hpp"
#include "tunnel/tls_stream.hpp"

namespace mk::tunnel {

/// The pairing of a VMA with its OMA: the one that has an address. Throws Error{conflict, "NotPaired"}.
Pairing gateway_pairing(const std::string& folder);

/// The handshake with the paired gateway over a connected socket. Errors as of dial().
std::unique_ptr<TlsStream> meet_gateway(std::unique_ptr<os::ByteStream> socket, const std::string& folder,
                                        const Pairing& gateway, const std::string& protocol,
                                        std::chrono::milliseconds limit, const std::stop_token& stop);

}  // namespace mk::tunnel
