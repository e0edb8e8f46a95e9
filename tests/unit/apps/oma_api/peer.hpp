#pragma once
// A service of ours as its clients meet it: a real server whose answers a test writes down, and what it was asked.

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/json_fields.hpp"
#include "http/server.hpp"

namespace mk::test {

class Peer {
  public:
    struct Asked {
        std::string route;  ///< "POST /api/v1/volumes"
        std::string query;  ///< "name=value" of the first parameter
        Json body;
        std::string token;
    };

    /// Answers to one route come in the order in which they were added; the last one stays.
    Peer& on(const std::string& route, const Json& body, int status = 200) {
        return add(route, http::json_response(body, status));
    }
    Peer& fail(const std::string& route, const Error& error) { return add(route, http::problem(error, "request-1")); }

    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
    /// Nobody is at url() from now on.
    void leave() { server_.stop(); }
    std::vector<Asked> asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }
    std::size_t count(const std::string& route) const {
        const std::lock_guard lock(mutex_);
        std::size_t found = 0;
        for (const auto& one : asked_) {
            found += one.route == route ? 1U : 0U;
        }
        return found;
    }

  private:
    Peer& add(const std::string& route, http::ServerResponse response) {
        const std::lock_guard lock(mutex_);
        script_[route].push_back(std::move(response));
        return *this;
    }
    http::ServerResponse answer(const http::ServerRequest& request) {
        const std::lock_guard lock(mutex_);
        const auto route = request.method + " " + request.path;
        const auto query =
            request.query.empty() ? std::string() : request.query.begin()->first + "=" + request.query.begin()->second;
        const auto header = request.headers.find("authorization");
        asked_.push_back({route, query, request.body.empty() ? Json() : request.json(),
                          header == request.headers.end() ? "" : header->second});
        auto& script = script_[route];
        if (script.empty()) {
            return http::problem(Error(ErrorCode::not_found, "nothing was written down for " + route), "request-1");
        }
        auto response = script.front();
        if (script.size() > 1) {
            script.pop_front();
        }
        return response;
    }

    mutable std::mutex mutex_;
    std::map<std::string, std::deque<http::ServerResponse>> script_;
    std::vector<Asked> asked_;
    http::Server server_{{.workers = 2}, [this](const http::ServerRequest& request) { return answer(request); }};
};

}  // namespace mk::test
