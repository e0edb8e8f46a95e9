#include "source/vsphere/address.hpp"

#include <algorithm>
#include <charconv>

#include "base/error.hpp"

namespace mk::vsphere {
namespace {

constexpr std::uint16_t https_port = 443;

Error invalid_address(const std::string& why) {
    return Error(ErrorCode::invalid, "the vCenter address is not usable: " + why,
                 {.remedy = "Give it as https://HOST/sdk or just HOST or HOST:PORT.", .retry_safe = true});
}

std::uint16_t parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (problem != std::errc{} || end != text.data() + text.size() || port == 0) {
        throw invalid_address("the port is not a number");
    }
    return port;
}

}  // namespace

std::string Address::authority() const {
    const auto name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == https_port ? name : name + ":" + std::to_string(port);
}

Address parse_address(const std::string& text) {
    std::string_view rest = text;
    if (rest.starts_with("http://")) {
        throw invalid_address("http is not encrypted");
    }
    if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
    }
    Address address;
    const auto slash = rest.find('/');
    if (slash != std::string_view::npos && slash + 1 < rest.size()) {
        address.path = std::string(rest.substr(slash));
    }
    auto authority = rest.substr(0, slash);
    if (authority.starts_with('[')) {
        const auto bracket = authority.find(']');
        if (bracket == std::string_view::npos) {
            throw invalid_address("a bracket is missing");
        }
        address.host = std::string(authority.substr(1, bracket - 1));
        authority.remove_prefix(bracket + 1);
    } else {
        address.host = std::string(authority.substr(0, authority.find(':')));
        authority.remove_prefix(address.host.size());
    }
    if (!authority.empty()) {
        address.port = parse_port(authority.substr(1));
    }
    const bool has_strange = std::any_of(address.host.begin(), address.host.end(), [](char c) {
        return c == '@' || c == '?' || c == '#' || c == '%' || static_cast<unsigned char>(c) <= 0x20U;
    });
    if (address.host.empty() || has_strange) {
        throw invalid_address("the host name is missing or contains characters that no host name has");
    }
    return address;
}

}  // namespace mk::vsphere
