#include "os/listen_address.hpp"

#include <charconv>

#include "base/error.hpp"

namespace mk::os {

ListenAddress parse_listen_address(const std::string& text) {
    ListenAddress parsed;
    const auto colon = text.rfind(':');
    const auto port = colon == std::string::npos ? std::string{} : text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
    if (port.empty() || error != std::errc{} || end != port.data() + port.size() || colon == 0) {
        throw Error(ErrorCode::invalid, "'" + text + "' is not an address to listen on",
                    {.remedy = "Write it as host:port."});
    }
    parsed.host = text.substr(0, colon);
    if (parsed.host.front() == '[' && parsed.host.back() == ']') {
        parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    }
    return parsed;
}

}  // namespace mk::os
