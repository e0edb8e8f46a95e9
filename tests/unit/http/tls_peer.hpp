#pragma once
// A tiny HTTPS server with a self-signed certificate.

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "unit/http/raw_peer.hpp"

namespace mk::http::testing {

template <auto Free>
struct OpensslDeleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

/// A key with a certificate for 127.0.0.1 and localhost that it signed itself.
class SelfSigned {
  public:
    SelfSigned() : key_(EVP_EC_gen("P-256")), certificate_(X509_new()), context_(SSL_CTX_new(TLS_server_method())) {
        auto* certificate = certificate_.get();
        X509_set_version(certificate, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
        X509_set_pubkey(certificate, key_.get());
        auto* name = X509_get_subject_name(certificate);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1,
                                   -1, 0);
        X509_set_issuer_name(certificate, name);
        add_extension(NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
        add_extension(NID_basic_constraints, "critical,CA:TRUE");
        if (X509_sign(certificate, key_.get(), EVP_sha256()) == 0 ||
            SSL_CTX_use_certificate(context_.get(), certificate) != 1 ||
            SSL_CTX_use_PrivateKey(context_.get(), key_.get()) != 1) {
            throw std::runtime_error("cannot make a certificate");
        }
    }

    /// "AB:CD:..."
    std::string fingerprint(const EVP_MD* algorithm) const {
        std::vector<unsigned char> digest(EVP_MAX_MD_SIZE);
        unsigned size = 0;
        X509_digest(certificate_.get(), algorithm, digest.data(), &size);
        std::string text;
        for (unsigned i = 0; i < size; ++i) {
            constexpr std::string_view digits = "0123456789ABCDEF";
            text += i == 0 ? "" : ":";
            text += digits[digest[i] / 16];
            text += digits[digest[i] % 16];
        }
        return text;
    }
    std::string pem() const {
        const std::unique_ptr<BIO, OpensslDeleter<BIO_free>> memory(BIO_new(BIO_s_mem()));
        PEM_write_bio_X509(memory.get(), certificate_.get());
        char* data = nullptr;
        const auto size = BIO_get_mem_data(memory.get(), &data);
        return {data, static_cast<std::size_t>(size)};
    }
    SSL_CTX* server_context() const { return context_.get(); }

  private:
    void add_extension(int nid, const char* value) {
        const std::unique_ptr<X509_EXTENSION, OpensslDeleter<X509_EXTENSION_free>> extension(
            X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
        X509_add_ext(certificate_.get(), extension.get(), -1);
    }

    std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>> key_;
    std::unique_ptr<X509, OpensslDeleter<X509_free>> certificate_;
    std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>> context_;
};

/// Answers each request with 200 "hello" and remembers what it was sent.
class TlsPeer {
  public:
    explicit TlsPeer(const SelfSigned& identity)
        : peer_([this, &identity](RawConnection& raw) { serve(identity, raw); }) {
        std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL; our programs ignore it in main
    }
    std::string url() const { return peer_.url("https"); }
    /// Ends the peer and tells every byte that it deciphered.
    std::string received() {
        peer_.stop();
        return received_;
    }

  private:
    void serve(const SelfSigned& identity, RawConnection& raw) {
        const std::unique_ptr<SSL, OpensslDeleter<SSL_free>> tls(SSL_new(identity.server_context()));
        SSL_set_fd(tls.get(), raw.fd());
        if (SSL_accept(tls.get()) != 1) {
            return;
        }
        std::string request;
        char c = 0;
        while (SSL_read(tls.get(), &c, 1) == 1) {
            received_ += c;
            request += c;
            if (request.ends_with("\r\n\r\n")) {
                constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
                SSL_write(tls.get(), answer.data(), static_cast<int>(answer.size()));
                request.clear();
            }
        }
    }

    std::string received_;
    ScriptedPeer peer_;
};

}  // namespace mk::http::testing
