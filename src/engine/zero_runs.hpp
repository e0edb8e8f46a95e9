#pragma once
// Finds the zeros in what was read. Pure; runs at the speed of the processor's cache.

#include <cstddef>
#include <span>

#include "base/bytes.hpp"

namespace mk::engine {

bool is_all_zero(std::span<const std::byte> data);

struct Run {
    Bytes start = 0;  ///< in the data
    Bytes length = 0;
    bool is_zero = false;

    Bytes end() const { return start + length; }
};

/// The run that begins at data[start]: as long as the cells (between multiples of request_cost of the disk's offset)
/// are all zero, or all not. `offset` is the disk's offset of data[0].
Run next_run(std::span<const std::byte> data, Bytes offset, Bytes start);

}  // namespace mk::engine
