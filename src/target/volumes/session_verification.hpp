#pragma once
// Does a session hold what was sent to it? Read back from where it arrived.

#include <string>
#include <vector>

#include "target/volumes/operation_runner.hpp"
#include "target/volumes/session_backend.hpp"

namespace mk::volumes {

/// What the sender knows of a run of its disk: run_digest() over its leaves (base/block_digest).
struct RangeDigest {
    Range range;
    std::string digest;
};

/// Ranges whose content has another digest, in the order given. Everything is made durable first; holes are not read.
/// Throws Error{invalid} for a range beyond the disk, Error{cancelled}.
std::vector<Range> find_mismatches(SessionBackend& content, const std::vector<RangeDigest>& expected,
                                   const Progress& progress);

}  // namespace mk::volumes
