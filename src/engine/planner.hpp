#pragma once
// What a pass must do to one disk, before a byte is read. Pure computation.
//
//   incremental:  the areas are handled; nothing else is touched.
//   full:         the areas are handled as far as they hold data; every other byte is made zero, unless the target is
//                 zero there already.

#include <vector>

#include "base/block_digest.hpp"
#include "base/bytes.hpp"
#include "engine/range_set.hpp"

namespace mk::engine {

/// Work, digests and checkpoints are cut at multiples of this offset on the disk.
inline constexpr Bytes unit_size = 32 * MiB;
/// A request costs about as much as moving this many bytes (measured on sockets): shorter gaps between areas are read
/// along, shorter holes are read as data, shorter runs of zeros are sent as data.
inline constexpr Bytes request_cost = 64 * KiB;
/// Areas grow to multiples of this, so that the target can write them directly. A disk's end need not be one.
inline constexpr Bytes alignment = 4 * KiB;

/// What the source holds in a run of the disk (a unit): run_digest() of base/block_digest.
struct RunDigest {
    Range range;
    LeafDigest digest;
    bool operator==(const RunDigest&) const = default;
};

struct Plan {
    Bytes capacity = 0;
    /// Holes are left out (a full copy), instead of being handled as zeros; and what is outside of everything is made
    /// zero, unless target_is_zero.
    bool is_full = false;
    RangeSet areas;     ///< copied
    RangeSet compared;  ///< read, and sent where the target's digests differ
    /// Done by earlier attempts, in order: neither read nor sent, part of the result.
    std::vector<RunDigest> resumed{};
    bool target_is_zero = false;  ///< everywhere but in `touched`
    RangeSet touched{};           ///< where earlier attempts may have written
    bool only_compare = false;    ///< nothing is sent
};

/// Sorted, aligned outward, clipped to the capacity, merged over gaps below request_cost. Overlaps are allowed.
RangeSet normalised(std::vector<Range> areas, Bytes capacity);

/// `areas` as change tracking tells them.
Plan plan_increment(const std::vector<Range>& areas, Bytes capacity);
/// `areas` may be the whole disk when the allocation is unknown.
Plan plan_full_copy(const std::vector<Range>& areas, Bytes capacity, bool target_is_zero);
/// The whole disk is read, and only what differs is sent.
Plan plan_comparison(Bytes capacity);

/// A share of what the plan leaves alone, whole units, chosen at random: the same seed chooses the same.
void add_sample(Plan& plan, int percent, std::uint64_t seed);
/// Takes what earlier attempts did out of the work. `touched` is where they may have written: an increment handles all
/// of it, by comparing what it would not copy anyway when `can_compare`, by copying otherwise.
void resume(Plan& plan, std::vector<RunDigest> done, const RangeSet& touched, bool can_compare);

/// Throws Error{internal} unless areas, compared and resumed are in order, apart from each other and on the disk.
void prove_coverage(const Plan& plan);

}  // namespace mk::engine
