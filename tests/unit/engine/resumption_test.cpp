// A machine that is copied by attempts which are killed anywhere, while its guest goes on writing.

#include <gtest/gtest.h>

#include "engine/pass.hpp"
#include "unit/engine/copy_rig.hpp"

using namespace mk;
using namespace mk::engine;
using namespace mk::test;

namespace {

const DiskId disk_id{"disk-2000"};

class Replica {
  public:
    Replica(std::uint64_t seed, Bytes size) : random_(seed) {
        FakeDisk disk;
        disk.facts = {.id = disk_id, .capacity = size, .backing_uuid = "uuid", .change_id = id_of(1)};
        disk.content = random_content(random_, size);
        source.machine_disks.push_back(std::move(disk));
        renew_sink(true);
        order.disks.push_back({.id = disk_id, .base = std::nullopt, .session = "export-1"});
        order.copy = quick_options();
        order.copy.flush_bytes = 256 * KiB;
        order.copy.lanes = 2;
        tell_tracking();
    }

    FakeDisk& disk() { return source.machine_disks.front(); }
    block::MemorySink& sink() { return *target.disks.at(disk_id); }

    /// From now on there is a recovery point of what the disk holds now, and a session on top of it.
    void make_base() {
        sink().content = disk().content;
        renew_sink(false);
        order.disks[0].base = Base{disk().facts.change_id, "uuid", disk().facts.capacity};
    }

    /// Somebody wrote to the replica.
    void plant(Bytes offset) {
        sink().content[offset] ^= std::byte{1};
        sink().open_channel({})->flush({});
    }

    void guest_writes(Range range, bool zeros = false) {
        for (Bytes i = range.offset; i < range.end(); ++i) {
            disk().content[i] = zeros ? std::byte{0} : static_cast<std::byte>(random_() | 1);
        }
        changes_.push_back({sequence_, range});
    }
    void take_next_snapshot() {
        disk().facts.change_id = id_of(++sequence_);
        tell_tracking();
    }
    /// Change tracking forgets what was before now.
    void reset_tracking() { first_valid_ = sequence_; }

    /// Nothing when it failed.
    std::optional<PassReport> attempt() {
        order.disks[0].target_is_zero = !order.disks[0].base;
        order.disks[0].target_has_writes = attempts_++ > 0;
        checkpoints.is_dead = false;
        events_ = 0;
        try {
            return run_pass(source, target, &checkpoints, order, {}, {});
        } catch (const Error& error) {
            EXPECT_EQ(error.cause().find("killed") != std::string::npos, is_killed()) << error.cause();
            return std::nullopt;
        }
    }

    /// The engine dies at the n-th thing that it does from now on; -1: it lives.
    void kill_at(int nth) { kill_at_ = nth; }
    bool is_killed() const { return kill_at_ >= 0 && events_ > kill_at_; }

    void expect_whole(const PassReport& report) {
        EXPECT_EQ(first_difference(sink().content, disk().content), disk().content.size());
        const DiskReport& of_disk = report.disks.front();
        Bytes sum = 0;
        for (const RunDigest& run : of_disk.digests) {
            EXPECT_EQ(run.digest, digest_of(disk().content, run.range)) << run.range.offset;
            sum += run.range.length;
        }
        EXPECT_EQ(sum, of_disk.planned);
    }

    FakeSource source;
    FakeTarget target;
    FakeCheckpoints checkpoints;
    PassOrder order;

  private:
    static std::string id_of(int sequence) { return "52 aa/" + std::to_string(sequence); }

    void renew_sink(bool is_new) {
        const Content before = is_new ? Content(disk().content.size()) : sink().content;
        auto sink = std::make_shared<block::MemorySink>(before.size());
        sink->content = before;
        // What it holds is durable.
        const auto channel = sink->open_channel({});
        channel->flush({});
        sink->flushes = 0;
        sink->unanswered_depth = 2;
        sink->on_write = [this](Range) { event(); };
        sink->on_flush = [this] { event(); };
        target.disks[disk_id] = std::move(sink);
        disk().on_read = [this](Range) { event(); };
        checkpoints.on_call = [this](const char*) { event(); };
        checkpoints.on_append = [this] {
            if (is_time_to_die()) {
                checkpoints.is_dead = true;
            }
        };
    }

    bool is_time_to_die() { return events_++ >= kill_at_ && kill_at_ >= 0; }
    void event() {
        if (is_time_to_die()) {
            checkpoints.is_dead = true;
            throw Error(ErrorCode::corrupt, "killed");
        }
    }

