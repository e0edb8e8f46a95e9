#include <nlohmann/json.hpp>

#include "http/server.hpp"

namespace mk::http {
namespace {

std::string title_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid:
            return "The request is wrong";
        case ErrorCode::not_found:
            return "Not found";
        case ErrorCode::conflict:
            return "Not possible in the present state";
        case ErrorCode::unauthenticated:
            return "Not authenticated";
        case ErrorCode::forbidden:
            return "Not allowed";
        case ErrorCode::unavailable:
            return "Not available at the moment";
        case ErrorCode::timeout:
            return "No answer in time";
        case ErrorCode::cancelled:
            return "Stopped on request";
        case ErrorCode::exhausted:
            return "A limit is reached";
        case ErrorCode::corrupt:
            return "Data is damaged";
        case ErrorCode::external:
            return "Another system reported a failure";
        case ErrorCode::internal:
            break;
    }
    return "Internal failure";
}

}  // namespace

int http_status(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid:
            return 400;
        case ErrorCode::unauthenticated:
            return 401;
        case ErrorCode::forbidden:
            return 403;
        case ErrorCode::not_found:
            return 404;
        case ErrorCode::conflict:
        case ErrorCode::cancelled:
            return 409;
        case ErrorCode::external:
            return 502;
        case ErrorCode::unavailable:
            return 503;
        case ErrorCode::timeout:
            return 504;
        case ErrorCode::exhausted:
            return 507;
        case ErrorCode::corrupt:
        case ErrorCode::internal:
            break;
    }
    return 500;
}

ServerResponse json_response(const Json& body, int status) {
    return {.status = status, .content_type = "application/json", .body = json::dump(body)};
}

ServerResponse problem(const Error& error, const std::string& request_id) {
    const auto code = std::string(to_string(error.code()));
    const int status = http_status(error.code());
    Json document = {{"type", "urn:migratekit:error:" + code},
                     {"title", title_of(error.code())},
                     {"status", status},
                     {"detail", error.cause()},
                     {"code", code},
                     {"consequence", error.advice().consequence},
                     {"remedy", error.advice().remedy},
                     {"retry_safe", error.advice().retry_safe},
                     {"request_id", request_id}};
    if (!error.native().empty()) {
        document["native"] = error.native();
    }
    auto response = json_response(document, status);
    response.content_type = "application/problem+json";
    return response;
}

ServerResponse problem(const Error& error, const std::string& request_id, int status) {
    auto response = problem(error, request_id);
    auto document = json::parse(response.body);
    document["status"] = status;
    response.body = json::dump(document);
    response.status = status;
    return response;
}

Json ServerRequest::json() const {
    if (body.empty()) {
        throw Error(ErrorCode::invalid, "the request has no body, a JSON object is expected");
    }
    auto parsed = mk::json::parse(body);
    if (!parsed.is_object()) {
        throw Error(ErrorCode::invalid, "the body of the request is not a JSON object");
    }
    return parsed;
}

}  // namespace mk::http
