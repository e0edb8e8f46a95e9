#include <algorithm>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "http/header_text.hpp"
#include "http/server.hpp"
#include "http/url.hpp"

namespace mk::http {
namespace {

struct Route {
    Handler handler;
    std::vector<std::string> names;  ///< of the path parameters, in order
    bool open = false;
};

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    if (path.starts_with('/')) {
        path.remove_prefix(1);
    }
    for (;;) {
        const auto slash = path.find('/');
        segments.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) {
            return segments;
        }
        path.remove_prefix(slash + 1);
    }
}

bool is_parameter(std::string_view segment) {
    return segment.size() > 2 && segment.starts_with('{') && segment.ends_with('}');
}

std::vector<std::string> decoded_segments(const ServerRequest& request) {
    std::vector<std::string> segments;
    const bool is_raw = !request.raw_path.empty();
    for (const auto segment : split(is_raw ? request.raw_path : request.path)) {
        // The server has refused what cannot be decoded; a hand-made request is taken as it is.
        segments.push_back(is_raw ? percent_decode(segment).value_or(std::string(segment)) : std::string(segment));
    }
    return segments;
}

/// Empty when there is none. Throws Error{unauthenticated} when it is of another scheme.
std::string_view bearer_token(const ServerRequest& request) {
    const auto header = request.headers.find("authorization");
    if (header == request.headers.end()) {
        return {};
    }
    const std::string_view value = trimmed(header->second);
    const auto blank = value.find(' ');
    if (blank == std::string_view::npos || lower_case(value.substr(0, blank)) != "bearer") {
        throw Error(ErrorCode::unauthenticated, "the Authorization header is not a bearer token");
    }
    return trimmed(value.substr(blank));
}

ServerResponse problem_of(const ServerRequest& request, const Error& error) {
    if (http_status(error.code()) >= 500) {
        log::warn("{} {} failed: {} request={}", request.method, request.path, error.full_text(), request.request_id);
    }
    auto response = problem(error, request.request_id);
    if (response.status == 401) {
        response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"migratekit\"");
    }
    return response;
}

ServerResponse run(const Handler& handler, const ServerRequest& request) {
    try {
        return handler(request);
    } catch (const Error& error) {
        return problem_of(request, error);
    } catch (const std::exception& caught) {
        // The text of a foreign exception can show anything: it belongs in our log, not in the answer.
        log::error("{} {} ended in an unexpected exception: {} request={}", request.method, request.path, caught.what(),
                   request.request_id);
    } catch (...) {
        log::error("{} {} ended in an exception of unknown type request={}", request.method, request.path,
                   request.request_id);
    }
    return problem(Error(ErrorCode::internal, "the request failed unexpectedly",
                         {.remedy = "Look into the service's log for request " + request.request_id + "."}),
                   request.request_id);
}

}  // namespace

struct Router::Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> fixed;
    std::unique_ptr<Node> parameter;
    std::map<std::string, Route> routes;  ///< by method

    /// Fixed segments win over parameters; a dead end is left again. Appends the parameters' values.
    const Node* find(const std::vector<std::string>& segments, std::size_t depth,
                     std::vector<std::string>& values) const {
        if (depth == segments.size()) {
            return routes.empty() ? nullptr : this;
        }
        const auto& segment = segments[depth];
        if (const auto child = fixed.find(segment); child != fixed.end()) {
            if (const auto* found = child->second->find(segments, depth + 1, values)) {
                return found;
            }
        }
        if (!parameter || segment.empty()) {
            return nullptr;
        }
        values.push_back(segment);
        if (const auto* found = parameter->find(segments, depth + 1, values)) {
            return found;
        }
        values.pop_back();
        return nullptr;
    }

    const Route* route(const std::string& method) const {
        auto found = routes.find(method);
        if (found == routes.end() && method == "HEAD") {
            found = routes.find("GET");
        }
        return found == routes.end() ? nullptr : &found->second;
    }

    std::string allowed() const {
        std::string methods;
        for (const auto& [method, route] : routes) {
            methods += (methods.empty() ? "" : ", ") + method;
        }
        return methods;
    }
};

Router::Router(Authenticator authenticate) : root_(std::make_unique<Node>()), authenticate_(std::move(authenticate)) {
    if (!authenticate_) {
        throw Error(ErrorCode::internal, "a router without authentication is not allowed");
    }
}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;

void Router::add(const std::string& method, const std::string& pattern, Handler handler, bool open) {
    Route route{.handler = std::move(handler), .names = {}, .open = open};
    auto* node = root_.get();
    for (const auto segment : split(pattern)) {
        std::unique_ptr<Node>* next = nullptr;
        if (is_parameter(segment)) {
            route.names.emplace_back(segment.substr(1, segment.size() - 2));
            next = &node->parameter;
        } else {
            next = &node->fixed[std::string(segment)];
        }
        if (!*next) {
            *next = std::make_unique<Node>();
        }
        node = next->get();
    }
    if (!node->routes.emplace(method, std::move(route)).second) {
        throw Error(ErrorCode::internal, "the route " + method + " " + pattern + " exists already");
    }
    routes_.push_back(method + " " + pattern);
}

ServerResponse Router::handle(ServerRequest request) const {
    if (request.request_id.empty()) {
        request.request_id = new_uuid();
    }
    std::vector<std::string> values;
    const Node* node = root_->find(decoded_segments(request), 0, values);
    const Route* route = node == nullptr ? nullptr : node->route(request.method);
    return run(
        [&](const ServerRequest&) -> ServerResponse {
            if (route == nullptr || !route->open) {
                const auto token = bearer_token(request);
                if (token.empty()) {
                    throw Error(ErrorCode::unauthenticated, "the request carries no token", {.retry_safe = true});
                }
                request.principal = authenticate_(token);
            }
            if (node == nullptr) {
                throw Error(ErrorCode::not_found, "there is nothing at " + request.path);
            }
            if (route == nullptr) {
                auto refused =
                    problem(Error(ErrorCode::invalid, request.method + " is not possible on " + request.path),
                            request.request_id, 405);
                refused.headers.emplace_back("Allow", node->allowed());
                return refused;
            }
            for (std::size_t i = 0; i < values.size(); ++i) {
                request.params[route->names.at(i)] = values[i];
            }
            return route->handler(request);
        },
        request);
}

std::vector<std::string> Router::routes() const {
    auto sorted = routes_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
}

}  // namespace mk::http
