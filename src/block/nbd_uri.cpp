// The NBD URI specification (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/uri.md) as far as it is used.

#include <charconv>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "block/nbd.hpp"

namespace mk::block {
namespace {

constexpr std::string_view unix_scheme = "nbd+unix://";
constexpr std::string_view tcp_scheme = "nbd://";
constexpr std::string_view socket_parameter = "socket=";
constexpr std::uint16_t default_port = 10809;

Error wrong(const std::string& uri) {
    return Error(ErrorCode::invalid, "'" + uri + "' is no NBD address",
                 {.remedy = "Write nbd+unix:///NAME?socket=PATH or nbd://HOST:PORT/NAME."});
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    while (!text.empty()) {
        if (text.front() != '%') {
            decoded += text.front();
            text.remove_prefix(1);
            continue;
        }
        unsigned char value = 0;
        if (text.size() < 3 || std::from_chars(text.data() + 1, text.data() + 3, value, 16).ptr != text.data() + 3) {
            return std::nullopt;
        }
        decoded += static_cast<char>(value);
        text.remove_prefix(3);
    }
    return decoded;
}

/// scheme://authority/name?query
struct Parts {
    std::string_view authority;
    std::string_view name;
    std::string_view query;
};

Parts split(std::string_view rest) {
    Parts parts;
    const auto question = rest.find('?');
    if (question != std::string_view::npos) {
        parts.query = rest.substr(question + 1);
        rest = rest.substr(0, question);
    }
    const auto slash = rest.find('/');
    parts.authority = rest.substr(0, slash);
    parts.name = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
    return parts;
}

struct HostAndPort {
    std::string host;
    std::uint16_t port = default_port;
};

std::optional<HostAndPort> host_and_port(std::string_view authority) {
    HostAndPort parsed;
    const auto bracket = authority.find(']');
    const bool is_bracketed = authority.starts_with('[') && bracket != std::string_view::npos;
    const auto colon = authority.find(':', is_bracketed ? bracket : 0);
    parsed.host = is_bracketed ? authority.substr(1, bracket - 1) : authority.substr(0, colon);
    if (colon != std::string_view::npos) {
        const auto digits = authority.substr(colon + 1);
        const auto* const end = digits.data() + digits.size();
        const auto parsing = std::from_chars(digits.data(), end, parsed.port);
        if (parsing.ptr != end || parsing.ec != std::errc{} || parsed.port == 0) {
            return std::nullopt;
        }
    }
    return parsed.host.empty() ? std::nullopt : std::optional(parsed);
}

}  // namespace

NbdEndpoint nbd_endpoint(const std::string& uri, std::chrono::milliseconds connect_limit) {
    const bool is_unix = uri.starts_with(unix_scheme);
    if (!is_unix && !uri.starts_with(tcp_scheme)) {
        throw wrong(uri);
    }
    const auto parts = split(std::string_view(uri).substr((is_unix ? unix_scheme : tcp_scheme).size()));
    const auto name = percent_decoded(parts.name);
    if (!name) {
        throw wrong(uri);
    }
    NbdEndpoint endpoint{*name, uri.substr(0, uri.find('?')), {}};
    if (is_unix) {
        const bool has_path = parts.authority.empty() && parts.query.starts_with(socket_parameter);
        const auto path = percent_decoded(has_path ? parts.query.substr(socket_parameter.size()) : "");
        if (!path || path->empty() || path->find('&') != std::string::npos) {
            throw wrong(uri);
        }
        endpoint.dial = [path = *path, connect_limit](const std::stop_token& stop) {
            return os::connect_unix(path, connect_limit, stop);
        };
        return endpoint;
    }
    const auto server = host_and_port(parts.authority);
    if (!server || !parts.query.empty()) {
        throw wrong(uri);
    }
    endpoint.dial = [server = *server, connect_limit](const std::stop_token& stop) {
        return os::connect_tcp(server.host, server.port, connect_limit, stop);
    };
    return endpoint;
}

}  // namespace mk::block
