#include "engine/copier.hpp"

#include <gtest/gtest.h>

#include "unit/engine/copy_rig.hpp"

using namespace mk;
using namespace mk::engine;
using namespace mk::test;

namespace {

/// Every byte right at the end: of the plan, and beside it.
void expect_copied(const Plan& plan, const Content& content, const Content& before, const block::MemorySink& sink,
                   const CopyOutcome& outcome) {
    Content expected = plan.is_full ? content : before;
    expected.resize(content.size(), old_byte);
    for (const Range& area : plan.areas) {
        std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(area.offset), area.length,
                    expected.begin() + static_cast<std::ptrdiff_t>(area.offset));
    }
    EXPECT_EQ(first_difference(sink.content, expected), expected.size());
    EXPECT_EQ(outcome.counts.done, outcome.planned);
    expect_digests(outcome, content);
    EXPECT_EQ(sink.open_channels, 0);
}

/// A full copy must clear what no area holds: the source is zero there.
void make_zero_outside(Content& content, const RangeSet& areas) {
    for (const Range& range : complement(areas, content.size())) {
        std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length, std::byte{0});
    }
}

Bytes sum_of(const std::vector<Range>& ranges) {
    return total_length(ranges);
}

}  // namespace

TEST(Copier, CopiesAwkwardSizesOntoADirtyTarget) {
    std::mt19937_64 random(1);
    for (const Bytes size : {Bytes{0}, Bytes{1}, Bytes{511}, Bytes{512}, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1,
                             leaf_size - 1, leaf_size, leaf_size + 1, unit_size, unit_size + 1 * MiB + 512}) {
        SCOPED_TRACE(size);
        const Content content = random_content(random, size);
        block::MemorySource source(content);
        block::MemorySink sink(size, old_byte);
        const Plan plan = plan_full_copy({{0, size}}, size, false);
        const CopyOutcome outcome = copy_disk(plan, source, sink, quick_options(), {});
        expect_copied(plan, content, {}, sink, outcome);
        EXPECT_EQ(outcome.counts.sent + outcome.counts.zeroed, size);
    }
}

TEST(Copier, OnAZeroTargetZerosBecomeNothing) {
    Content content(4 * MiB);
    std::fill_n(content.begin() + 1 * MiB, 64 * KiB, std::byte{5});
    content[2 * MiB] = std::byte{1};
    block::MemorySource source(content);
    block::MemorySink sink(content.size());
    const CopyOutcome outcome =
        copy_disk(plan_full_copy({{0, content.size()}}, content.size(), true), source, sink, quick_options(), {});
    EXPECT_EQ(first_difference(sink.content, content), content.size());
    EXPECT_TRUE(sink.zeroes.empty());
    EXPECT_LE(outcome.counts.sent, 192 * KiB);
    EXPECT_EQ(outcome.counts.sent + outcome.counts.skipped, content.size());
}

TEST(Copier, ZerosInDataBecomeZeroRequestsOfAtLeast64KiB) {
    Content content(1 * MiB, std::byte{1});
    std::fill_n(content.begin() + 128 * KiB, 64 * KiB, std::byte{0});
    std::fill_n(content.begin() + 600 * KiB, 40 * KiB, std::byte{0});  // not a whole cell
    block::MemorySource source(content);
    block::MemorySink sink(content.size(), old_byte);
    const CopyOutcome outcome =
        copy_disk(plan_increment({{0, content.size()}}, content.size()), source, sink, quick_options(), {});
    EXPECT_EQ(first_difference(sink.content, content), content.size());
    EXPECT_EQ(sink.zeroes, (std::vector<Range>{{128 * KiB, 64 * KiB}}));
    EXPECT_EQ(outcome.counts.zeroed, 64 * KiB);
}

TEST(Copier, RequestsNeverCrossALeaf) {
    std::mt19937_64 random(2);
    const Content content = random_content(random, 3 * MiB);
    block::MemorySource source(content);
    block::MemorySink sink(content.size(), old_byte);
    copy_disk(plan_increment({{100 * KiB, 2 * MiB}}, content.size()), source, sink, quick_options(), {});
    ASSERT_FALSE(source.reads.empty());
    for (const Range& read : source.reads) {
        EXPECT_EQ(read.offset / leaf_size, (read.end() - 1) / leaf_size);
    }
}

