#pragma once
// What a pass must do to one disk, before a byte is read. Pure computation, except the allocation queries to the
// source.
//
//   incremental:  units cover the changed areas; nothing else is touched.
//   full:         units cover what may hold data; every other byte is in `cleared` (it must become zero) or, on a
//   target that
//                 is zero already, in nothing. Coverage of the whole disk is proven, not assumed.

#include <stop_token>
#include <vector>

#include "base/bytes.hpp"
#include "block/block_source.hpp"

namespace mk::engine {

/// Work, digests and checkpoints are cut at multiples of this offset on the disk.
inline constexpr Bytes unit_size = 32 * MiB;
/// A request costs about as much as moving this many bytes (measured on sockets): shorter gaps between areas are read
/// along, shorter holes are read as data, shorter runs of zeros are sent as data.
inline constexpr Bytes request_cost = 64 * KiB;
/// Areas grow to multiples of this, so that the target can write them directly. A disk's end need not be one.
inline constexpr Bytes alignment = 4 * KiB;

/// One run of the disk, at most unit_size long, never across a multiple of unit_size.
struct Unit {
    Range range;
    std::vector<block::Extent> pieces;  ///< cover the range in order

    bool is_zero() const { return pieces.size() == 1 && pieces.front().is_zero; }
};

struct Plan {
    std::vector<Unit> units;
    std::vector<Range> cleared;  ///< must be made zero without being read
    Bytes planned = 0;           ///< progress counts these: data of a full copy, everything changed of an increment
    Bytes known_zero = 0;        ///< of the bytes in units: holes that are not counted in `planned`
};

/// Sorted, aligned outward, clipped to the capacity, merged over gaps below request_cost. Overlaps are allowed.
std::vector<Range> normalised(std::vector<Range> areas, Bytes capacity);
/// What `areas` (normalised) leave out of [0, capacity).
std::vector<Range> complement(const std::vector<Range>& areas, Bytes capacity);

Plan plan_increment(const std::vector<Range>& areas, block::BlockSource& source, const std::stop_token& stop);
/// `areas` may be the whole disk when the allocation is unknown.
Plan plan_full_copy(const std::vector<Range>& areas, block::BlockSource& source, bool target_is_zero,
                    const std::stop_token& stop);
/// Throws Error{internal} unless the units are in order, apart from each other, and covered by their pieces, and, of a
/// full copy, units and everything else add up to the capacity.
void prove_coverage(const Plan& plan, Bytes capacity);

}  // namespace mk::engine
