#pragma once
// libcurl's result codes as Error, worded for an administrator. Never contains the URL: path and query may hold
// secrets.

#include <string>

#include <curl/curl.h>

#include "base/error.hpp"
#include "http/tls_verifier.hpp"

namespace mk::http {

/// `peer` is host:port, `words` libcurl's error buffer (may be empty), `was_sent` whether the request can have arrived.
Error transport_error(CURLcode code, const std::string& peer, const std::string& words, bool was_sent,
                      const TlsVerifier& verifier);

}  // namespace mk::http
