#include "engine/work_list.hpp"

#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.hpp"

using namespace mk;
using namespace mk::engine;
using block::Extent;

namespace {

/// Says what it is told about extents; holds no bytes, so that a disk may be as large as it likes.
class SparseSource : public block::BlockSource {
  public:
    SparseSource(Bytes capacity, RangeSet data) : capacity_(capacity), data_(std::move(data)) {}
    Bytes capacity() const override { return capacity_; }
    Bytes max_request() const override { return 2 * MiB; }
    std::unique_ptr<block::ReadChannel> open_channel(const std::stop_token&) override {
        throw Error(ErrorCode::internal, "measuring reads nothing");
    }
    std::vector<Extent> extents(Range range, const std::stop_token&) override {
        ++questions;
        longest_question = std::max(longest_question, range.length);
        if (answer) {
            return *answer;
        }
        std::vector<Extent> out;
        Bytes at = range.offset;
        for (const Range& data : intersected(data_, range)) {
            if (data.offset > at) {
                out.push_back({{at, data.offset - at}, true});
            }
            out.push_back({data, false});
            at = data.end();
        }
        if (at < range.end()) {
            out.push_back({{at, range.end() - at}, true});
        }
        return out;
    }

    int questions = 0;
    Bytes longest_question = 0;
    std::optional<std::vector<Extent>> answer;

  private:
    Bytes capacity_;
    RangeSet data_;
};

struct Listed {
    std::vector<Unit> units;
    Bytes planned = 0;
    Bytes skipped = 0;
    Bytes listed = 0;

    RangeSet of(UnitKind kind) const {
        std::vector<Range> out;
        for (const Unit& unit : units) {
            if (unit.kind == kind) {
                out.push_back(unit.range);
            }
        }
        return sorted_union(out);
    }
};

Listed list(const Plan& plan, SparseSource& source) {
    WorkList work(plan);
    const std::jthread measuring([&](const std::stop_token& stop) { work.measure(source, stop); });
    Listed out;
    while (!work.is_exhausted()) {
        work.wait(std::chrono::steady_clock::now() + std::chrono::seconds{60}, {});
        while (std::unique_ptr<Batch> batch = work.take()) {
            out.units.insert(out.units.end(), batch->units.begin(), batch->units.end());
            work.give_back(std::move(batch));
        }
    }
    out.planned = work.planned();
    out.skipped = work.skipped();
    out.listed = work.listed();
    return out;
}

const std::vector<Bytes> awkward_sizes{1,
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
                                       4 * GiB + 512};

}  // namespace

TEST(WorkList, CoversAwkwardSizesWithUnits) {
    for (const Bytes size : awkward_sizes) {
        SCOPED_TRACE(size);
        SparseSource source(size, {{0, size}});
        const Listed listed = list(plan_full_copy({{0, size}}, size, false), source);
        Bytes at = 0;
        for (const Unit& unit : listed.units) {
            EXPECT_EQ(unit.range.offset, at);
            EXPECT_EQ(unit.range.offset / unit_size, (unit.range.end() - 1) / unit_size);
            at = unit.range.end();
        }
        EXPECT_EQ(at, size);
        EXPECT_EQ(listed.planned, size);
        EXPECT_EQ(listed.listed, size);
        EXPECT_LE(source.longest_question, 1 * GiB);
    }
}

TEST(WorkList, ADiskOf64TiBCostsWhatItHolds) {
    const Bytes capacity = 64 * 1024 * GiB;
    const RangeSet data{{0, 1 * MiB}, {40 * 1024 * GiB + 4 * KiB, 8 * MiB}, {capacity - 512, 512}};
    SparseSource source(capacity, data);
    const Listed listed = list(plan_full_copy({data.begin(), data.end()}, capacity, true), source);
    EXPECT_EQ(listed.planned, 9 * MiB + 4 * KiB);
    EXPECT_LE(source.questions, 3);
    EXPECT_LE(listed.units.size(), 4U);

    // Allocation unknown: the whole disk is asked for, a GiB at a time.
    const Listed everything = list(plan_full_copy({{0, capacity}}, capacity, true), source);
    EXPECT_EQ(everything.of(UnitKind::copy).size(), 3U);
    EXPECT_LE(everything.planned, 9 * MiB + 8 * KiB);
    EXPECT_EQ(everything.skipped, capacity - everything.planned);
}

