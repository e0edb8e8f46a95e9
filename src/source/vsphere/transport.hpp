#pragma once
// Carries envelopes to the server. An interface, so that everything above it is tested with scripted answers.

#include <chrono>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "http/client.hpp"
#include "source/vsphere/address.hpp"

namespace mk::vsphere {

/// Fingerprints and text of the certificate that a verified connection has seen.
struct PeerCertificate {
    std::string sha1;  ///< as VDDK wants it
    std::string pem;
};

/// Thread-safe.
class Transport {
  public:
    virtual ~Transport() = default;
    /// vimServiceVersions.xml.
    virtual http::Response versions(const std::stop_token& stop) = 0;
    /// `cookie` is sent byte for byte; none when empty. Throws what http::Client throws.
    virtual http::Response post(const std::string& envelope, const std::string& soap_action, const std::string& cookie,
                                std::chrono::milliseconds limit, const std::stop_token& stop) = 0;
    virtual PeerCertificate certificate() const = 0;
};

/// One http::Client per concurrent call; idle ones are kept for the next.
class HttpTransport : public Transport {
  public:
    HttpTransport(Address address, http::TlsTrust trust);
    http::Response versions(const std::stop_token& stop) override;
    http::Response post(const std::string& envelope, const std::string& soap_action, const std::string& cookie,
                        std::chrono::milliseconds limit, const std::stop_token& stop) override;
    PeerCertificate certificate() const override;

  private:
    http::Response send(const http::Request& request, const std::stop_token& stop);

    const Address address_;
    const http::TlsTrust trust_;

    mutable std::mutex mutex_;  // protects what follows; not held during a call
    std::vector<std::unique_ptr<http::Client>> idle_;
    PeerCertificate certificate_;
};

}  // namespace mk::vsphere
