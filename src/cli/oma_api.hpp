#pragma once
// The OMA's API as the commands use it. One object per thread. An OMA that does not answer at all becomes an Error with
// the native word `unreachable_mark`, to tell it from an OMA that reports the absence of somebody else.

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "base/json.hpp"
#include "cli/config_file.hpp"
#include "http/api_client.hpp"

namespace mk::cli {

class OmaApi {
  public:
    OmaApi(const Settings& settings, std::stop_token stop);

    Json get(const std::string& path);
    Json post(const std::string& path, const Json& body);
    Json put(const std::string& path, const Json& body);
    Json patch(const std::string& path, const Json& body);
    Json remove(const std::string& path);
    /// For calls that make the OMA ask a vCenter or a CloudStack.
    void allow_long_calls();

  private:
    Json call(const std::function<Json()>& request) const;

    std::string mark_;
    http::ApiClient client_;
    std::stop_token stop_;
};

/// "/api/v1/vms/<encoded words>" + `rest`.
std::string vm_path(const std::string& words, const std::string& rest = "");

}  // namespace mk::cli
