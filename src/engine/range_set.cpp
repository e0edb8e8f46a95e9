#include "engine/range_set.hpp"

#include <algorithm>

namespace mk::engine {

namespace {

/// The first of the set that ends after `offset`.
RangeSet::const_iterator first_behind(const RangeSet& set, Bytes offset) {
    return std::partition_point(set.begin(), set.end(), [&](const Range& range) { return range.end() <= offset; });
}

}  // namespace

Bytes total_length(const RangeSet& set) {
    Bytes sum = 0;
    for (const Range& range : set) {
        sum += range.length;
    }
    return sum;
}

RangeSet sorted_union(std::vector<Range> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.offset < b.offset; });
    RangeSet out;
    for (const Range& range : ranges) {
        if (range.length == 0) {
            continue;
        }
        if (!out.empty() && range.offset <= out.back().end()) {
            out.back().length = std::max(out.back().end(), range.end()) - out.back().offset;
        } else {
            out.push_back(range);
        }
    }
    return out;
}

RangeSet complement(const RangeSet& set, Bytes capacity) {
    RangeSet out;
    Bytes at = 0;
    for (const Range& range : set) {
        if (range.offset > at) {
            out.push_back({at, range.offset - at});
        }
        at = range.end();
    }
    if (at < capacity) {
        out.push_back({at, capacity - at});
    }
    return out;
}

RangeSet subtracted(const RangeSet& from, const RangeSet& what) {
    RangeSet out;
    auto hole = what.begin();
    for (const Range& range : from) {
        Bytes at = range.offset;
        while (hole != what.end() && hole->end() <= at) {
            ++hole;
        }
        for (auto next = hole; next != what.end() && next->offset < range.end(); ++next) {
            if (next->offset > at) {
                out.push_back({at, next->offset - at});
            }
            at = std::min(next->end(), range.end());
        }
        if (at < range.end()) {
            out.push_back({at, range.end() - at});
        }
    }
    return out;
}

RangeSet intersected(const RangeSet& a, const RangeSet& b) {
    RangeSet out;
    for (auto left = a.begin(), right = b.begin(); left != a.end() && right != b.end();) {
        const Bytes start = std::max(left->offset, right->offset);
        const Bytes end = std::min(left->end(), right->end());
        if (start < end) {
            out.push_back({start, end - start});
        }
        left->end() < right->end() ? ++left : ++right;
    }
    return out;
}

RangeSet intersected(const RangeSet& set, Range range) {
    RangeSet out;
    for (auto found = first_behind(set, range.offset); found != set.end() && found->offset < range.end(); ++found) {
        const Bytes start = std::max(found->offset, range.offset);
        out.push_back({start, std::min(found->end(), range.end()) - start});
    }
    return out;
}

bool meets(const RangeSet& set, Range range) {
    const auto found = first_behind(set, range.offset);
    return found != set.end() && found->offset < range.end();
}

}  // namespace mk::engine
