#include "http/transport_error.hpp"

namespace mk::http {
namespace {

ErrorCode code_of(CURLcode code) {
    switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
            return ErrorCode::timeout;
        case CURLE_ABORTED_BY_CALLBACK:
            return ErrorCode::cancelled;
        case CURLE_PEER_FAILED_VERIFICATION:
            return ErrorCode::unauthenticated;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_SSL_CACERT_BADFILE:
            return ErrorCode::invalid;
        case CURLE_OUT_OF_MEMORY:
            return ErrorCode::exhausted;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_CONNECT:
        case CURLE_PROXY:
        case CURLE_GOT_NOTHING:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_SEND_FAIL_REWIND:
        case CURLE_PARTIAL_FILE:
        case CURLE_SSL_CONNECT_ERROR:
            return ErrorCode::unavailable;
        default:
            return ErrorCode::external;
    }
}

Error certificate_error(const std::string& peer, const std::string& words, const TlsVerifier& verifier) {
    constexpr auto consequence = "Nothing was sent.";
    if (verifier.is_refused_by_pin()) {
        return Error(
            ErrorCode::unauthenticated,
            "the certificate of " + peer + " is " + verifier.sha256() + ", expected " + verifier.expected(),
            {.consequence = consequence,
             .remedy = "Compare the fingerprint with the one that the peer itself shows. Confirm the new one if the "
                       "certificate was renewed; otherwise somebody may be intercepting the connection.",
             .retry_safe = true});
    }
    const auto& refusal = verifier.authority_refusal();
    return Error(ErrorCode::unauthenticated,
                 "the certificate of " + peer + " cannot be verified: " + (refusal.empty() ? words : refusal),
                 {.consequence = consequence,
                  .remedy = "Give the authority's certificate file, or confirm the certificate's SHA-256 fingerprint.",
                  .retry_safe = true});
}

Advice advice_for(ErrorCode code, bool was_sent) {
    if (!was_sent) {
        return {.consequence = "The request was not sent.", .remedy = {}, .retry_safe = true};
    }
    if (code == ErrorCode::timeout || code == ErrorCode::unavailable || code == ErrorCode::cancelled) {
        return {
            .consequence = "Whether the peer carried out the request is unknown.", .remedy = {}, .retry_safe = false};
    }
    return {};
}

std::string cause_of(CURLcode code, const std::string& peer, const std::string& words) {
    switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
            return "no answer from " + peer + " within the time limit: " + words;
        case CURLE_ABORTED_BY_CALLBACK:
            return "the call to " + peer + " was stopped";
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_FAIL_REWIND:
            return peer + " closed the connection without an answer";
        case CURLE_URL_MALFORMAT:
            return "the address is not a URL";
        case CURLE_UNSUPPORTED_PROTOCOL:
            return "the address of " + peer + " is neither http nor https";
        default:
            return "the call to " + peer + " failed: " + words;
    }
}

}  // namespace

Error transport_error(CURLcode code, const std::string& peer, const std::string& words, bool was_sent,
                      const TlsVerifier& verifier) {
    const auto text = words.empty() ? std::string(curl_easy_strerror(code)) : words;
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        return certificate_error(peer, text, verifier).with_native("curl " + std::to_string(code));
    }
    if (code == CURLE_UNSUPPORTED_PROTOCOL && was_sent) {
        code = CURLE_WEIRD_SERVER_REPLY;  // libcurl's view of an answer that does not begin like HTTP/1
    }
    const auto kind = code_of(code);
    return Error(kind, cause_of(code, peer, text), advice_for(kind, was_sent))
        .with_native("curl " + std::to_string(code));
}

}  // namespace mk::http
