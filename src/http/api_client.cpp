#include "http/api_client.hpp"

#include <fmt/core.h>

#include "base/error.hpp"
#include "base/json_fields.hpp"

namespace mk::http {
namespace {

ErrorCode code_of_status(int status) {
    switch (status) {
        case 400:
            return ErrorCode::invalid;
        case 401:
            return ErrorCode::unauthenticated;
        case 403:
            return ErrorCode::forbidden;
        case 404:
            return ErrorCode::not_found;
        case 409:
            return ErrorCode::conflict;
        case 408:
        case 504:
            return ErrorCode::timeout;
        case 429:
            return ErrorCode::exhausted;
        case 502:
        case 503:
            return ErrorCode::unavailable;
        default:
            return ErrorCode::external;
    }
}

/// The peer may be newer than we are and know codes that we do not.
ErrorCode code_of_problem(const Json& document, int status) {
    const auto word = json::value_or<std::string>(document, "code", "");
    try {
        return error_code_from(word);
    } catch (const Error&) {
        return code_of_status(status);
    }
}

/// The path in "unix:/path"; empty for addresses of other kinds.
std::string socket_of(const std::string& base_url) {
    constexpr std::string_view scheme = "unix:";
    return base_url.starts_with(scheme) ? base_url.substr(scheme.size()) : std::string();
}

Error peer_error(const std::string& name, const Response& response) {
    const Error plain(code_of_status(response.status),
                      fmt::format("{} answered with HTTP status {}", name, response.status));
    try {
        const auto document = json::parse(response.body);
        const auto detail = json::value_or<std::string>(document, "detail", "");
        if (detail.empty()) {
            return plain;
        }
        Advice advice{.consequence = json::value_or<std::string>(document, "consequence", ""),
                      .remedy = json::value_or<std::string>(document, "remedy", ""),
                      .retry_safe = json::value_or(document, "retry_safe", false)};
        return Error(code_of_problem(document, response.status), detail, std::move(advice))
            .with_native(json::value_or<std::string>(document, "native", ""));
    } catch (const Error&) {
        return plain;  // not a problem document of ours, for example a proxy's page: the status says all we know
    }
}

}  // namespace

ApiClient::ApiClient(std::string name, std::string base_url, Secret token, TlsTrust trust)
    : name_(std::move(name)), base_url_(std::move(base_url)), token_(std::move(token)), client_(std::move(trust)) {}

Json ApiClient::get(const std::string& path, const std::stop_token& stop) {
    return call("GET", path, nullptr, stop);
}

Json ApiClient::post(const std::string& path, const Json& body, const std::stop_token& stop) {
    return call("POST", path, &body, stop);
}

Json ApiClient::put(const std::string& path, const Json& body, const std::stop_token& stop) {
    return call("PUT", path, &body, stop);
}

Json ApiClient::patch(const std::string& path, const Json& body, const std::stop_token& stop) {
    return call("PATCH", path, &body, stop);
}

Json ApiClient::remove(const std::string& path, const std::stop_token& stop) {
    return call("DELETE", path, nullptr, stop);
}

Json ApiClient::call(const std::string& method, const std::string& path, const Json* body,
                     const std::stop_token& stop) {
    const auto socket = socket_of(base_url_);
    Request request{.method = method,
                    .url = (socket.empty() ? base_url_ : "http://localhost") + path,
                    .unix_socket = socket,
                    .headers = {{"Accept", "application/json"}},
                    .body = body == nullptr ? std::string() : json::dump(*body),
                    .limit = limit_};
    if (!token_.empty()) {
        request.headers.emplace_back("Authorization", "Bearer " + token_.reveal());
    }
    if (body != nullptr) {
        request.headers.emplace_back("Content-Type", "application/json");
    }
    Response response;
    try {
        response = client_.send(request, stop);
    } catch (const Error& error) {
        const auto named = error.within(fmt::format("{} at {}", name_, base_url_));
        throw error.retryable()
            ? named.advised({.remedy = fmt::format("Check that {} is running and reachable.", name_)})
            : named;
    }
    if (response.status < 200 || response.status > 299) {
        throw peer_error(name_, response);
    }
    if (response.body.empty()) {
        return nullptr;
    }
    try {
        return json::parse(response.body);
    } catch (const Error& error) {
        throw Error(ErrorCode::external,
                    fmt::format("{} answered with something that is not JSON: {}", name_, error.cause()));
    }
}

}  // namespace mk::http