TEST(WorkList, HolesOfAFullCopyAreClearedUnlessTheTargetIsZero) {
    const Bytes capacity = 10 * MiB;
    SparseSource source(capacity, {{1 * MiB, 1 * MiB}});
    Plan plan = plan_full_copy({{0, 4 * MiB}}, capacity, false);
    const Listed dirty = list(plan, source);
    EXPECT_EQ(dirty.of(UnitKind::copy), (RangeSet{{1 * MiB, 1 * MiB}}));
    EXPECT_EQ(dirty.of(UnitKind::clear), (RangeSet{{0, 1 * MiB}, {2 * MiB, 8 * MiB}}));
    EXPECT_EQ(dirty.planned, 1 * MiB);

    plan.target_is_zero = true;
    const Listed fresh = list(plan, source);
    EXPECT_EQ(fresh.units.size(), 1U);
    EXPECT_EQ(fresh.skipped, 3 * MiB);

    plan.touched = {{512 * KiB, 1 * MiB}, {6 * MiB, 1 * MiB}};
    const Listed again = list(plan, source);
    EXPECT_EQ(again.of(UnitKind::clear), (RangeSet{{512 * KiB, 512 * KiB}, {6 * MiB, 1 * MiB}}));
    EXPECT_EQ(again.of(UnitKind::copy), (RangeSet{{1 * MiB, 1 * MiB}}));
    for (const Unit& unit : again.units) {
        EXPECT_FALSE(unit.target_is_zero) << "an earlier attempt wrote into it";
    }
}

TEST(WorkList, HolesOfAnIncrementAreUnits) {
    SparseSource source(10 * MiB, {{1 * MiB, 1 * MiB}});
    const Listed listed = list(plan_increment({{512 * KiB, 1 * MiB}}, 10 * MiB), source);
    EXPECT_EQ(listed.of(UnitKind::zero), (RangeSet{{512 * KiB, 512 * KiB}}));
    EXPECT_EQ(listed.of(UnitKind::copy), (RangeSet{{1 * MiB, 512 * KiB}}));
    EXPECT_TRUE(listed.of(UnitKind::clear).empty());
    EXPECT_EQ(listed.planned, 1 * MiB);
}

