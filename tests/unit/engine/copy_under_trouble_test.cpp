// Copies whose connections are few or cut, and what they tell of it.

#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "engine/copier.hpp"
#include "unit/engine/copy_rig.hpp"

using namespace mk;
using namespace mk::engine;
using namespace mk::test;

namespace {

void expect_whole(const Content& content, const block::MemorySink& sink, const CopyOutcome& outcome) {
    EXPECT_EQ(first_difference(sink.content, content), content.size());
    EXPECT_EQ(outcome.counts.done, outcome.planned);
    expect_digests(outcome, content);
    EXPECT_EQ(sink.open_channels, 0);
}

}  // namespace

TEST(CopyUnderTrouble, ALaneThatGetsNoConnectionIsNotNeeded) {
    std::mt19937_64 random(8);
    const Content content = random_content(random, 40 * MiB);
    for (const bool is_source : {true, false}) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size());
        std::atomic<int> refused = 0;
        const auto take_one = [&](const std::atomic<int>& open) {
            if (open > 0) {
                ++refused;
                throw Error(ErrorCode::external, "no further connection");
            }
        };
        (is_source ? source.on_open : sink.on_open) = [&] {
            take_one(is_source ? source.open_channels : sink.open_channels);
        };
        const Plan plan = plan_increment({{0, content.size()}}, content.size());
        const CopyOutcome outcome = copy_disk(plan, source, sink, quick_options(), {});
        expect_whole(content, sink, outcome);
    }
}

TEST(CopyUnderTrouble, ACutLongAfterAnotherIsWaitedForAnew) {
    const Content content(2 * MiB, std::byte{1});
    block::MemorySource source(content);
    block::MemorySink sink(content.size());
    CopyOptions options = quick_options();
    options.lanes = 1;
    options.flush_bytes = leaf_size;
    options.patience.give_up_after = std::chrono::milliseconds{200};
    bool was_flush_cut = false;
    bool was_write_cut = false;
    sink.on_flush = [&] {
        if (!std::exchange(was_flush_cut, true)) {
            throw Error(ErrorCode::unavailable, "cut");
        }
    };
    sink.on_write = [&](Range) {
        if (was_flush_cut && !std::exchange(was_write_cut, true)) {
            std::this_thread::sleep_for(options.patience.give_up_after * 2);  // the long time
            throw Error(ErrorCode::unavailable, "cut again");
        }
    };
    const Plan plan = plan_increment({{0, content.size()}}, content.size());
    const CopyOutcome outcome = copy_disk(plan, source, sink, options, {});
    EXPECT_TRUE(was_write_cut);
    expect_whole(content, sink, outcome);
}

TEST(CopyUnderTrouble, WhatIsSkippedCountsOnceHoweverOftenTheTargetRestarts) {
    /// Knows nothing of holes.
    class Opaque : public block::MemorySource {
      public:
        using MemorySource::MemorySource;
        std::vector<block::Extent> extents(Range range, const std::stop_token&) override { return {{range, false}}; }
    };
    Content content(3 * MiB, std::byte{1});
    std::fill_n(content.begin() + 128 * KiB, 512 * KiB, std::byte{0});
    Opaque source(content);
    block::MemorySink sink(content.size());
    std::atomic<int> left = 5;
    sink.on_write = [&](Range) {
        if (left > 0 && --left == 0) {
            sink.restart();
        }
    };
    CopyOptions options = quick_options();
    options.lanes = 1;
    options.flush_interval = std::chrono::minutes{1};
    const Plan plan = plan_full_copy({{0, content.size()}}, content.size(), true);
    const CopyOutcome outcome = copy_disk(plan, source, sink, options, {});
    EXPECT_EQ(left, 0);
    EXPECT_EQ(first_difference(sink.content, content), content.size());
    EXPECT_EQ(outcome.counts.skipped, 512 * KiB);
}
