#include "engine/planner.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::engine {

using block::Extent;

namespace {

Bytes aligned_up(Bytes offset) {
    return (offset + alignment - 1) / alignment * alignment;
}

Bytes total_length(const std::vector<Range>& ranges) {
    Bytes sum = 0;
    for (const Range& range : ranges) {
        sum += range.length;
    }
    return sum;
}

/// Holes that cost more as a request of their own than as data become data; neighbours of one kind become one.
std::vector<Extent> simplified(const std::vector<Extent>& extents) {
    std::vector<Extent> out;
    for (Extent extent : extents) {
        if (extent.is_zero && extent.range.length < request_cost && extents.size() > 1) {
            extent.is_zero = false;
        }
        if (!out.empty() && out.back().is_zero == extent.is_zero) {
            out.back().range.length += extent.range.length;
        } else {
            out.push_back(extent);
        }
    }
    return out;
}

void check_cover(const std::vector<Extent>& extents, Range range, const char* who) {
    Bytes at = range.offset;
    for (const Extent& extent : extents) {
        if (extent.range.offset != at || extent.range.length == 0) {
            throw Error(ErrorCode::internal, std::string(who) + " left a gap at offset " + std::to_string(at));
        }
        at = extent.range.end();
    }
    if (at != range.end()) {
        throw Error(ErrorCode::internal, std::string(who) + " does not end where it must");
    }
}

/// Cuts an area with its extents at the multiples of unit_size.
void append_units(const std::vector<Extent>& extents, std::vector<Unit>& units) {
    bool is_new_area = true;
    for (const Extent& extent : extents) {
        for (Bytes at = extent.range.offset; at < extent.range.end();) {
            const Bytes border = (at / unit_size + 1) * unit_size;
            const Bytes end = std::min(extent.range.end(), border);
            if (is_new_area || at % unit_size == 0) {
                units.push_back({{at, 0}, {}});
                is_new_area = false;
            }
            units.back().range.length += end - at;
            units.back().pieces.push_back({{at, end - at}, extent.is_zero});
            at = end;
        }
    }
}

std::vector<Unit> units_of(const std::vector<Range>& areas, block::BlockSource& source, const std::stop_token& stop) {
    std::vector<Unit> units;
    for (const Range& area : areas) {
        const std::vector<Extent> extents = source.extents(area, stop);
        check_cover(extents, area, "the allocation answer");
        append_units(simplified(extents), units);
    }
    return units;
}

Bytes zero_bytes(const Unit& unit) {
    Bytes sum = 0;
    for (const Extent& piece : unit.pieces) {
        sum += piece.is_zero ? piece.range.length : 0;
    }
    return sum;
}

void append_merged(std::vector<Range>& ranges, Range range) {
    if (!ranges.empty() && ranges.back().end() == range.offset) {
        ranges.back().length += range.length;
    } else {
        ranges.push_back(range);
    }
}

}  // namespace

std::vector<Range> normalised(std::vector<Range> areas, Bytes capacity) {
    std::sort(areas.begin(), areas.end(), [](const Range& a, const Range& b) { return a.offset < b.offset; });
    std::vector<Range> out;
    for (const Range& area : areas) {
        if (area.length == 0 || area.offset >= capacity) {
            continue;
        }
        const Bytes start = area.offset / alignment * alignment;
        // Compared by length first: offset + length of a foreign answer may overflow.
        const Bytes unclipped = area.length > capacity - area.offset ? capacity : area.end();
        const Bytes end = std::min(capacity, aligned_up(unclipped));
        if (!out.empty() && start < out.back().end() + request_cost) {
            out.back().length = std::max(out.back().end(), end) - out.back().offset;
        } else {
            out.push_back({start, end - start});
        }
    }
    return out;
}

std::vector<Range> complement(const std::vector<Range>& areas, Bytes capacity) {
    std::vector<Range> out;
    Bytes at = 0;
    for (const Range& area : areas) {
        if (area.offset > at) {
            out.push_back({at, area.offset - at});
        }
        at = area.end();
    }
    if (at < capacity) {
        out.push_back({at, capacity - at});
    }
    return out;
}

Plan plan_increment(const std::vector<Range>& areas, block::BlockSource& source, const std::stop_token& stop) {
    Plan plan;
    const std::vector<Range> wanted = normalised(areas, source.capacity());
    plan.units = units_of(wanted, source, stop);
    plan.planned = total_length(wanted);
    return plan;
}

Plan plan_full_copy(const std::vector<Range>& areas, block::BlockSource& source, bool target_is_zero,
                    const std::stop_token& stop) {
    Plan plan;
    const std::vector<Range> wanted = normalised(areas, source.capacity());
    std::vector<Unit> units = units_of(wanted, source, stop);
    std::vector<Range> covered;
    for (Unit& unit : units) {
        if (unit.is_zero()) {
            continue;  // as good as outside of the areas
        }
        const Bytes zeros = zero_bytes(unit);
        plan.known_zero += zeros;
        plan.planned += unit.range.length - zeros;
        append_merged(covered, unit.range);
        plan.units.push_back(std::move(unit));
    }
    const std::vector<Range> outside = complement(covered, source.capacity());
    if (total_length(covered) + total_length(outside) != source.capacity()) {
        throw Error(ErrorCode::internal, "the plan of a full copy does not cover the disk");
    }
    if (!target_is_zero) {
        plan.cleared = outside;
    }
    return plan;
}

void prove_coverage(const Plan& plan, Bytes capacity) {
    Bytes at = 0;
    for (const Unit& unit : plan.units) {
        const Bytes last = unit.range.length == 0 ? 0 : unit.range.end() - 1;
        const bool is_cut_right = unit.range.length > 0 && unit.range.offset / unit_size == last / unit_size;
        if (unit.range.offset < at || unit.range.end() > capacity || !is_cut_right) {
            throw Error(ErrorCode::internal,
                        "the plan has a wrong unit at offset " + std::to_string(unit.range.offset));
        }
        check_cover(unit.pieces, unit.range, "the plan");
        at = unit.range.end();
    }
}

}  // namespace mk::engine
