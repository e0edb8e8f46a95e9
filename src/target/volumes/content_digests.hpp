#pragma once
// Leaf digests of what storage holds now. Known holes are not read.

#include <vector>

#include "base/block_digest.hpp"
#include "target/volumes/block_device.hpp"
#include "target/volumes/export_backend.hpp"

namespace mk::volumes {

/// Of one read.
inline constexpr std::size_t digest_read_size = 1 * MiB;

/// Of every leaf that the run meets (of a part of it, at the run's ends). `buffer` has digest_read_size bytes.
std::vector<LeafDigest> read_leaf_digests(ReadableContent& content, Range run, AlignedBuffer& buffer);

}  // namespace mk::volumes
