#pragma once
// Decides during the TLS handshake, before a byte of the request is sent, whether the peer is the right one, and keeps
// the fingerprints of its leaf certificate. Belongs to one Client; must not move while a connection uses it.

#include <string>

#include "http/client.hpp"

namespace mk::http {

class TlsVerifier {
  public:
    enum class Mode { pin, authority, any };

    /// Throws Error{invalid} when the pin is not a SHA-256 in hex.
    explicit TlsVerifier(const TlsTrust& trust);
    /// Accepts every certificate: for looking at it, never for sending anything.
    static TlsVerifier for_looking();

    Mode mode() const { return mode_; }
    /// Installs itself into an OpenSSL SSL_CTX; what CURLOPT_SSL_CTX_FUNCTION calls.
    void install(void* ssl_ctx);
    /// Forgets the verdict of the call before; fingerprints stay.
    void begin_call();

    const std::string& expected() const { return pin_; }
    const std::string& sha256() const { return sha256_; }
    const std::string& sha1() const { return sha1_; }
    /// The same leaf as PEM, for programs that can only be told a trusted certificate file.
    const std::string& pem() const { return pem_; }
    bool is_refused_by_pin() const { return refused_by_pin_; }
    /// OpenSSL's words for a refusal by the authority check; empty otherwise.
    const std::string& authority_refusal() const { return authority_refusal_; }

  private:
    TlsVerifier() = default;
    /// `store_context` is OpenSSL's X509_STORE_CTX.
    bool verify(void* store_context);

    Mode mode_ = Mode::authority;
    std::string pin_;  ///< "AB:CD:..."
    std::string sha256_;
    std::string sha1_;
    std::string pem_;
    bool refused_by_pin_ = false;
    std::string authority_refusal_;
};

}  // namespace mk::http