TEST(Copier, HolesOfAnIncrementBecomeZerosWithADigest) {
    Content content(8 * MiB);
    block::MemorySource source(content);
    block::MemorySink sink(content.size(), old_byte);
    const Plan plan = plan_increment({{1 * MiB, 2 * MiB + 4 * KiB}}, content.size());
    const CopyOutcome outcome = copy_disk(plan, source, sink, quick_options(), {});
    EXPECT_TRUE(source.reads.empty());
    EXPECT_EQ(outcome.counts.zeroed, 2 * MiB + 4 * KiB);
    expect_copied(plan, content, Content(content.size(), old_byte), sink, outcome);
}

/// Random disks, plans, limits, orders of answers, breaks and restarts of the target.
class RandomCopies : public testing::TestWithParam<int> {};

TEST_P(RandomCopies, ArriveWhole) {
    const auto seed = static_cast<std::uint64_t>(GetParam());
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Bytes size = (1 + random() % 8192) * 512;
    Content content = random_content(random, size);
    const bool is_full = random() % 2 == 0;
    const bool target_is_zero = is_full && random() % 2 == 0;
    const std::vector<Range> areas = random_areas(random, size, 1 + static_cast<int>(random() % 12));
    const Plan plan = is_full ? plan_full_copy(areas, size, target_is_zero) : plan_increment(areas, size);
    if (is_full) {
        make_zero_outside(content, plan.areas);
    }
    block::MemorySource source(content, random() % 3 == 0 ? 4096 + random() % 60'000 : 2 * MiB);
    source.answers_newest_first = random() % 2 == 0;
    block::MemorySink sink(size, target_is_zero ? std::byte{0} : old_byte, random() % 2 == 0 ? 32 * MiB : 50'000);
    const Content before = sink.content;
    sink.unanswered_depth = random() % 6;
    sink.answers_newest_first = random() % 2 == 0;
    sink.multi_conn = random() % 3 != 0;
    CopyOptions options = quick_options();
    options.lanes = 1 + random() % 4;
    options.requests_in_flight = 1 + random() % 16;
    options.flush_bytes = random() % 2 == 0 ? 512 * KiB : 1 * GiB;
    // Each connection breaks after a while, until there were enough breaks.
    std::atomic<int> cuts = static_cast<int>(random() % 12);
    const int length = 1 + static_cast<int>(random() % 40);
    source.on_open = [&] { source.break_at = cuts-- > 0 ? length : 0; };
    sink.on_open = [&] { sink.break_at = cuts-- > 0 ? length : 0; };
    std::atomic<int> until_restart = random() % 2 == 0 ? static_cast<int>(random() % 40) : -1;
    sink.on_write = [&](Range) {
        if (until_restart-- == 0) {
            sink.restart();
        }
    };
    const CopyOutcome outcome = copy_disk(plan, source, sink, options, {});
    expect_copied(plan, content, before, sink, outcome);
    EXPECT_EQ(source.open_channels, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomCopies, testing::Range(1, 120));

TEST(Copier, ABreakRepeatsOnlyWhatWasNotAnswered) {
    std::mt19937_64 random(3);
    Content content(3 * MiB, std::byte{1});
    for (int nth = 1; nth <= 12; ++nth) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size(), old_byte);
        sink.unanswered_depth = 4;
        sink.multi_conn = false;
        sink.break_at = nth;
        const Plan plan = plan_increment({{0, content.size()}}, content.size());
        const CopyOutcome outcome = copy_disk(plan, source, sink, quick_options(), {});
        expect_copied(plan, content, {}, sink, outcome);
        // Four waited, one was being written when it broke.
        EXPECT_LE(outcome.counts.sent, content.size() + 5 * leaf_size) << nth;
        EXPECT_LE(sum_of(source.reads), content.size() + 4 * leaf_size) << nth;
    }
}

TEST(Copier, ABrokenReaderIsOpenedAgainAndAskedForWhatIsMissing) {
    Content content(2 * MiB, std::byte{1});
    for (int nth = 1; nth <= 8; ++nth) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size());
        source.break_at = nth;
        const Plan plan = plan_increment({{0, content.size()}}, content.size());
        const CopyOutcome outcome = copy_disk(plan, source, sink, quick_options(), {});
        expect_copied(plan, content, Content(content.size()), sink, outcome);
        EXPECT_EQ(sum_of(source.reads), content.size()) << nth;
    }
}

