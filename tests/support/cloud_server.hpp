#pragma once
// A ScriptedCloud behind a real address, for code that makes its CloudStack client itself (key "key", secret "secret").

#include <mutex>
#include <string>

#include "http/server.hpp"
#include "support/scripted_cloud.hpp"

namespace mk::test {

class CloudServer {
  public:
    ScriptedCloud script;

    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/client/api"; }

  private:
    http::ServerResponse answer(const http::ServerRequest& request) {
        http::Request received{.method = request.method, .url = "http://cloud/client/api", .headers = {}, .body = {}};
        if (request.method == "POST") {
            received.body = request.body;
        } else {
            received.url += "?" + cloudstack::encode_form({request.query.begin(), request.query.end()});
        }
        const std::lock_guard lock(script_mutex_);
        const auto response = script.receive(received);
        return {.status = response.status, .body = response.body};
    }

    std::mutex script_mutex_;
    http::Server server_{{.workers = 2}, [this](const http::ServerRequest& request) { return answer(request); }};
};

}  // namespace mk::test
