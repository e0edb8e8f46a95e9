#pragma once
// The signature of CloudStack's API (cloudstack.md section 2.2; source: ApiServer.java verifyRequest). Pure functions.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace mk::cloudstack {

/// Names and values of one request, decoded.
using Parameters = std::vector<std::pair<std::string, std::string>>;

/// Java's URLEncoder with '+' replaced by "%20": only A-Z a-z 0-9 . - _ * stay as they are.
std::string java_url_encode(std::string_view text);
/// What is signed: sorted by name as sent, joined, in lower case.
std::string text_to_sign(Parameters parameters);
/// base64(HMAC-SHA1(secret key, text_to_sign)).
std::string signature_of(const Parameters& parameters, const Secret& secret_key);
/// "2026-01-31T12:00:00Z", the form of `expires`.
std::string expires_text(Instant instant);
/// name=value&name=value with both sides percent-encoded: query string or form body.
std::string encode_form(const Parameters& parameters);

}  // namespace mk::cloudstack
