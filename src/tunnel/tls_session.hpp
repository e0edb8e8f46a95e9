#pragma once
// OpenSSL's objects of one connection, set up the way tls_stream.hpp promises. Of this module only.

#include <memory>
#include <string>

#include <openssl/types.h>

#include "tunnel/tls_stream.hpp"

namespace mk::tunnel {

struct ContextDeleter {
    void operator()(SSL_CTX* context) const noexcept;
};
struct SessionDeleter {
    void operator()(SSL* session) const noexcept;
};

/// Lives at one address: OpenSSL calls back into it.
class TlsSession {
  public:
    /// Throws Error{internal} when OpenSSL refuses a setting, and Error{corrupt} for an identity that cannot be used.
    TlsSession(const TlsOptions& options, bool is_accepting);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    SSL* get() const { return session_.get(); }
    /// Of the certificate that the peer showed; empty before.
    const std::string& peer_fingerprint() const { return peer_fingerprint_; }
    /// Why the peer's certificate was not accepted; empty when it was, and before.
    const std::string& refusal() const { return refusal_; }
    /// Why it could not be judged at all (the pairings cannot be read); empty when it was, and before.
    const std::string& trouble() const { return trouble_; }
    std::string protocol() const;

  private:
    static int verify(X509_STORE_CTX* store, void* self) noexcept;
    static int choose_protocol(SSL* session, const unsigned char** chosen, unsigned char* chosen_size,
                               const unsigned char* offered, unsigned offered_size, void* self) noexcept;
    void judge(X509_STORE_CTX* store);
    void set_up_context(bool is_accepting);

    const TlsOptions& options_;
    std::string protocol_list_;  ///< as on the wire: each name after its length
    std::string peer_fingerprint_;
    std::string refusal_;
    std::string trouble_;
    std::unique_ptr<SSL_CTX, ContextDeleter> context_;
    std::unique_ptr<SSL, SessionDeleter> session_;
};

}  // namespace mk::tunnel
