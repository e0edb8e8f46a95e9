#pragma once
// Keys and certificates of the tunnel in memory. Of this module only: nobody else sees OpenSSL's types.
// EC P-256 (RFC 5480), self-signed X.509 v3 (RFC 5280). Free functions, any thread.

#include <memory>
#include <string>

#include <openssl/types.h>

#include "base/clock.hpp"

namespace mk::tunnel {

struct KeyDeleter {
    void operator()(EVP_PKEY* key) const noexcept;
};
struct CertificateDeleter {
    void operator()(X509* certificate) const noexcept;
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using Certificate = std::unique_ptr<X509, CertificateDeleter>;

struct Validity {
    Instant begin{};
    Instant end{};
};

Key make_key();
/// Throws Error{corrupt} when the text is no private key of ours.
Key key_from_pem(const std::string& text);
std::string to_pem(const Key& key);

/// Throws Error{invalid} when the name is too long for a certificate (64 bytes).
Certificate make_certificate(const Key& key, const std::string& name, const Validity& validity);
/// Throws Error{corrupt} when the text is no certificate.
Certificate certificate_from_pem(const std::string& text);
std::string to_pem(const Certificate& certificate);

/// SHA-256 of the SubjectPublicKeyInfo (DER), 64 lower-case hex digits.
std::string fingerprint_of(const EVP_PKEY* key);
std::string fingerprint_of(const X509* certificate);
std::string common_name_of(const X509* certificate);
Validity validity_of(const X509* certificate);
/// Why a peer's certificate cannot stand for its key, in words; empty when it can: a P-256 key that signed its own
/// certificate, within its validity. Says nothing about trust.
std::string problem_of(X509* certificate, Instant now);

}  // namespace mk::tunnel
