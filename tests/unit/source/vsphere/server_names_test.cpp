#include "source/vsphere/server_names.hpp"

#include <memory>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

/// A self-signed certificate with these names.
std::string certificate(const std::string& common_name, const std::string& alternative_names) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(), &X509_free);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), key.get());
    auto* subject = X509_get_subject_name(x509.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x509.get(), subject);
    if (!alternative_names.empty()) {
        const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative_names.c_str()),
            &X509_EXTENSION_free);
        X509_add_ext(x509.get(), extension.get(), -1);
    }
    X509_sign(x509.get(), key.get(), EVP_sha256());
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
    PEM_write_bio_X509(memory.get(), x509.get());
    const char* data = nullptr;
    const auto size = BIO_get_mem_data(memory.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

TEST(ServerNames, AlternativeNamesDecide) {
    const auto pem = certificate("old.example", "DNS:vc.example,IP:192.0.2.7,IP:2001:db8::7");
    EXPECT_TRUE(certificate_names(pem, "vc.example"));
    EXPECT_TRUE(certificate_names(pem, "VC.example"));
    EXPECT_TRUE(certificate_names(pem, "192.0.2.7"));
    EXPECT_TRUE(certificate_names(pem, "2001:db8::7"));
    EXPECT_FALSE(certificate_names(pem, "old.example"));
    EXPECT_FALSE(certificate_names(pem, "192.0.2.8"));
    EXPECT_EQ(usable_name(pem), "vc.example");
}

TEST(ServerNames, TheCommonNameCountsAlone) {
    const auto pem = certificate("localhost.localdomain", "");
    EXPECT_TRUE(certificate_names(pem, "localhost.localdomain"));
    EXPECT_EQ(usable_name(pem), "localhost.localdomain");
}

TEST(ServerNames, WildcardsAreFilledIn) {
    EXPECT_EQ(usable_name(certificate("x", "DNS:*.lab.example")), "vcenter.lab.example");
    EXPECT_EQ(usable_name(certificate("x", "IP:192.0.2.7")), "192.0.2.7");
}

TEST(ServerNames, NoUsableNameIsNoName) {
    EXPECT_EQ(usable_name(certificate("VMware default certificate", "")), std::nullopt);
    EXPECT_EQ(usable_name(certificate("vc.example", "email:a@b.example")), std::nullopt);
    EXPECT_EQ(error_of([] { usable_name("no certificate"); }).code(), ErrorCode::invalid);
}

}  // namespace
}  // namespace mk::vsphere
