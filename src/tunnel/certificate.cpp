#include "tunnel/certificate.hpp"

#include <array>
#include <ctime>
#include <vector>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "tunnel/openssl_error.hpp"

namespace mk::tunnel {
namespace {

constexpr std::size_t longest_name = 64;  // ub-common-name of RFC 5280

struct BioDeleter {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
using Memory = std::unique_ptr<BIO, BioDeleter>;

Error failure(const std::string& what) {
    return Error(ErrorCode::internal, "cannot " + what + ": " + take_openssl_error());
}

void check(int result, const std::string& what) {
    if (result != 1) {
        throw failure(what);
    }
}

Memory memory_with(const std::string& text) {
    Memory memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    if (!memory) {
        throw failure("read a key");
    }
    return memory;
}

std::string text_in(const Memory& memory) {
    const char* data = nullptr;
    const auto size = BIO_get_mem_data(memory.get(), &data);
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string{};
}

/// Never asks at the terminal: our keys have no pass phrase.
int no_pass_phrase(char* /*buffer*/, int /*size*/, int /*is_writing*/, void* /*context*/) {
    return -1;
}

std::string spki_digest(unsigned char* encoded, int size) {
    const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(encoded,
                                                                         [](unsigned char* p) { OPENSSL_free(p); });
    if (size <= 0) {
        throw failure("encode a public key");
    }
    return sha256_hex(std::as_bytes(std::span(encoded, static_cast<std::size_t>(size))));
}

Instant instant_of(const ASN1_TIME* time) {
    std::tm parts{};
    check(ASN1_TIME_to_tm(time, &parts), "read a certificate's time");
    return Instant{std::chrono::seconds{timegm(&parts)}};
}

void set_random_serial(X509* certificate) {
    std::array<unsigned char, 16> random{};
    check(RAND_bytes(random.data(), static_cast<int>(random.size())), "make a random number");
    random[0] &= 0x7FU;  // a serial number is positive
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
        BN_bin2bn(random.data(), static_cast<int>(random.size()), nullptr), &BN_free);
    if (!number || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr) {
        throw failure("number a certificate");
    }
}

void set_name(X509* certificate, const std::string& name) {
    X509_NAME* const subject = X509_get_subject_name(certificate);
    std::vector<unsigned char> bytes(name.begin(), name.end());
    check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, bytes.data(), static_cast<int>(bytes.size()), -1, 0),
          "name a certificate");
    check(X509_set_issuer_name(certificate, subject), "name a certificate");
}

void set_time(ASN1_TIME* target, Instant instant) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count();
    if (ASN1_TIME_set(target, seconds) == nullptr) {
        throw failure("date a certificate");
    }
}

bool is_p256(const EVP_PKEY* key) {
    std::array<char, 64> group{};
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1 &&
           std::string(group.data()) == SN_X9_62_prime256v1;
}

}  // namespace

void KeyDeleter::operator()(EVP_PKEY* key) const noexcept {
    EVP_PKEY_free(key);
}

void CertificateDeleter::operator()(X509* certificate) const noexcept {
    X509_free(certificate);
}

Key make_key() {
    Key key(EVP_EC_gen("P-256"));
    if (!key) {
        throw failure("make a key");
    }
    return key;
}

Key key_from_pem(const std::string& text) {
    Key key(PEM_read_bio_PrivateKey(memory_with(text).get(), nullptr, &no_pass_phrase, nullptr));
    if (!key || !is_p256(key.get())) {
        throw Error(ErrorCode::corrupt, "the text is not a P-256 key: " + take_openssl_error());
    }
    return key;
}

std::string to_pem(const Key& key) {
    const Memory memory(BIO_new(BIO_s_mem()));
    if (!memory) {
        throw failure("write a key");
    }
    check(PEM_write_bio_PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), "write a key");
    return text_in(memory);
}

Certificate make_certificate(const Key& key, const std::string& name, const Validity& validity) {
    if (name.empty() || name.size() > longest_name) {
        throw Error(ErrorCode::invalid, "the name '" + name + "' cannot stand in a certificate",
                    {.remedy = "Choose a name of 1 to 64 bytes."});
    }
    Certificate certificate(X509_new());
    if (!certificate) {
        throw failure("make a certificate");
    }
    check(X509_set_version(certificate.get(), X509_VERSION_3), "make a certificate");
    set_random_serial(certificate.get());
    set_name(certificate.get(), name);
    set_time(X509_getm_notBefore(certificate.get()), validity.begin);
    set_time(X509_getm_notAfter(certificate.get()), validity.end);
    check(X509_set_pubkey(certificate.get(), key.get()), "put the key into a certificate");
    if (X509_sign(certificate.get(), key.get(), EVP_sha256()) <= 0) {
        throw failure("sign a certificate");
    }
    return certificate;
}

Certificate certificate_from_pem(const std::string& text) {
    Certificate certificate(PEM_read_bio_X509(memory_with(text).get(), nullptr, &no_pass_phrase, nullptr));
    if (!certificate) {
        throw Error(ErrorCode::corrupt, "the text is not a certificate: " + take_openssl_error());
    }
    return certificate;
}

std::string to_pem(const Certificate& certificate) {
    const Memory memory(BIO_new(BIO_s_mem()));
    if (!memory) {
        throw failure("write a certificate");
    }
    check(PEM_write_bio_X509(memory.get(), certificate.get()), "write a certificate");
    return text_in(memory);
}

std::string fingerprint_of(const EVP_PKEY* key) {
    unsigned char* encoded = nullptr;
    const int size = i2d_PUBKEY(key, &encoded);
    return spki_digest(encoded, size);
}

std::string fingerprint_of(const X509* certificate) {
    unsigned char* encoded = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
    return spki_digest(encoded, size);
}

std::string common_name_of(const X509* certificate) {
    std::array<char, longest_name + 1> text{};
    const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text.data(),
                                               static_cast<int>(text.size()));
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string{};
}

Validity validity_of(const X509* certificate) {
    return {.begin = instant_of(X509_get0_notBefore(certificate)), .end = instant_of(X509_get0_notAfter(certificate))};
}

std::string problem_of(X509* certificate, Instant now) {
    if (certificate == nullptr) {
        return "there is no certificate";
    }
    EVP_PKEY* const key = X509_get0_pubkey(certificate);
    if (key == nullptr || !is_p256(key)) {
        return "its key is not one of the tunnel's kind";
    }
    if (X509_verify(certificate, key) != 1) {
        take_openssl_error();
        return "it was not signed with its own key";
    }
    const auto validity = validity_of(certificate);
    if (now < validity.begin) {
        return "it is valid from " + to_iso8601(validity.begin) + " on only; is a clock wrong?";
    }
    return now >= validity.end ? "it expired at " + to_iso8601(validity.end) : "";
}

}  // namespace mk::tunnel
