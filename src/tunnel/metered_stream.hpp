#pragma once
// A stream whose bytes are counted, and whose writing may be limited.

#include <cstdint>
#include <memory>

#include "os/byte_stream.hpp"
#include "tunnel/token_bucket.hpp"
#include "tunnel/traffic.hpp"

namespace mk::tunnel {

/// `bucket` and `traffic` may be empty. Waiting for the bucket counts as write_wait(): whoever compresses above learns
/// that the wire is the limit. shut_down() ends that wait, too.
std::unique_ptr<os::ByteStream> metered(std::unique_ptr<os::ByteStream> lower, std::shared_ptr<TokenBucket> bucket,
                                        std::shared_ptr<Traffic> traffic);

}  // namespace mk::tunnel
