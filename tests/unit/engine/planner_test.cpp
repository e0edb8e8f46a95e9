#include "engine/planner.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

using namespace mk;
using namespace mk::engine;
using block::Extent;

namespace {

/// Says what it is told about extents; holds no bytes, so that a disk may be as large as it likes.
class SparseSource : public block::BlockSource {
  public:
    SparseSource(Bytes capacity, std::vector<Range> data) : capacity_(capacity), data_(std::move(data)) {}
    Bytes capacity() const override { return capacity_; }
    Bytes max_request() const override { return 2 * MiB; }
    void read(Bytes, std::span<std::byte>, const std::stop_token&) override { FAIL() << "planning reads nothing"; }
    std::vector<Extent> extents(Range range, const std::stop_token&) override {
        std::vector<Extent> out;
        Bytes at = range.offset;
        for (const Range& data : data_) {
            if (data.end() <= at || data.offset >= range.end()) {
                continue;
            }
            if (data.offset > at) {
                out.push_back({{at, data.offset - at}, true});
                at = data.offset;
            }
            const Bytes end = std::min(data.end(), range.end());
            out.push_back({{at, end - at}, false});
            at = end;
        }
        if (at < range.end()) {
            out.push_back({{at, range.end() - at}, true});
        }
        return out;
    }

  private:
    Bytes capacity_;
    std::vector<Range> data_;
};

SparseSource dense(Bytes capacity) {
    return SparseSource(capacity, {{0, capacity}});
}

std::vector<Range> ranges_of(const Plan& plan) {
    std::vector<Range> out;
    for (const Unit& unit : plan.units) {
        out.push_back(unit.range);
    }
    return out;
}

const std::vector<Bytes> awkward_sizes{0,
                                       1,
                                       511,
                                       512,
                                       513,
                                       alignment - 1,
                                       alignment,
                                       alignment + 1,
                                       request_cost,
                                       unit_size - 1,
                                       unit_size,
                                       unit_size + 1,
                                       3 * unit_size + 512,
                                       4 * GiB + 512,
                                       2049 * GiB + 512};

}  // namespace

TEST(Planner, NormalisesAreas) {
    EXPECT_TRUE(normalised({}, 1 * GiB).empty());
    EXPECT_TRUE(normalised({{5, 0}, {1 * GiB, 5}, {2 * GiB, 5}}, 1 * GiB).empty());
    // Unsorted, overlapping, touching.
    EXPECT_EQ(normalised({{2 * MiB, 1 * MiB}, {0, 1 * MiB}, {512 * KiB, 1 * MiB}}, 1 * GiB),
              (std::vector<Range>{{0, 1536 * KiB}, {2 * MiB, 1 * MiB}}));
    // Contained in the one before.
    EXPECT_EQ(normalised({{0, 4 * MiB}, {1 * MiB, 4 * KiB}}, 1 * GiB), (std::vector<Range>{{0, 4 * MiB}}));
    // Aligned outward, but not over the end.
    EXPECT_EQ(normalised({{4097, 1}}, 1 * GiB), (std::vector<Range>{{4096, 4096}}));
    EXPECT_EQ(normalised({{8192, 600}}, 8704), (std::vector<Range>{{8192, 512}}));
    // Too long, even so long that the end overflows.
    EXPECT_EQ(normalised({{4096, ~0ULL}}, 1 * MiB), (std::vector<Range>{{4096, 1 * MiB - 4096}}));
}

TEST(Planner, ReadsAlongGapsThatCostLessThanARequest) {
    EXPECT_EQ(normalised({{0, 4 * KiB}, {request_cost, 4 * KiB}}, 1 * GiB),
              (std::vector<Range>{{0, request_cost + 4 * KiB}}));
    EXPECT_EQ(normalised({{0, 4 * KiB}, {request_cost + 4 * KiB, 4 * KiB}}, 1 * GiB).size(), 2U);
}

TEST(Planner, ComplementIsTheRest) {
    EXPECT_EQ(complement({}, 10), (std::vector<Range>{{0, 10}}));
    EXPECT_EQ(complement({{0, 10}}, 10), (std::vector<Range>{}));
    EXPECT_EQ(complement({{2, 3}, {7, 1}}, 10), (std::vector<Range>{{0, 2}, {5, 2}, {8, 2}}));
    EXPECT_TRUE(complement({}, 0).empty());
}

TEST(Planner, CoversAwkwardSizesWithUnits) {
    for (const Bytes size : awkward_sizes) {
        SparseSource source = dense(size);
        const Plan plan = plan_full_copy({{0, size}}, source, false, {});
        prove_coverage(plan, size);
        Bytes at = 0;
        for (const Unit& unit : plan.units) {
            EXPECT_EQ(unit.range.offset, at) << size;
            EXPECT_LE(unit.range.length, unit_size);
            at = unit.range.end();
        }
        EXPECT_EQ(at, size);
        EXPECT_EQ(plan.planned, size);
        EXPECT_TRUE(plan.cleared.empty());
    }
}

