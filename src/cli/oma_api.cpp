#include "cli/oma_api.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cli/exit_code.hpp"

namespace mk::cli {

namespace {

constexpr const char* peer_name = "the OMA";
// The OMA itself gives a vCenter with many machines two minutes.
constexpr std::chrono::minutes long_call{5};

bool is_of_transport(ErrorCode code) {
    return code == ErrorCode::unavailable || code == ErrorCode::timeout || code == ErrorCode::external;
}

}  // namespace

OmaApi::OmaApi(const Settings& settings, std::stop_token stop)
    : mark_(std::string(peer_name) + " at " + settings.url + ": "),
      client_(peer_name, settings.url, settings.token,
              {.sha256_pin = settings.certificate_sha256, .ca_file = settings.ca_file}),
      stop_(std::move(stop)) {}

Json OmaApi::get(const std::string& path) {
    return call([&] { return client_.get(path, stop_); });
}

Json OmaApi::post(const std::string& path, const Json& body) {
    return call([&] { return client_.post(path, body, stop_); });
}

Json OmaApi::put(const std::string& path, const Json& body) {
    return call([&] { return client_.put(path, body, stop_); });
}

Json OmaApi::patch(const std::string& path, const Json& body) {
    return call([&] { return client_.patch(path, body, stop_); });
}

Json OmaApi::remove(const std::string& path) {
    return call([&] { return client_.remove(path, stop_); });
}

void OmaApi::allow_long_calls() {
    client_.set_limit(long_call);
}

Json OmaApi::call(const std::function<Json()>& request) const {
    try {
        return request();
    } catch (const Error& error) {
        // ApiClient puts name and address before what the transport reported, and before nothing else.
        if (error.cause().starts_with(mark_) && is_of_transport(error.code())) {
            throw error.with_native(std::string(unreachable_mark));
        }
        throw;
    }
}

std::string vm_path(const std::string& words, const std::string& rest) {
    return "/api/v1/vms/" + http::url_encode(words) + rest;
}

}  // namespace mk::cli
