#include "tunnel/tls_session.hpp"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/error.hpp"
#include "os/file.hpp"
#include "tunnel/certificate.hpp"
#include "tunnel/cipher_choice.hpp"
#include "tunnel/openssl_error.hpp"

namespace mk::tunnel {
namespace {

void check(bool is_done, const std::string& what) {
    if (!is_done) {
        throw Error(ErrorCode::internal, "TLS: cannot " + what + ": " + take_openssl_error());
    }
}

/// RFC 7301: each name after a byte with its length.
std::string wire_format(const std::vector<std::string>& protocols) {
    std::string list;
    for (const auto& protocol : protocols) {
        list += static_cast<char>(protocol.size());
        list += protocol;
    }
    return list;
}

const unsigned char* bytes_of(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());  // OpenSSL's idea of a byte
}

}  // namespace

void ContextDeleter::operator()(SSL_CTX* context) const noexcept {
    SSL_CTX_free(context);
}

void SessionDeleter::operator()(SSL* session) const noexcept {
    SSL_free(session);
}

TlsSession::TlsSession(const TlsOptions& options, bool is_accepting)
    : options_(options),
      protocol_list_(wire_format(options.protocols)),
      context_(SSL_CTX_new(is_accepting ? TLS_server_method() : TLS_client_method())) {
    check(context_ != nullptr, "make a context");
    set_up_context(is_accepting);
    session_.reset(SSL_new(context_.get()));
    check(session_ != nullptr, "make a session");
    if (is_accepting) {
        SSL_set_accept_state(session_.get());
    } else {
        SSL_set_connect_state(session_.get());
    }
}

void TlsSession::set_up_context(bool is_accepting) {
    SSL_CTX* const context = context_.get();
    const auto key = key_from_pem(os::read_file(options_.identity.key_file, MiB));
    const auto certificate = certificate_from_pem(os::read_file(options_.identity.certificate_file, MiB));
    check(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "require version 1.3");
    check(SSL_CTX_use_certificate(context, certificate.get()) == 1 && SSL_CTX_use_PrivateKey(context, key.get()) == 1,
          "use our certificate");
    check(SSL_CTX_set_ciphersuites(context, preferred_ciphers().c_str()) == 1, "choose ciphers");
    // The dialler does most of the sending, so its order counts where it asks for ChaCha20 for lack of instructions.
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    check(SSL_CTX_set_num_tickets(context, 0) == 1, "switch session tickets off");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(context, &TlsSession::verify, this);
    if (is_accepting) {
        SSL_CTX_set_alpn_select_cb(context, &TlsSession::choose_protocol, this);
        return;
    }
    check(SSL_CTX_set_alpn_protos(context, bytes_of(protocol_list_), static_cast<unsigned>(protocol_list_.size())) == 0,
          "name the protocol");
}

std::string TlsSession::protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(session_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

int TlsSession::choose_protocol(SSL* /*session*/, const unsigned char** chosen, unsigned char* chosen_size,
                                const unsigned char* offered, unsigned offered_size, void* self) noexcept {
    const auto& served = static_cast<TlsSession*>(self)->protocol_list_;
    unsigned char* found = nullptr;
    if (SSL_select_next_proto(&found, chosen_size, bytes_of(served), static_cast<unsigned>(served.size()), offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

int TlsSession::verify(X509_STORE_CTX* store, void* self) noexcept {
    auto& session = *static_cast<TlsSession*>(self);
    try {
        session.judge(store);
    } catch (const std::exception& error) {
        // Another alert than for a stranger: the peer may come back, and need not be paired again.
        session.trouble_ = as_error(error).cause();
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    if (!session.refusal_.empty()) {
        // One and the same alert whatever the reason was: a stranger learns nothing from it.
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    }
    return session.refusal_.empty() ? 1 : 0;
}

void TlsSession::judge(X509_STORE_CTX* store) {
    X509* const certificate = X509_STORE_CTX_get0_cert(store);
    refusal_ = problem_of(certificate, options_.now);
    if (!refusal_.empty()) {
        return;
    }
    peer_fingerprint_ = fingerprint_of(certificate);
    if (!options_.is_trusted(peer_fingerprint_)) {
        refusal_ = "its key is not paired (fingerprint " + fingerprint_for_people(peer_fingerprint_) + ")";
    }
}

}  // namespace mk::tunnel
