#include "engine/copier.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "unit/engine/fakes.hpp"

using namespace mk;
using namespace mk::engine;
using mk::test::Content;
using mk::test::random_content;

namespace {

std::string digest_of(const Content& content, Range range) {
    return sha256_hex(std::span(content).subspan(range.offset, range.length));
}

void expect_digests(const Plan& plan, const Content& content, const CopyOutcome& outcome) {
    ASSERT_EQ(outcome.digests.size(), plan.units.size());
    for (std::size_t i = 0; i < plan.units.size(); ++i) {
        EXPECT_EQ(outcome.digests[i].range, plan.units[i].range);
        EXPECT_EQ(outcome.digests[i].sha256, digest_of(content, plan.units[i].range)) << "unit " << i;
    }
}

}  // namespace

TEST(Copier, CopiesAwkwardSizesOntoADirtyTarget) {
    std::mt19937_64 random(1);
    for (const Bytes size : {Bytes{0}, Bytes{1}, Bytes{511}, Bytes{512}, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1,
                             unit_size - 1, unit_size, unit_size + 1, unit_size + 5 * MiB + 512}) {
        const Content content = random_content(random, size);
        block::MemorySource source(content);
        block::MemorySink sink(size, std::byte{0xEE});
        const Plan plan = plan_full_copy({{0, size}}, source, false, {});
        const CopyOutcome outcome = copy_disk(plan, source, sink, {.counts_holes = false}, {});
        EXPECT_TRUE(sink.content == content) << size;
        EXPECT_EQ(outcome.counts.done, plan.planned) << size;
        EXPECT_EQ(outcome.counts.sent + outcome.counts.zeroed, size);
        EXPECT_EQ(sink.flushes, 1);
        expect_digests(plan, content, outcome);
    }
}

TEST(Copier, RandomDisksArriveWhole) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 6; ++round) {
        const Content content = random_content(random, unit_size + random() % (8 * MiB));
        const bool target_is_zero = round % 2 == 0;
        block::MemorySource source(content, 1 + random() % (3 * MiB));
        block::MemorySink sink(content.size(), target_is_zero ? std::byte{0} : std::byte{0xEE}, 1 * MiB + 7);
        const Plan plan = plan_full_copy({{0, content.size()}}, source, target_is_zero, {});
        const CopyOutcome outcome =
            copy_disk(plan, source, sink, {.target_is_zero = target_is_zero, .counts_holes = false}, {});
        EXPECT_TRUE(sink.content == content);
        EXPECT_TRUE(!target_is_zero || sink.zeroes.empty());
        expect_digests(plan, content, outcome);
    }
}

TEST(Copier, AnIncrementTouchesItsAreasOnly) {
    std::mt19937_64 random(7);
    const Content before = random_content(random, 40 * MiB);
    Content after = before;
    const std::vector<Range> areas{{64 * KiB, 64 * KiB}, {10 * MiB, 1 * MiB}, {39 * MiB, 1 * MiB}};
    for (const Range& area : areas) {
        for (Bytes i = area.offset; i < area.end(); ++i) {
            after[i] = area.offset == 10 * MiB ? std::byte{0} : static_cast<std::byte>(random() | 1);
        }
    }
    block::MemorySource source(after);
    block::MemorySink sink(before.size());
    sink.content = before;
    const Plan plan = plan_increment(areas, source, {});
    const CopyOutcome outcome = copy_disk(plan, source, sink, {}, {});
    EXPECT_TRUE(sink.content == after);
    EXPECT_EQ(outcome.counts.sent, 64 * KiB + 1 * MiB);
    EXPECT_EQ(outcome.counts.zeroed, 1 * MiB);
    EXPECT_EQ(outcome.counts.done, 64 * KiB + 2 * MiB);
    expect_digests(plan, after, outcome);
}