    void tell_tracking() {
        disk().changes.clear();
        for (int since = first_valid_; since <= sequence_; ++since) {
            std::vector<Range> areas;
            for (const auto& [written_after, range] : changes_) {
                if (written_after >= since) {
                    areas.push_back(range);
                }
            }
            disk().changes[id_of(since)] = areas;
        }
        disk().allocated.clear();
        constexpr Bytes grain = 64 * KiB;
        const Content& content = disk().content;
        for (Bytes at = 0; at < content.size(); at += grain) {
            const Bytes length = std::min(grain, content.size() - at);
            const auto begin = content.begin() + static_cast<std::ptrdiff_t>(at);
            if (std::any_of(begin, begin + static_cast<std::ptrdiff_t>(length),
                            [](std::byte value) { return value != std::byte{0}; })) {
                disk().allocated.push_back({at, length});
            }
        }
    }

    std::mt19937_64 random_;
    std::vector<std::pair<int, Range>> changes_;  ///< after which snapshot, what
    int sequence_ = 1;
    int first_valid_ = 1;
    int attempts_ = 0;
    std::atomic<int> kill_at_ = -1;
    std::atomic<int> events_ = 0;
};

}  // namespace

TEST(Resumption, WhatIsInTheCheckpointIsNotReadAgain) {
    Replica replica(1, 70 * MiB);
    replica.order.copy.lanes = 1;
    std::fill(replica.disk().content.begin(), replica.disk().content.end(), std::byte{3});
    replica.take_next_snapshot();
    replica.kill_at(800);
    EXPECT_FALSE(replica.attempt());
    replica.guest_writes({1 * MiB, 4 * KiB});
    replica.take_next_snapshot();
    replica.kill_at(-1);
    const std::optional<PassReport> report = replica.attempt();
    ASSERT_TRUE(report);
    replica.expect_whole(*report);
    const DiskReport& disk = report->disks.front();
    EXPECT_GE(disk.resumed, 1 * MiB);
    EXPECT_LE(disk.resumed, 70 * MiB - leaf_size) << "the guest wrote into a run";
    EXPECT_EQ(disk.planned, 70 * MiB);
    EXPECT_EQ(disk.read, 70 * MiB - disk.resumed);
}

TEST(Resumption, KilledAnywhereTheNextAttemptIsWhole) {
    bool was_killed = true;
    for (int nth = 0; was_killed; ++nth) {
        SCOPED_TRACE(nth);
        Replica replica(2, 2 * MiB + 512);
        replica.kill_at(nth);
        was_killed = !replica.attempt();
        if (nth % 2 == 0) {
            replica.sink().restart();  // the target lost what was not flushed
        }
        replica.guest_writes({1 * MiB + 512, 300 * KiB});
        replica.guest_writes({64 * KiB, 128 * KiB}, true);
        replica.take_next_snapshot();
        replica.kill_at(-1);
        const std::optional<PassReport> report = replica.attempt();
        ASSERT_TRUE(report);
        replica.expect_whole(*report);
    }
}

class ManyAttempts : public testing::TestWithParam<int> {};

TEST_P(ManyAttempts, EndWhole) {
    const auto seed = static_cast<std::uint64_t>(GetParam());
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Bytes size = (1 + random() % 6000) * 512;
    Replica replica(seed, size);
    const bool has_base = random() % 2 == 0;
    const auto some_range = [&] {
        const Bytes offset = random() % size;
        return Range{offset, 1 + random() % std::min<Bytes>(size - offset, 400 * KiB)};
    };
    if (has_base) {
        replica.make_base();
    }
    for (std::uint64_t attempts = random() % 5; attempts > 0; --attempts) {
        for (std::uint64_t writes = random() % 4; writes > 0; --writes) {
            replica.guest_writes(some_range(), random() % 3 == 0);
        }
        replica.take_next_snapshot();
        replica.kill_at(static_cast<int>(random() % 30));
        replica.attempt();
        if (random() % 3 == 0) {
            replica.sink().restart();
        }
        if (random() % 8 == 0) {
            replica.checkpoints.disks.clear();  // the file was lost
        }
        if (!has_base && random() % 8 == 0) {
            replica.reset_tracking();
        }
    }
    replica.guest_writes(some_range());
    replica.take_next_snapshot();
    replica.kill_at(-1);
    const std::optional<PassReport> report = replica.attempt();
    ASSERT_TRUE(report);
    replica.expect_whole(*report);
    EXPECT_EQ(report->disks.front().incremental, has_base);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManyAttempts, testing::Range(1, 100));