TEST(Copier, AnotherInstanceGetsEverythingThatWasNotFlushedAgain) {
    Content content(3 * MiB, std::byte{1});
    for (int nth = 0; nth < 12; ++nth) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size(), old_byte);
        sink.unanswered_depth = static_cast<std::size_t>(nth % 3);
        std::atomic<int> left = nth;
        sink.on_write = [&](Range) {
            if (left-- == 0) {
                sink.restart();
            }
        };
        const Plan plan = plan_increment({{0, content.size()}}, content.size());
        const CopyOutcome outcome = copy_disk(plan, source, sink, quick_options(), {});
        expect_copied(plan, content, {}, sink, outcome);
    }
}

namespace {

/// A server that does not tell who it is.
class NamelessSink : public block::MemorySink {
  public:
    using MemorySink::MemorySink;
    std::string instance() const override { return {}; }
};

}  // namespace

TEST(Copier, AServerWithoutANameGetsEverythingAgainAfterACut) {
    Content content(4 * MiB, std::byte{1});
    block::MemorySource source(content);
    NamelessSink sink(content.size(), old_byte);
    sink.multi_conn = false;
    sink.on_write = [&, left = 9](Range) mutable {
        if (left-- == 0) {
            std::fill(sink.content.begin(), sink.content.end(), old_byte);  // it forgot
            throw Error(ErrorCode::unavailable, "the server is gone");
        }
    };
    const Plan plan = plan_increment({{0, content.size()}}, content.size());
    expect_copied(plan, content, {}, sink, copy_disk(plan, source, sink, quick_options(), {}));
}

TEST(Copier, AReadersErrorIsRepeatedThreeTimesAndThenNamed) {
    Content content(2 * MiB, std::byte{1});
    for (const auto& [failures, max_request] :
         {std::pair{1, 2 * MiB}, {3, 2 * MiB}, {4, 2 * MiB}, {1, 64 * KiB}, {3, 64 * KiB}, {4, 64 * KiB}}) {
        block::MemorySource source(content, max_request);
        block::MemorySink sink(content.size());
        std::atomic<int> left = failures;
        source.on_read = [&](Range range) {
            if (range.offset == 1 * MiB && left-- > 0) {
                throw Error(ErrorCode::external, "I/O error");
            }
        };
        const Plan plan = plan_increment({{0, content.size()}}, content.size());
        if (failures <= 3) {
            expect_copied(plan, content, {}, sink, copy_disk(plan, source, sink, quick_options(), {}));
            continue;
        }
        try {
            copy_disk(plan, source, sink, quick_options(), {});
            FAIL() << "a sector that cannot be read was left out";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::external);
            EXPECT_NE(error.cause().find("offset 1048576"), std::string::npos) << error.cause();
            EXPECT_NE(error.cause().find("I/O error"), std::string::npos) << error.cause();
        }
    }
}

