#pragma once
// The address of a vCenter or ESXi host, completed and taken apart. Pure.

#include <cstdint>
#include <string>

namespace mk::vsphere {

struct Address {
    std::string host;  ///< name or IP address, IPv6 without brackets
    std::uint16_t port = 443;
    std::string path = "/sdk";

    std::string authority() const;  ///< "host", "host:port", "[::1]:port"
    std::string url() const { return "https://" + authority() + path; }
    std::string base_url() const { return "https://" + authority(); }
};

/// "vcenter", "vcenter:8443", "https://vcenter/sdk". Throws Error{invalid}; http is refused: a password would travel in
/// clear.
Address parse_address(const std::string& text);

}  // namespace mk::vsphere
