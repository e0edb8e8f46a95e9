#include "source/vsphere/server_names.hpp"

#include <array>
#include <memory>
#include <vector>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/error.hpp"

namespace mk::vsphere {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using NameList = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;

Certificate parse(const std::string& pem) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                           &BIO_free);
    Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr), &X509_free);
    if (!certificate) {
        throw Error(ErrorCode::invalid, "the server's certificate cannot be read");
    }
    return certificate;
}

std::string text_of(const ASN1_STRING* string) {
    const auto* data = ASN1_STRING_get0_data(string);
    const auto length = static_cast<std::size_t>(ASN1_STRING_length(string));
    return {data, data + length};
}

NameList alternative_names(const X509* certificate) {
    return {static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
            &GENERAL_NAMES_free};
}

std::string common_name(const X509* certificate) {
    const auto* subject = X509_get_subject_name(certificate);
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    return index < 0 ? std::string{} : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
}

bool is_ip_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> buffer{};
    return inet_pton(AF_INET, host.c_str(), buffer.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), buffer.data()) == 1;
}

std::string printable_address(const ASN1_OCTET_STRING* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
    const bool is_sane = ASN1_STRING_length(address) == 4 || ASN1_STRING_length(address) == 16;
    return is_sane && inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) != nullptr
               ? text.data()
               : "";
}

}  // namespace

bool certificate_names(const std::string& pem, const std::string& host) {
    const auto certificate = parse(pem);
    if (is_ip_address(host)) {
        return X509_check_ip_asc(certificate.get(), host.c_str(), 0) == 1;
    }
    // The common name counts only for a certificate without alternative names; GnuTLS, which the plugin uses, sees it
    // so.
    const bool has_alternatives = alternative_names(certificate.get()) != nullptr;
    const unsigned flags = has_alternatives ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0U;
    return X509_check_host(certificate.get(), host.data(), host.size(), flags, nullptr) == 1;
}

std::optional<std::string> usable_name(const std::string& pem) {
    const auto certificate = parse(pem);
    const auto names = alternative_names(certificate.get());
    std::vector<std::string> candidates;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) {
            auto text = text_of(name->d.dNSName);
            candidates.push_back(text.starts_with("*.") ? "vcenter" + text.substr(1) : text);
        } else if (name->type == GEN_IPADD) {
            candidates.push_back(printable_address(name->d.iPAddress));
        }
    }
    if (!names) {
        candidates.push_back(common_name(certificate.get()));
    }
    for (const auto& candidate : candidates) {
        const bool is_url_safe =
            candidate.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") ==
            std::string::npos;
        if (!candidate.empty() && is_url_safe && certificate_names(pem, candidate)) {
            return candidate;
        }
    }
    return std::nullopt;
}

}  // namespace mk::vsphere
