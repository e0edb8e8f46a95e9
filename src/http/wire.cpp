#include "http/wire.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/core.h>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "http/header_text.hpp"

namespace mk::http {
namespace {

constexpr std::size_t longest_request_id = 128;

std::string_view reason_of(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 507:
            return "Insufficient Storage";
        default:
            return "";  // RFC 9112: may be empty, clients ignore it
    }
}

/// RFC 9110 date; own names because strftime's follow the locale.
std::string http_date() {
    constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days.at(static_cast<std::size_t>(utc.tm_wday)),
                       utc.tm_mday, months.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour,
                       utc.tm_min, utc.tm_sec);
}

bool has_header(const ServerResponse& response, std::string_view lower_case_name) {
    return std::any_of(response.headers.begin(), response.headers.end(),
                       [&](const auto& header) { return lower_case(header.first) == lower_case_name; });
}

}  // namespace

std::string to_wire(const ServerResponse& response, const std::string& request_id, const AnswerFraming& framing) {
    const bool has_body = response.status != 204 && response.status != 304 && response.status >= 200;
    std::string wire =
        fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nConnection: {}\r\nX-Request-Id: {}\r\n", response.status,
                    reason_of(response.status), http_date(), framing.keep_alive ? "keep-alive" : "close", request_id);
    if (has_body) {
        wire += fmt::format("Content-Length: {}\r\n", response.body.size());
    }
    if (has_body && !response.content_type.empty() && !has_line_break(response.content_type)) {
        wire += "Content-Type: " + response.content_type + "\r\nX-Content-Type-Options: nosniff\r\n";
    }
    if (!has_header(response, "cache-control")) {
        wire += "Cache-Control: no-store\r\n";
    }
    for (const auto& [name, value] : response.headers) {
        if (has_line_break(name) || has_line_break(value)) {
            log::error("an answer's header was left out because it contains a line break request={}", request_id);
            continue;
        }
        wire += name + ": " + value + "\r\n";
    }
    wire += "\r\n";
    if (has_body && !framing.is_head) {
        wire += response.body;
    }
    return wire;
}

std::string request_id_from(const std::string& offered) {
    const bool is_harmless = !offered.empty() && offered.size() <= longest_request_id &&
                             std::all_of(offered.begin(), offered.end(), [](char c) {
                                 return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                        c == '-' || c == '_' || c == '.';
                             });
    return is_harmless ? offered : new_uuid();
}

}  // namespace mk::http
