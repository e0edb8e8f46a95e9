#include "engine/range_set.hpp"

#include <random>

#include <gtest/gtest.h>

using namespace mk;
using namespace mk::engine;

namespace {

constexpr Bytes space = 64;

std::vector<bool> bits_of(const RangeSet& set) {
    std::vector<bool> bits(space);
    Bytes at = 0;
    for (const Range& range : set) {
        EXPECT_GT(range.length, 0U);
        EXPECT_GE(range.offset, at) << "sorted and apart";
        at = range.end();
        for (Bytes i = range.offset; i < range.end(); ++i) {
            bits[i] = true;
        }
    }
    return bits;
}

RangeSet random_set(std::mt19937_64& random) {
    std::vector<Range> ranges;
    for (std::uint64_t i = random() % 6; i > 0; --i) {
        const Bytes offset = random() % space;
        ranges.push_back({offset, random() % (space - offset + 1)});
        ranges.back().length = std::min<Bytes>(ranges.back().length, 12);
    }
    return sorted_union(ranges);
}

}  // namespace

TEST(RangeSet, UnionMergesWhatTouches) {
    EXPECT_EQ(sorted_union({{4, 2}, {0, 0}, {2, 2}, {0, 1}}), (RangeSet{{0, 1}, {2, 4}}));
    EXPECT_EQ(sorted_union({{0, 10}, {2, 2}}), (RangeSet{{0, 10}}));
}

TEST(RangeSet, ComplementIsTheRest) {
    EXPECT_EQ(complement({}, 10), (RangeSet{{0, 10}}));
    EXPECT_EQ(complement({{0, 10}}, 10), (RangeSet{}));
    EXPECT_EQ(complement({{2, 3}, {7, 1}}, 10), (RangeSet{{0, 2}, {5, 2}, {8, 2}}));
    EXPECT_TRUE(complement({}, 0).empty());
}

TEST(RangeSet, AgreesWithArithmeticOnBits) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 3000; ++round) {
        const RangeSet a = random_set(random);
        const RangeSet b = random_set(random);
        const std::vector<bool> in_a = bits_of(a);
        const std::vector<bool> in_b = bits_of(b);
        const std::vector<bool> minus = bits_of(subtracted(a, b));
        const std::vector<bool> both = bits_of(intersected(a, b));
        const Bytes offset = random() % space;
        const Range window{offset, 1 + random() % (space - offset)};
        const std::vector<bool> in_window = bits_of(intersected(a, window));
        bool is_met = false;
        for (Bytes i = 0; i < space; ++i) {
            EXPECT_EQ(minus[i], in_a[i] && !in_b[i]);
            EXPECT_EQ(both[i], in_a[i] && in_b[i]);
            const bool is_here = i >= window.offset && i < window.end() && in_a[i];
            EXPECT_EQ(in_window[i], is_here);
            is_met = is_met || is_here;
        }
        EXPECT_EQ(meets(a, window), is_met);
    }
}
