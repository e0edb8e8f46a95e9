#pragma once
// JSON over HTTP to one of our own services: bearer token, problem documents turned back into Error with their advice.
// One object per thread.

#include <chrono>
#include <stop_token>
#include <string>

#include "base/json.hpp"
#include "base/secret.hpp"
#include "http/client.hpp"

namespace mk::http {

class ApiClient {
  public:
    /// `name` is how errors call the peer ("Volume Daemon"); `base_url` without trailing slash, or
    /// "unix:/path/of/a.sock" for a service that listens at a socket of this machine.
    ApiClient(std::string name, std::string base_url, Secret token, TlsTrust trust = {});

    /// Throws the Error that the peer reported, or Error{unavailable} naming peer and address when it cannot be
    /// reached.
    Json get(const std::string& path, const std::stop_token& stop = {});
    Json post(const std::string& path, const Json& body, const std::stop_token& stop = {});
    Json put(const std::string& path, const Json& body, const std::stop_token& stop = {});
    Json patch(const std::string& path, const Json& body, const std::stop_token& stop = {});
    Json remove(const std::string& path, const std::stop_token& stop = {});
    void set_limit(std::chrono::milliseconds limit) { limit_ = limit; }

  private:
    Json call(const std::string& method, const std::string& path, const Json* body, const std::stop_token& stop);

    std::string name_;
    std::string base_url_;
    Secret token_;
    Client client_;
    std::chrono::milliseconds limit_{60'000};
};

}  // namespace mk::http