TEST(Copier, ALostConnectionIsTold) {
    const Content content(1 * MiB, std::byte{1});
    const Plan plan = plan_increment({{0, content.size()}}, content.size());
    for (const bool is_reader : {true, false}) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size());
        std::atomic<bool> is_told = false;
        const auto refuse = [&] {
            if (!is_told) {
                throw Error(ErrorCode::unavailable, "nobody answers");
            }
        };
        (is_reader ? source.on_open : sink.on_open) = refuse;
        std::string last;
        const auto on_status = [&](const CopyStatus& status) {
            last = status.trouble;
            is_told = is_told || last.find("nobody answers") != std::string::npos;
        };
        const std::vector<DiskTask> tasks{{.name = "disk",
                                           .plan = &plan,
                                           .open_source =
                                               [&](const std::stop_token&) {
                                                   return std::shared_ptr<block::BlockSource>(std::shared_ptr<void>{},
                                                                                              &source);
                                               },
                                           .sink = &sink}};
        const CopyOutcome outcome = std::move(copy_disks(tasks, quick_options(), on_status, {}).front());
        expect_copied(plan, content, {}, sink, outcome);
        EXPECT_TRUE(is_told);
        EXPECT_EQ(last, "") << "it is over";
    }
}

TEST(Copier, PatienceEnds) {
    Content content(1 * MiB, std::byte{1});
    block::MemorySource source(content);
    block::MemorySink sink(content.size());
    CopyOptions options = quick_options();
    options.patience.give_up_after = std::chrono::milliseconds{20};
    sink.on_open = [] { throw Error(ErrorCode::unavailable, "nobody answers"); };
    const Plan plan = plan_increment({{0, content.size()}}, content.size());
    try {
        copy_disk(plan, source, sink, options, {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::unavailable);
    }
    sink.on_open = {};
    source.on_open = [] { throw Error(ErrorCode::timeout, "nobody answers"); };
    try {
        copy_disk(plan, source, sink, options, {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::timeout);
    }
}

TEST(Copier, FullAndBrokenTargetsEndTheCopyAtOnce) {
    Content content(1 * MiB, std::byte{1});
    for (const ErrorCode code : {ErrorCode::exhausted, ErrorCode::corrupt, ErrorCode::external}) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size());
        std::atomic<int> writes = 0;
        sink.on_write = [&](Range) {
            ++writes;
            throw Error(code, "no");
        };
        sink.multi_conn = false;
        const Plan plan = plan_increment({{0, content.size()}}, content.size());
        try {
            copy_disk(plan, source, sink, quick_options(), {});
            FAIL();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), code);
        }
        EXPECT_EQ(writes, 1);
    }
}

TEST(Copier, AStopEndsEveryWait) {
    Content content(4 * MiB, std::byte{1});
    for (int nth = 0; nth < 16; ++nth) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size());
        std::stop_source stop;
        std::atomic<int> left = nth;
        source.on_read = [&](Range) {
            if (left-- == 0) {
                stop.request_stop();
            }
        };
        const Plan plan = plan_increment({{0, content.size()}}, content.size());
        try {
            copy_disk(plan, source, sink, quick_options(), stop.get_token());
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::cancelled);
        }
        EXPECT_EQ(source.open_channels + sink.open_channels, 0);
    }
}

TEST(Copier, WithoutMultiConnThereIsOneChannel) {
    Content content(34 * MiB, std::byte{1});
    block::MemorySource source(content);
    block::MemorySink sink(content.size());
    sink.multi_conn = false;
    std::atomic<int> opened = 0;
    sink.on_open = [&] { ++opened; };
    copy_disk(plan_increment({{0, content.size()}}, content.size()), source, sink, quick_options(), {});
    EXPECT_EQ(opened, 1);
    EXPECT_EQ(first_difference(sink.content, content), content.size());
}

