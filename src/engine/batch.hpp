#pragma once
// What a lane takes from its disk's list at a time: the units between two multiples of unit_size. Owned by one lane,
// then given back to be filled again, so that a long copy allocates nothing.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/block_digest.hpp"
#include "base/bytes.hpp"
#include "engine/planner.hpp"

namespace mk::engine {

enum class UnitKind : std::uint8_t {
    copy,          ///< read, sent
    zero,          ///< a hole that must be zero on the target
    clear,         ///< outside of the plan's areas: must be zero, is not part of the result
    compare,       ///< read, sent where the target differs
    compare_zero,  ///< a hole: zeroed where the target differs
};

/// One run of the disk, all of it data or all of it zero; at most unit_size, never across a multiple of unit_size (but
/// a cleared one: at most clear_step, anywhere).
struct Unit {
    Range range;
    UnitKind kind = UnitKind::copy;
    bool target_is_zero = false;   ///< zeros need not be sent
    std::uint32_t first_leaf = 0;  ///< in Batch::leaves

    bool is_read() const { return kind == UnitKind::copy || kind == UnitKind::compare; }
    bool is_compared() const { return kind == UnitKind::compare || kind == UnitKind::compare_zero; }
    bool is_in_result() const { return kind != UnitKind::clear; }
};

struct Batch {
    std::vector<Unit> units;
    std::vector<LeafDigest> leaves;    ///< of the source, filled as replies come
    std::vector<LeafDigest> expected;  ///< of the target, for compared units

    // How far the lane is.
    std::size_t next_unit = 0;
    Bytes next_offset = 0;    ///< within the unit; only when is_in_unit
    bool is_in_unit = false;  ///< next_offset is valid
    std::uint32_t open = 0;   ///< requests that were not handled yet
    Bytes handled = 0;        ///< bytes of the result
    Bytes counted = 0;        ///< of them, told as progress; stays when the batch is done again
    Bytes skipped = 0;        ///< zero on both sides
    /// Where the target differed. They stay when the batch is done again: then nothing may be left of them to be found.
    std::vector<Range> differences;

    /// With room for its leaves.
    void add(Unit unit) {
        unit.first_leaf = static_cast<std::uint32_t>(leaves.size());
        if (unit.is_read() || unit.is_compared()) {
            leaves.resize(leaves.size() + leaf_count(unit.range));
        }
        units.push_back(unit);
    }

    bool is_walked() const { return next_unit == units.size(); }
    bool is_complete() const { return is_walked() && open == 0; }

    /// Everything must be done again.
    void rewind() {
        next_unit = 0;
        is_in_unit = false;
        open = 0;
        handled = 0;
        skipped = 0;
    }
    /// An empty one to be filled.
    void clear() {
        rewind();
        counted = 0;
        differences.clear();
        units.clear();
        leaves.clear();
        expected.clear();
    }
};

}  // namespace mk::engine
