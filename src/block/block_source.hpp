#pragma once
// What the copy engine reads from. Implementations: NbdSource (libnbd), MemorySource (tests).

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/bytes.hpp"

namespace mk::block {

/// A run of the disk that holds data, or that reads as zero without being read.
struct Extent {
    Range range;
    bool is_zero = false;
};

/// One thread at a time. Errors: unavailable (connection lost, may be reopened), external (read error), cancelled.
class BlockSource {
  public:
    virtual ~BlockSource() = default;
    virtual Bytes capacity() const = 0;
    /// The largest request the reader takes.
    virtual Bytes max_request() const = 0;
    /// Fills the buffer from [offset, offset + buffer.size()), which lies within the capacity.
    virtual void read(Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop) = 0;
    /// Covers `range` without gaps, in order. A source that cannot tell, or whose query fails, says "data".
    virtual std::vector<Extent> extents(Range range, const std::stop_token& stop) = 0;
};

}  // namespace mk::block