TEST(Copier, HolesAreNotRead) {
    Content content(unit_size);
    std::fill_n(content.begin() + 8 * MiB, 1 * MiB, std::byte{1});
    block::MemorySource source(content);
    block::MemorySink sink(content.size());
    const Plan plan = plan_full_copy({{0, content.size()}}, source, true, {});
    const CopyOutcome outcome = copy_disk(plan, source, sink, {.target_is_zero = true, .counts_holes = false}, {});
    EXPECT_EQ(outcome.counts.read, 1 * MiB);
    EXPECT_EQ(outcome.counts.sent, 1 * MiB);
    EXPECT_EQ(outcome.counts.skipped, unit_size - 1 * MiB);
    expect_digests(plan, content, outcome);
}

TEST(Copier, AWholeUnitOfZerosHasTheRightDigest) {
    block::MemorySource source(Content(2 * unit_size));
    block::MemorySink sink(2 * unit_size, std::byte{0xEE});
    const Plan plan = plan_increment({{0, 2 * unit_size}}, source, {});
    const CopyOutcome outcome = copy_disk(plan, source, sink, {}, {});
    EXPECT_EQ(outcome.counts.read, 0U);
    EXPECT_EQ(sink.zeroes, (std::vector<Range>{{0, 2 * unit_size}})) << "one command for neighbouring runs";
    expect_digests(plan, Content(2 * unit_size), outcome);
}

TEST(Copier, ProgressNeverFallsAndEndsAtThePlan) {
    std::mt19937_64 random(3);
    const Content content = random_content(random, 50 * MiB);
    block::MemorySource source(content);
    block::MemorySink sink(content.size(), std::byte{0xEE});
    const Plan plan = plan_full_copy({{0, content.size()}}, source, false, {});
    Bytes last = 0;
    bool is_flushing = false;
    const CopyOptions options{.target_is_zero = false,
                              .counts_holes = false,
                              .on_progress =
                                  [&](const CopyCounts& counts) {
                                      EXPECT_GE(counts.done, last);
                                      last = counts.done;
                                  },
                              .on_flush =
                                  [&] {
                                      is_flushing = true;
                                      EXPECT_EQ(sink.flushes, 0);
                                  }};
    copy_disk(plan, source, sink, options, {});
    EXPECT_EQ(last, plan.planned);
    EXPECT_TRUE(is_flushing);
}

TEST(Copier, AFailureAtAnyReadOrWriteIsAFailure) {
    std::mt19937_64 random(5);
    const Content content = random_content(random, 9 * MiB);
    const auto attempt = [&](int failing_read, int failing_write) {
        block::MemorySource source(content);
        block::MemorySink sink(content.size(), std::byte{0xEE});
        int reads = 0;
        int writes = 0;
        source.on_read = [&](Range) {
            if (++reads == failing_read) {
                throw Error(ErrorCode::external, "read error");
            }
        };
        sink.on_write = [&](Range) {
            if (++writes == failing_write) {
                throw Error(ErrorCode::exhausted, "no space");
            }
        };
        const Plan plan = plan_full_copy({{0, content.size()}}, source, false, {});
        try {
            copy_disk(plan, source, sink, {.counts_holes = false}, {});
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), failing_read > 0 ? ErrorCode::external : ErrorCode::exhausted);
            EXPECT_EQ(sink.flushes, 0);
            return true;
        }
        EXPECT_TRUE(sink.content == content) << "success must mean a whole copy";
        return false;
    };
    int n = 1;
    while (attempt(n, 0)) {
        ++n;
    }
    EXPECT_GT(n, 3);
    n = 1;
    while (attempt(0, n)) {
        ++n;
    }
    EXPECT_GT(n, 3);
}

TEST(Copier, StopsInTheMiddle) {
    const Content content(32 * MiB, std::byte{1});
    block::MemorySource source(content);
    block::MemorySink sink(content.size());
    std::stop_source stop;
    sink.on_write = [&](Range range) {
        if (range.offset >= 4 * MiB) {
            stop.request_stop();
        }
    };
    const Plan plan = plan_full_copy({{0, content.size()}}, source, true, {});
    try {
        copy_disk(plan, source, sink, {.target_is_zero = true}, stop.get_token());
        FAIL() << "a stopped copy is no success";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    EXPECT_EQ(sink.flushes, 0);
}
