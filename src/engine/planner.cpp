#include "engine/planner.hpp"

#include <algorithm>
#include <random>
#include <string>

#include "base/error.hpp"

namespace mk::engine {

namespace {

Bytes aligned_up(Bytes offset) {
    return (offset + alignment - 1) / alignment * alignment;
}

RangeSet ranges_of(const std::vector<RunDigest>& runs) {
    std::vector<Range> out;
    out.reserve(runs.size());
    for (const RunDigest& run : runs) {
        out.push_back(run.range);
    }
    return sorted_union(std::move(out));
}

void check_on_disk(const std::vector<Range>& ranges, Bytes capacity, const char* what) {
    Bytes at = 0;
    for (const Range& range : ranges) {
        if (range.length == 0 || range.offset < at || range.offset >= capacity ||
            range.length > capacity - range.offset) {
            throw Error(ErrorCode::internal,
                        std::string("the plan's ") + what + " are wrong at offset " + std::to_string(range.offset));
        }
        at = range.end();
    }
}

}  // namespace

RangeSet normalised(std::vector<Range> areas, Bytes capacity) {
    std::sort(areas.begin(), areas.end(), [](const Range& a, const Range& b) { return a.offset < b.offset; });
    RangeSet out;
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

Plan plan_increment(const std::vector<Range>& areas, Bytes capacity) {
    return {.capacity = capacity, .is_full = false, .areas = normalised(areas, capacity), .compared = {}};
}

Plan plan_full_copy(const std::vector<Range>& areas, Bytes capacity, bool target_is_zero) {
    return {.capacity = capacity,
            .is_full = true,
            .areas = normalised(areas, capacity),
            .compared = {},
            .target_is_zero = target_is_zero};
}

Plan plan_comparison(Bytes capacity) {
    Plan plan{.capacity = capacity, .is_full = true, .areas = {}, .compared = {}};
    if (capacity > 0) {
        plan.compared.push_back({0, capacity});
    }
    return plan;
}

void add_sample(Plan& plan, int percent, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_int_distribution<int> die(0, 99);
    std::vector<Range> chosen;
    for (Bytes at = 0; at < plan.capacity; at += unit_size) {
        if (die(random) < percent) {
            chosen.push_back({at, std::min(unit_size, plan.capacity - at)});
        }
    }
    plan.compared = subtracted(sorted_union(std::move(chosen)), plan.areas);
}

void resume(Plan& plan, std::vector<RunDigest> done, const RangeSet& touched, bool can_compare) {
    std::sort(done.begin(), done.end(),
              [](const RunDigest& a, const RunDigest& b) { return a.range.offset < b.range.offset; });
    const RangeSet skipped = ranges_of(done);
    plan.touched = touched;
    if (!plan.is_full) {
        // What changed since the base contains what an earlier attempt planned; that is not left to trust.
        RangeSet& handled = can_compare ? plan.compared : plan.areas;
        handled.insert(handled.end(), touched.begin(), touched.end());
        handled = normalised(std::move(handled), plan.capacity);
        plan.compared = subtracted(plan.compared, plan.areas);
    }
    plan.areas = subtracted(plan.areas, skipped);
    plan.compared = subtracted(plan.compared, skipped);
    plan.resumed = std::move(done);
}

void prove_coverage(const Plan& plan) {
    check_on_disk(plan.areas, plan.capacity, "areas");
    check_on_disk(plan.compared, plan.capacity, "comparisons");
    std::vector<Range> resumed;
    for (const RunDigest& run : plan.resumed) {
        resumed.push_back(run.range);
    }
    check_on_disk(resumed, plan.capacity, "resumed runs");
    std::vector<Range> all = plan.areas;
    all.insert(all.end(), plan.compared.begin(), plan.compared.end());
    all.insert(all.end(), resumed.begin(), resumed.end());
    std::sort(all.begin(), all.end(), [](const Range& a, const Range& b) { return a.offset < b.offset; });
    check_on_disk(all, plan.capacity, "parts");
}

}  // namespace mk::engine
