#pragma once
// Arithmetic on sets of ranges: sorted, apart from each other, none empty. Pure.

#include <vector>

#include "base/bytes.hpp"

namespace mk::engine {

using RangeSet = std::vector<Range>;

Bytes total_length(const RangeSet& set);
/// Sorted, merged where they touch or overlap, empty ones left out.
RangeSet sorted_union(std::vector<Range> ranges);
/// What `set` leaves out of [0, capacity).
RangeSet complement(const RangeSet& set, Bytes capacity);
RangeSet subtracted(const RangeSet& from, const RangeSet& what);
RangeSet intersected(const RangeSet& a, const RangeSet& b);
/// The part of the set that lies in `range`; looks only at what is near it.
RangeSet intersected(const RangeSet& set, Range range);
bool meets(const RangeSet& set, Range range);

}  // namespace mk::engine
