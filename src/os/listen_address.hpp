#pragma once
// "host:port" of a listener, as configuration files say it.

#include <cstdint>
#include <string>

namespace mk::os {

struct ListenAddress {
    std::string host;
    std::uint16_t port = 0;  ///< 0: any free one
};

/// "127.0.0.1:8082", "[::1]:8082". Throws Error{invalid}.
ListenAddress parse_listen_address(const std::string& text);

}  // namespace mk::os
