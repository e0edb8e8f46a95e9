#include "target/cloudstack/signer.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "http/client.hpp"

namespace mk::cloudstack {
namespace {

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Of ASCII alone: the server lower-cases after percent-encoding, so nothing else is left.
std::string lower(std::string text) {
    for (auto& c : text) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return text;
}

}  // namespace

std::string java_url_encode(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        if (is_alphanumeric(c) || c == '.' || c == '-' || c == '_' || c == '*') {
            encoded += c;
        } else {
            encoded += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        }
    }
    return encoded;
}

std::string text_to_sign(Parameters parameters) {
    std::sort(parameters.begin(), parameters.end());
    std::string text;
    for (const auto& [name, value] : parameters) {
        text += (text.empty() ? "" : "&") + name + "=" + java_url_encode(value);
    }
    return lower(std::move(text));
}

std::string signature_of(const Parameters& parameters, const Secret& secret_key) {
    const std::string text = text_to_sign(parameters);
    const std::string& key = secret_key.reveal();
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned length = 0;
    if (HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
             text.size(), mac.data(), &length) == nullptr) {
        throw Error(ErrorCode::internal, "the request to CloudStack cannot be signed: HMAC-SHA1 is not available");
    }
    return base64_encode({reinterpret_cast<const char*>(mac.data()), length});
}

std::string expires_text(Instant instant) {
    return to_iso8601(instant).substr(0, 19) + "Z";
}

std::string encode_form(const Parameters& parameters) {
    std::string form;
    for (const auto& [name, value] : parameters) {
        form += (form.empty() ? "" : "&") + http::url_encode(name) + "=" + http::url_encode(value);
    }
    return form;
}

}  // namespace mk::cloudstack
