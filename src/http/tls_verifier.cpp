#include "http/tls_verifier.hpp"

#include <array>
#include <cctype>
#include <memory>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/error.hpp"

namespace mk::http {
namespace {

constexpr std::size_t sha256_hex_digits = 64;

std::string with_colons(std::string_view hex) {
    std::string text;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        if (i > 0 && i % 2 == 0) {
            text += ':';
        }
        text += static_cast<char>(std::toupper(static_cast<unsigned char>(hex[i])));
    }
    return text;
}

std::string normalised_pin(std::string_view given) {
    std::string digits;
    for (const char c : given) {
        if (std::isxdigit(static_cast<unsigned char>(c)) != 0) {
            digits += c;
        } else if (c != ':' && c != ' ') {
            throw Error(ErrorCode::invalid, "the certificate fingerprint contains something that is not a hex digit");
        }
    }
    if (digits.size() != sha256_hex_digits) {
        throw Error(ErrorCode::invalid, "the certificate fingerprint is not a SHA-256 (32 hex pairs)",
                    {.remedy = "Give the SHA-256 fingerprint of the certificate; a SHA-1 fingerprint is not enough."});
    }
    return with_colons(digits);
}

std::string fingerprint(const X509* certificate, const EVP_MD* algorithm) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (certificate == nullptr || X509_digest(certificate, algorithm, digest.data(), &length) != 1) {
        return {};
    }
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string hex;
    for (unsigned i = 0; i < length; ++i) {
        hex += digits[digest.at(i) >> 4U];
        hex += digits[digest.at(i) & 0x0FU];
    }
    return with_colons(hex);
}

std::string pem_text(X509* certificate) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
    if (certificate == nullptr || !memory || PEM_write_bio_X509(memory.get(), certificate) != 1) {
        return {};
    }
    const char* data = nullptr;
    const auto size = BIO_get_mem_data(memory.get(), &data);
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string{};
}

}  // namespace

TlsVerifier::TlsVerifier(const TlsTrust& trust) {
    if (!trust.sha256_pin.empty()) {
        mode_ = Mode::pin;
        pin_ = normalised_pin(trust.sha256_pin);
    }
}

TlsVerifier TlsVerifier::for_looking() {
    TlsVerifier verifier;
    verifier.mode_ = Mode::any;
    return verifier;
}

void TlsVerifier::install(void* ssl_ctx) {
    const auto callback = [](X509_STORE_CTX* context, void* self) noexcept {
        return static_cast<TlsVerifier*>(self)->verify(context) ? 1 : 0;
    };
    SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(ssl_ctx), callback, this);
}

void TlsVerifier::begin_call() {
    refused_by_pin_ = false;
    authority_refusal_.clear();
}

bool TlsVerifier::verify(void* store_context) {
    auto* context = static_cast<X509_STORE_CTX*>(store_context);
    X509* leaf = X509_STORE_CTX_get0_cert(context);
    sha256_ = fingerprint(leaf, EVP_sha256());
    sha1_ = fingerprint(leaf, EVP_sha1());
    pem_ = pem_text(leaf);
    if (mode_ == Mode::any) {
        return true;
    }
    if (mode_ == Mode::pin) {
        refused_by_pin_ = sha256_.empty() || sha256_ != pin_;
        if (refused_by_pin_) {
            X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
        }
        return !refused_by_pin_;
    }
    if (X509_verify_cert(context) == 1) {
        return true;
    }
    authority_refusal_ = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
    return false;
}

}  // namespace mk::http
