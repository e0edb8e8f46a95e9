#include "engine/planner.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

using namespace mk;
using namespace mk::engine;

namespace {

RunDigest run(Bytes offset, Bytes length) {
    return {{offset, length}, zero_leaf_digest(4096)};
}

}  // namespace

TEST(Planner, NormalisesAreas) {
    EXPECT_TRUE(normalised({}, 1 * GiB).empty());
    EXPECT_TRUE(normalised({{5, 0}, {1 * GiB, 5}, {2 * GiB, 5}}, 1 * GiB).empty());
    // Unsorted, overlapping, touching.
    EXPECT_EQ(normalised({{2 * MiB, 1 * MiB}, {0, 1 * MiB}, {512 * KiB, 1 * MiB}}, 1 * GiB),
              (RangeSet{{0, 1536 * KiB}, {2 * MiB, 1 * MiB}}));
    // Contained in the one before.
    EXPECT_EQ(normalised({{0, 4 * MiB}, {1 * MiB, 4 * KiB}}, 1 * GiB), (RangeSet{{0, 4 * MiB}}));
    // Aligned outward, but not over the end.
    EXPECT_EQ(normalised({{4097, 1}}, 1 * GiB), (RangeSet{{4096, 4096}}));
    EXPECT_EQ(normalised({{8192, 600}}, 8704), (RangeSet{{8192, 512}}));
    // Too long, even so long that the end overflows.
    EXPECT_EQ(normalised({{4096, ~0ULL}}, 1 * MiB), (RangeSet{{4096, 1 * MiB - 4096}}));
}

TEST(Planner, ReadsAlongGapsThatCostLessThanARequest) {
    EXPECT_EQ(normalised({{0, 4 * KiB}, {request_cost, 4 * KiB}}, 1 * GiB), (RangeSet{{0, request_cost + 4 * KiB}}));
    EXPECT_EQ(normalised({{0, 4 * KiB}, {request_cost + 4 * KiB, 4 * KiB}}, 1 * GiB).size(), 2U);
}

TEST(Planner, AComparisonCoversTheDisk) {
    EXPECT_EQ(plan_comparison(33 * MiB + 512).compared, (RangeSet{{0, 33 * MiB + 512}}));
    EXPECT_TRUE(plan_comparison(0).compared.empty());
}

TEST(Planner, ASampleIsTakenFromWhatThePlanLeavesAlone) {
    const Bytes capacity = 100 * unit_size + 512;
    Plan plan = plan_increment({{unit_size + 1 * MiB, 1 * MiB}}, capacity);
    add_sample(plan, 100, 1);
    EXPECT_EQ(plan.compared, complement(plan.areas, capacity));
    prove_coverage(plan);

    add_sample(plan, 30, 2);
    const Bytes chosen = total_length(plan.compared);
    EXPECT_GT(chosen, capacity / 10);
    EXPECT_LT(chosen, capacity / 2);
    prove_coverage(plan);
    const RangeSet first = plan.compared;
    add_sample(plan, 30, 2);
    EXPECT_EQ(plan.compared, first);
    add_sample(plan, 30, 3);
    EXPECT_NE(plan.compared, first);
    add_sample(plan, 0, 3);
    EXPECT_TRUE(plan.compared.empty());
}

TEST(Planner, WhatEarlierAttemptsDidIsLeftOut) {
    Plan plan = plan_full_copy({{0, 4 * unit_size}}, 8 * unit_size, true);
    resume(plan, {run(2 * unit_size, unit_size), run(0, unit_size)}, {{0, 5 * unit_size}}, false);
    EXPECT_EQ(plan.areas, (RangeSet{{unit_size, unit_size}, {3 * unit_size, unit_size}}));
    EXPECT_EQ(plan.touched, (RangeSet{{0, 5 * unit_size}}));
    EXPECT_EQ(plan.resumed.front().range.offset, 0U) << "in order";
    prove_coverage(plan);
}

TEST(Planner, AnIncrementRepeatsWhatEarlierAttemptsTouched) {
    Plan plan = plan_increment({{0, 1 * MiB}}, unit_size);
    resume(plan, {run(8 * MiB, 1 * MiB)}, {{8 * MiB, 2 * MiB}}, false);
    EXPECT_EQ(plan.areas, (RangeSet{{0, 1 * MiB}, {9 * MiB, 1 * MiB}}));
    prove_coverage(plan);
}

TEST(Planner, AComparingIncrementComparesWhatEarlierAttemptsTouched) {
    Plan plan = plan_increment({{0, 1 * MiB}}, unit_size);
    resume(plan, {run(8 * MiB, 1 * MiB)}, {{512 * KiB, 1 * MiB}, {8 * MiB, 2 * MiB}}, true);
    EXPECT_EQ(plan.areas, (RangeSet{{0, 1 * MiB}}));
    EXPECT_EQ(plan.compared, (RangeSet{{1 * MiB, 512 * KiB}, {9 * MiB, 1 * MiB}}));
    prove_coverage(plan);
}

TEST(Planner, CoverageIsProven) {
    const Plan good = plan_increment({{0, 1 * MiB}, {2 * MiB, 1 * MiB}}, 4 * MiB);
    prove_coverage(good);
    const auto broken = [&](const std::function<void(Plan&)>& change) {
        Plan plan = good;
        change(plan);
        try {
            prove_coverage(plan);
        } catch (const Error& error) {
            return error.code() == ErrorCode::internal;
        }
        return false;
    };
    EXPECT_TRUE(broken([](Plan& plan) { std::swap(plan.areas[0], plan.areas[1]); }));
    EXPECT_TRUE(broken([](Plan& plan) { plan.areas[0].length = 3 * MiB; }));
    EXPECT_TRUE(broken([](Plan& plan) { plan.areas[1].length = 3 * MiB; }));
    EXPECT_TRUE(broken([](Plan& plan) { plan.areas[1].length = ~0ULL; }));
    EXPECT_TRUE(broken([](Plan& plan) { plan.areas[1].length = 0; }));
    EXPECT_TRUE(broken([](Plan& plan) { plan.compared = {{512 * KiB, 1 * MiB}}; }));
    EXPECT_TRUE(broken([](Plan& plan) { plan.resumed = {run(2 * MiB, 1 * MiB)}; }));
    EXPECT_TRUE(broken([](Plan& plan) { plan.resumed = {run(3 * MiB, 512), run(3 * MiB, 512)}; }));
}
