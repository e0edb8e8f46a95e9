#pragma once
// The beginning of an NBD connection: fixed newstyle, NBD_OPT_GO. Whatever the server says is checked and bounded.
// Internal to block/.

#include <chrono>
#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "os/byte_stream.hpp"

namespace mk::block::nbd {

struct Export {
    Bytes capacity = 0;
    std::uint16_t flags = 0;
    Bytes min_request = 1;
    Bytes max_request = 0;    ///< of the server; 0: not announced
    std::string description;  ///< empty when it tells none

    bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};

/// Asks for the export within `limit`. `peer` is for messages. Throws Error: not_found (no such export), forbidden,
/// conflict (too old, wants TLS), unavailable (closed, shutting down), timeout, corrupt (not NBD, or against its
/// rules), external (refused otherwise).
Export negotiate(os::ByteStream& stream, const std::string& export_name, const std::string& peer,
                 std::chrono::milliseconds limit);

}  // namespace mk::block::nbd
