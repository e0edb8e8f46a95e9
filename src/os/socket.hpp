#pragma once
// TCP as far as probes need it.

#include <chrono>
#include <cstdint>
#include <string>

namespace mk::os {

/// Connects to a numeric IPv4 or IPv6 address and returns the first bytes that the peer sends by itself (an SSH or SMTP
/// greeting). A connection alone proves nothing: forwarders accept it for machines that are not there. Throws
/// Error{unavailable} when it cannot be connected, closes without a word or stays silent for `limit`; Error{invalid}
/// for an address that is none.
std::string read_greeting(const std::string& address, std::uint16_t port, std::chrono::milliseconds limit);

}  // namespace mk::os