TEST(Resumption, AnotherSessionOrAnotherDiskBeginsAnew) {
    for (const bool is_other_session : {true, false}) {
        Replica replica(3, 1 * MiB);
        ASSERT_TRUE(replica.attempt());
        if (is_other_session) {
            replica.order.disks[0].session = "export-2";
        } else {
            replica.disk().facts.backing_uuid = "another";
        }
        replica.take_next_snapshot();
        const std::optional<PassReport> report = replica.attempt();
        ASSERT_TRUE(report);
        replica.expect_whole(*report);
        EXPECT_EQ(report->disks.front().resumed, 0U);
        EXPECT_GT(report->disks.front().read, 0U);
    }
}

TEST(Resumption, AResetOfChangeTrackingReadsEverythingAgain) {
    Replica replica(4, 1 * MiB);
    ASSERT_TRUE(replica.attempt());
    replica.guest_writes({0, 256 * KiB}, true);
    replica.take_next_snapshot();
    replica.reset_tracking();
    replica.take_next_snapshot();
    const std::optional<PassReport> report = replica.attempt();
    ASSERT_TRUE(report);
    replica.expect_whole(*report);
    EXPECT_EQ(report->disks.front().resumed, 0U);
}

TEST(Resumption, WithoutCheckpointASessionWithWritesIsNotZero) {
    Replica replica(5, 2 * MiB);
    replica.kill_at(12);
    EXPECT_FALSE(replica.attempt());
    replica.checkpoints.disks.clear();
    replica.guest_writes({0, 2 * MiB}, true);
    replica.take_next_snapshot();
    replica.kill_at(-1);
    const std::optional<PassReport> report = replica.attempt();
    ASSERT_TRUE(report);
    replica.expect_whole(*report);
    EXPECT_GT(report->disks.front().zeroed, 0U);
}

TEST(Resumption, WithoutAPlaceForTheCheckpointNothingIsWritten) {
    Replica replica(6, 1 * MiB);
    replica.checkpoints.on_call = [](const char* what) {
        if (std::string_view(what) == "begin") {
            throw Error(ErrorCode::exhausted, "killed: no space for the checkpoint");
        }
    };
    try {
        run_pass(replica.source, replica.target, &replica.checkpoints, replica.order, {}, {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::exhausted);
    }
    EXPECT_TRUE(replica.sink().writes.empty());
    EXPECT_FALSE(replica.source.is_frozen);
}

TEST(Resumption, TheBeginningOfAUnitIsNotReadAgain) {
    Replica replica(1, 20 * MiB);
    replica.order.copy.lanes = 1;
    std::fill(replica.disk().content.begin(), replica.disk().content.end(), std::byte{3});
    replica.take_next_snapshot();
    replica.kill_at(100);
    EXPECT_FALSE(replica.attempt());
    replica.take_next_snapshot();
    replica.kill_at(-1);
    const std::optional<PassReport> report = replica.attempt();
    ASSERT_TRUE(report);
    replica.expect_whole(*report);
    EXPECT_GE(report->disks.front().resumed, 1 * MiB);
}

TEST(Resumption, WhatALostCheckpointLeftUnknownStaysUnknown) {
    Replica replica(5, 2 * MiB);
    replica.kill_at(12);
    EXPECT_FALSE(replica.attempt());
    replica.checkpoints.disks.clear();
    replica.guest_writes({0, 2 * MiB}, true);
    replica.take_next_snapshot();
    replica.kill_at(2);
    EXPECT_FALSE(replica.attempt());
    ASSERT_FALSE(replica.checkpoints.disks.empty()) << "the second attempt has a checkpoint of its own";
    replica.take_next_snapshot();
    replica.kill_at(-1);
    const std::optional<PassReport> report = replica.attempt();
    ASSERT_TRUE(report);
    replica.expect_whole(*report);
}

TEST(Resumption, AKilledComparisonGoesOnComparingAndForgetsNoDifference) {
    bool was_killed = true;
    for (int nth = 0; was_killed; ++nth) {
        SCOPED_TRACE(nth);
        Replica replica(7, 2 * MiB + 512);
        replica.make_base();
        replica.plant(1 * MiB + 5);
        replica.order.compare_percent = 100;
        replica.take_next_snapshot();
        replica.kill_at(nth);
        was_killed = !replica.attempt();
        if (nth % 2 == 0) {
            replica.sink().restart();
        }
        replica.take_next_snapshot();
        replica.kill_at(-1);
        const std::optional<PassReport> report = replica.attempt();
        ASSERT_TRUE(report);
        replica.expect_whole(*report);
        const DiskReport& disk = report->disks.front();
        EXPECT_LE(disk.sent + disk.zeroed, leaf_size) << "it is not copied blindly";
        EXPECT_TRUE(meets(disk.differences, {1 * MiB + 5, 1}));
    }
}