TEST(Copier, SixtyDisksTakeTurns) {
    constexpr std::size_t count = 60;
    std::mt19937_64 random(5);
    std::vector<Content> contents;
    std::vector<std::unique_ptr<block::MemorySink>> sinks;
    std::vector<Plan> plans;
    for (std::size_t i = 0; i < count; ++i) {
        contents.push_back(random_content(random, (1 + random() % 512) * 512));
        sinks.push_back(std::make_unique<block::MemorySink>(contents.back().size(), old_byte));
        plans.push_back(plan_full_copy({{0, contents.back().size()}}, contents.back().size(), false));
    }
    std::atomic<int> open = 0;
    std::atomic<int> most = 0;
    std::vector<DiskTask> tasks;
    for (std::size_t i = 0; i < count; ++i) {
        tasks.push_back({.name = "disk " + std::to_string(i),
                         .plan = &plans[i],
                         .open_source =
                             [&, i](const std::stop_token&) {
                                 most = std::max(most.load(), ++open);
                                 return std::shared_ptr<block::BlockSource>(new block::MemorySource(contents[i]),
                                                                            [&](block::BlockSource* gone) {
                                                                                --open;
                                                                                delete gone;
                                                                            });
                             },
                         .sink = sinks[i].get()});
    }
    std::vector<CopyStatus> told;
    const std::vector<CopyOutcome> outcomes =
        copy_disks(tasks, quick_options(), [&](const CopyStatus& status) { told.push_back(status); }, {});
    for (std::size_t i = 0; i < count; ++i) {
        SCOPED_TRACE(i);
        expect_copied(plans[i], contents[i], {}, *sinks[i], outcomes[i]);
        EXPECT_TRUE(told.back().disks[i].is_finished);
        EXPECT_EQ(told.back().disks[i].counts.done, told.back().disks[i].planned);
    }
    EXPECT_EQ(open, 0);
    EXPECT_LE(most, 8);
}

TEST(Copier, AFailureOfOneDiskNamesItAndEndsAll) {
    std::mt19937_64 random(6);
    const Content content = random_content(random, 2 * MiB);
    block::MemorySource good(content);
    block::MemorySource bad(content);
    bad.on_read = [](Range) { throw Error(ErrorCode::corrupt, "not NBD"); };
    block::MemorySink sink(content.size());
    block::MemorySink other(content.size());
    const Plan plan = plan_increment({{0, content.size()}}, content.size());
    const auto borrowed = [](block::BlockSource& source) {
        return [&source](const std::stop_token&) {
            return std::shared_ptr<block::BlockSource>(std::shared_ptr<void>{}, &source);
        };
    };
    const std::vector<DiskTask> tasks{
        {.name = "system disk", .plan = &plan, .open_source = borrowed(good), .sink = &sink},
        {.name = "data disk", .plan = &plan, .open_source = borrowed(bad), .sink = &other}};
    try {
        copy_disks(tasks, quick_options(), {}, {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::corrupt);
        EXPECT_EQ(error.cause().rfind("data disk", 0), 0U) << error.cause();
    }
}

TEST(Copier, ASourceOfAnotherSizeIsRefused) {
    block::MemorySource source(Content(1 * MiB));
    block::MemorySink sink(2 * MiB);
    const Plan plan = plan_increment({{0, 512}}, 1 * MiB + 512);
    EXPECT_THROW(copy_disk(plan, source, sink, quick_options(), {}), Error);
    block::MemorySink small(1 * MiB - 512);
    EXPECT_THROW(copy_disk(plan_increment({{0, 512}}, 1 * MiB), source, small, quick_options(), {}), Error);
}

TEST(Copier, WhatIsDurableIsTold) {
    std::mt19937_64 random(7);
    const Content content = random_content(random, 34 * MiB);
    block::MemorySource source(content);
    block::MemorySink sink(content.size());
    const Plan plan = plan_increment({{0, content.size()}}, content.size());
    std::mutex mutex;
    Bytes told = 0;
    CopyOptions options = quick_options();
    options.flush_bytes = 1 * MiB;
    const std::vector<DiskTask> tasks{{.name = "disk",
                                       .plan = &plan,
                                       .open_source =
                                           [&](const std::stop_token&) {
                                               return std::shared_ptr<block::BlockSource>(std::shared_ptr<void>{},
                                                                                          &source);
                                           },
                                       .sink = &sink,
                                       .on_durable =
                                           [&](std::span<const RunDigest> runs, std::span<const Range>) {
                                               const std::lock_guard lock(mutex);
                                               EXPECT_GT(sink.flushes, 0);
                                               for (const RunDigest& run : runs) {
                                                   EXPECT_EQ(run.digest, digest_of(content, run.range));
                                                   told += run.range.length;
                                               }
                                           }}};
    copy_disks(tasks, options, {}, {});
    EXPECT_EQ(told, content.size());
}
