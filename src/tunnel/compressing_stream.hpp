#pragma once
// A stream that is compressed with zstd where that makes it faster (frames.hpp, compression_policy.hpp).

#include <memory>

#include "os/byte_stream.hpp"

namespace mk::tunnel {

/// Both ends must use it. What is written in one call travels in frames of up to 1 MiB; small writes are never
/// compressed. Whether the wire is the limit is taken from the write_wait() of `lower`.
std::unique_ptr<os::ByteStream> compressing(std::unique_ptr<os::ByteStream> lower);

}  // namespace mk::tunnel