TEST(WorkList, ShortHolesAreReadAndHolesAreAligned) {
    SparseSource source(10 * MiB, {{0, 1000}, {40'000, 512}, {1 * MiB + 512, 1 * MiB}});
    const Listed listed = list(plan_full_copy({{0, 10 * MiB}}, 10 * MiB, true), source);
    EXPECT_EQ(listed.of(UnitKind::copy), (RangeSet{{0, 40 * KiB}, {1 * MiB, 1 * MiB + 4 * KiB}}));
}

TEST(WorkList, ComparedRangesKeepTheirHoles) {
    SparseSource source(10 * MiB, {{1 * MiB, 1 * MiB}});
    const Listed listed = list(plan_comparison(10 * MiB), source);
    EXPECT_EQ(listed.of(UnitKind::compare), (RangeSet{{1 * MiB, 1 * MiB}}));
    EXPECT_EQ(listed.of(UnitKind::compare_zero), (RangeSet{{0, 1 * MiB}, {2 * MiB, 8 * MiB}}));
    EXPECT_EQ(listed.planned, 10 * MiB);
}

TEST(WorkList, ManySmallAreasAreMeasuredTogether) {
    std::vector<Range> areas;
    for (Bytes at = 0; at < 4 * GiB; at += 4 * MiB) {
        areas.push_back({at, 64 * KiB});
    }
    SparseSource source(4 * GiB, {{0, 4 * GiB}});
    const Listed listed = list(plan_increment(areas, 4 * GiB), source);
    EXPECT_EQ(listed.units.size(), areas.size());
    EXPECT_LE(source.questions, 4);
}

TEST(WorkList, RandomPlansAreCoveredExactly) {
    std::mt19937_64 random(8);
    for (int round = 0; round < 200; ++round) {
        SCOPED_TRACE(round);
        const Bytes capacity = (1 + random() % (3 * GiB / 512)) * 512;
        std::vector<Range> data;
        std::vector<Range> areas;
        for (int i = 0; i < 20; ++i) {
            data.push_back({random() % capacity, 1 + random() % (200 * MiB)});
            data.back().length = std::min(data.back().length, capacity - data.back().offset);
            areas.push_back({random() % capacity, 1 + random() % (200 * MiB)});
        }
        SparseSource source(capacity, sorted_union(data));
        const bool is_full = round % 2 == 0;
        Plan plan = is_full ? plan_full_copy(areas, capacity, round % 4 == 0) : plan_increment(areas, capacity);
        if (!is_full) {
            add_sample(plan, 20, random());
        }
        const Listed listed = list(plan, source);
        Bytes at = 0;
        for (const Unit& unit : listed.units) {
            EXPECT_GE(unit.range.offset, at) << "in order, no byte twice";
            at = unit.range.end();
        }
        // What holds data is copied; nothing outside of the plan is.
        const RangeSet copied = listed.of(UnitKind::copy);
        EXPECT_TRUE(subtracted(intersected(sorted_union(data), plan.areas), copied).empty());
        EXPECT_TRUE(subtracted(copied, plan.areas).empty());
        if (is_full && !plan.target_is_zero) {
            EXPECT_EQ(sorted_union([&] {
                          std::vector<Range> all = copied;
                          const RangeSet cleared = listed.of(UnitKind::clear);
                          all.insert(all.end(), cleared.begin(), cleared.end());
                          return all;
                      }()),
                      (RangeSet{{0, capacity}}));
        }
        EXPECT_EQ(listed.listed, listed.planned);
    }
}

TEST(WorkList, AnAnswerAboutHolesThatIsNoneIsAnError) {
    const std::vector<std::vector<Extent>> wrong{
        {},
        {{{0, 1 * MiB}, false}},
        {{{512, 2 * MiB - 512}, false}},
        {{{0, 1 * MiB}, false}, {{1 * MiB + 512, 1 * MiB - 512}, false}},
        {{{0, 0}, false}, {{0, 2 * MiB}, false}},
        {{{0, 3 * MiB}, false}},
        {{{0, 1 * MiB}, false}, {{0, 1 * MiB}, true}},
    };
    for (const std::vector<Extent>& answer : wrong) {
        SparseSource source(2 * MiB, {});
        source.answer = answer;
        try {
            list(plan_increment({{0, 2 * MiB}}, 2 * MiB), source);
            FAIL();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::corrupt);
        }
    }
}

TEST(WorkList, MeasuringStopsWhenNobodyTakes) {
    const Bytes capacity = 64 * 1024 * GiB;
    SparseSource source(capacity, {{0, capacity}});
    const Plan plan = plan_full_copy({{0, capacity}}, capacity, true);
    WorkList work(plan);
    std::stop_source stop;
    std::jthread measuring([&] { work.measure(source, stop.get_token()); });
    work.wait(std::chrono::steady_clock::now() + std::chrono::seconds{60}, {});
    stop.request_stop();
    measuring.join();
    EXPECT_LE(source.questions, 4) << "only a little ahead";
    EXPECT_THROW(work.take(), Error);
}

TEST(WorkList, APieceEndsAtAMultipleOfItsLength) {
    const Bytes size = unit_size + 5 * MiB + 512;
    SparseSource source(size, {{100 * KiB, 3 * MiB}, {9 * MiB, size - 9 * MiB}});
    const Plan plan = plan_increment({{64 * KiB, size - 64 * KiB}}, size);
    const Listed whole = list(plan, source);
    for (const Bytes most : {leaf_size, 1 * MiB, 4 * MiB}) {
        WorkList work(plan);
        work.measure(source, {});
        std::vector<Unit> units;
        while (const std::unique_ptr<Batch> batch = work.take(most)) {
            ASSERT_FALSE(batch->units.empty());
            std::size_t leaves = 0;
            for (const Unit& unit : batch->units) {
                EXPECT_EQ(unit.range.offset / most, (unit.range.end() - 1) / most);
                EXPECT_EQ(unit.first_leaf, leaves);
                leaves += unit.is_read() ? leaf_count(unit.range) : 0;
                units.push_back(unit);
            }
            EXPECT_EQ(batch->leaves.size(), leaves);
        }
        const Listed cut{.units = units};
        EXPECT_EQ(cut.of(UnitKind::copy), whole.of(UnitKind::copy));
        EXPECT_EQ(cut.of(UnitKind::zero), whole.of(UnitKind::zero));
    }
}

TEST(WorkList, WhatIsClearedIsNotCut) {
    const Bytes size = 64 * MiB;
    SparseSource source(size, {{1 * MiB, 1 * MiB}});
    const Plan plan = plan_full_copy({{1 * MiB, 1 * MiB}}, size, false);
    WorkList work(plan);
    work.measure(source, {});
    Listed listed;
    while (const std::unique_ptr<Batch> batch = work.take(leaf_size)) {
        listed.units.insert(listed.units.end(), batch->units.begin(), batch->units.end());
    }
    EXPECT_EQ(listed.of(UnitKind::clear), (RangeSet{{0, 1 * MiB}, {2 * MiB, 62 * MiB}}));
    EXPECT_EQ(listed.of(UnitKind::copy), (RangeSet{{1 * MiB, 1 * MiB}}));
    EXPECT_EQ(listed.units.size(), 6U);
}