TEST(Planner, UnitsEndAtMultiplesOfTheUnitSize) {
    SparseSource source = dense(1 * GiB);
    const Plan plan = plan_increment({{unit_size - 64 * KiB, 128 * KiB}}, source, {});
    EXPECT_EQ(ranges_of(plan), (std::vector<Range>{{unit_size - 64 * KiB, 64 * KiB}, {unit_size, 64 * KiB}}));
}

TEST(Planner, AFullCopyCountsDataOnly) {
    // 2 GiB of data on a disk of 110 GiB: the share done must be of 2 GiB.
    const Bytes size = 110 * GiB;
    SparseSource source(size, {{10 * GiB, 2 * GiB}});
    const Plan plan = plan_full_copy({{0, size}}, source, true, {});
    prove_coverage(plan, size);
    EXPECT_EQ(plan.planned, 2 * GiB);
    EXPECT_EQ(plan.units.size(), 2 * GiB / unit_size);
    EXPECT_TRUE(plan.cleared.empty());
}

TEST(Planner, AFullCopyClearsTheRestOfATargetThatIsNotZero) {
    const Bytes size = 1 * GiB;
    SparseSource source(size, {{256 * MiB, 1 * MiB}});
    const Plan plan = plan_full_copy({{128 * MiB, 256 * MiB}}, source, false, {});
    EXPECT_EQ(plan.cleared,
              (std::vector<Range>{{0, 256 * MiB}, {256 * MiB + unit_size, size - 256 * MiB - unit_size}}));
    EXPECT_EQ(ranges_of(plan), (std::vector<Range>{{256 * MiB, unit_size}}));
    EXPECT_EQ(plan.planned, 1 * MiB);
    EXPECT_EQ(plan.known_zero, unit_size - 1 * MiB);
}

TEST(Planner, AnIncrementCountsHolesAsChanges) {
    SparseSource source(1 * GiB, {{0, 1 * MiB}});
    const Plan plan = plan_increment({{0, 2 * MiB}}, source, {});
    ASSERT_EQ(plan.units.size(), 1U);
    EXPECT_EQ(plan.planned, 2 * MiB);
    ASSERT_EQ(plan.units[0].pieces.size(), 2U);
    EXPECT_TRUE(plan.units[0].pieces[1].is_zero);
    EXPECT_TRUE(plan.cleared.empty());
}

TEST(Planner, TinyHolesAreReadAsData) {
    SparseSource source(1 * MiB, {{0, 100 * KiB}, {140 * KiB, 884 * KiB}});
    const Plan plan = plan_increment({{0, 1 * MiB}}, source, {});
    ASSERT_EQ(plan.units.size(), 1U);
    EXPECT_EQ(plan.units[0].pieces.size(), 1U);
    EXPECT_FALSE(plan.units[0].pieces[0].is_zero);
}

TEST(Planner, NothingChangedIsAnEmptyPlan) {
    SparseSource source = dense(1 * GiB);
    const Plan plan = plan_increment({}, source, {});
    EXPECT_TRUE(plan.units.empty());
    EXPECT_EQ(plan.planned, 0U);
}

TEST(Planner, AnAllocationAnswerWithAGapIsADefectNotAHole) {
    class Gappy : public SparseSource {
      public:
        using SparseSource::SparseSource;
        std::vector<Extent> extents(Range range, const std::stop_token&) override {
            return {{{range.offset, 4096}, false}, {{range.offset + 8192, range.length - 8192}, false}};
        }
    } source(1 * MiB, {});
    EXPECT_THROW(plan_full_copy({{0, 1 * MiB}}, source, true, {}), Error);
}

TEST(Planner, ProofRejectsBrokenPlans) {
    const auto broken = [](std::vector<Unit> units) {
        Plan plan;
        plan.units = std::move(units);
        EXPECT_THROW(prove_coverage(plan, 1 * GiB), Error);
    };
    broken({{{0, 0}, {}}});
    broken({{{0, 8192}, {{{0, 4096}, false}}}});
    broken({{{0, 8192}, {{{0, 8192}, false}}}, {{4096, 4096}, {{{4096, 4096}, false}}}});
    broken({{{unit_size - 4096, 8192}, {{{unit_size - 4096, 8192}, false}}}});
    broken({{{1 * GiB - 4096, 8192}, {{{1 * GiB - 4096, 8192}, false}}}});
}
