#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "engine/pass.hpp"
#include "unit/engine/copy_rig.hpp"

using namespace mk;
using namespace mk::engine;
using namespace mk::test;

namespace {

const DiskId disk_id{"disk-2000"};

/// A disk whose target is a copy of it, and a change tracking that can lie.
class Comparison : public testing::Test {
  protected:
    Comparison() {
        FakeDisk disk;
        disk.facts = {.id = disk_id, .capacity = size, .backing_uuid = "uuid", .change_id = "52 aa/2"};
        disk.content = random_content(random, size);
        // A hole of some units, so that zeros are compared as well.
        std::fill_n(disk.content.begin() + 40 * MiB, 20 * MiB, std::byte{0});
        std::fill_n(disk.content.begin() + 2 * MiB, 4 * MiB, std::byte{5});
        disk.allocated = {{0, size}};
        disk.changes["52 aa/1"] = {};
        source.machine_disks.push_back(disk);
        sink = std::make_shared<block::MemorySink>(size);
        sink->content = disk.content;
        target.disks[disk_id] = sink;
        order.disks.push_back({.id = disk_id, .base = Base{"52 aa/1", "uuid", size}, .session = "export"});
        order.compare_percent = 100;
        order.copy = quick_options();
    }

    DiskReport run() {
        PassReport report = run_pass(source, target, nullptr, order, {}, {});
        return std::move(report.disks.front());
    }
    void plant(Bytes offset) { sink->content[offset] ^= std::byte{1}; }
    bool is_equal() const { return sink->content == source.machine_disks.front().content; }

    static constexpr Bytes size = 66 * MiB + 512;
    std::mt19937_64 random{9};
    FakeSource source;
    FakeTarget target;
    std::shared_ptr<block::MemorySink> sink;
    PassOrder order;
};

Range leaf_at(Bytes offset, Bytes capacity) {
    const Bytes start = offset / leaf_size * leaf_size;
    return {start, std::min(leaf_size, capacity - start)};
}

}  // namespace

TEST_F(Comparison, OfEqualContentSendsNothing) {
    const DiskReport report = run();
    EXPECT_TRUE(report.incremental);
    EXPECT_TRUE(report.differences.empty());
    EXPECT_EQ(report.compared, size);
    EXPECT_EQ(report.sent + report.zeroed, 0U);
    EXPECT_TRUE(sink->writes.empty());
    EXPECT_FALSE(report.digests.empty());
}

TEST_F(Comparison, FindsAPlantedDifferenceAndSendsOnlyIt) {
    for (const Bytes at : {Bytes{0}, 32 * MiB - 1, 50 * MiB, size - 1}) {
        SCOPED_TRACE(at);
        plant(at);
        sink->writes.clear();
        sink->zeroes.clear();
        const DiskReport report = run();
        EXPECT_TRUE(is_equal());
        EXPECT_LE(report.sent + report.zeroed, leaf_size);
        ASSERT_EQ(report.differences.size(), 1U);
        EXPECT_LE(report.differences[0].length, leaf_size);
        EXPECT_LE(report.differences[0].offset, at);
        EXPECT_GT(report.differences[0].end(), at);
        for (const RunDigest& run : report.digests) {
            EXPECT_EQ(run.digest, digest_of(source.machine_disks[0].content, run.range));
        }
    }
}

TEST_F(Comparison, WithoutABaseTheWholeDiskIsComparedInsteadOfSent) {
    order.disks[0].base.reset();
    plant(3 * MiB);
    plant(45 * MiB);
    const DiskReport report = run();
    EXPECT_FALSE(report.incremental);
    EXPECT_TRUE(is_equal());
    EXPECT_EQ(report.compared, size);
    EXPECT_LE(report.sent + report.zeroed, 2 * leaf_size);
    EXPECT_EQ(report.differences.size(), 2U);
}

TEST_F(Comparison, OnlyComparingSendsNothing) {
    order.only_compare = true;
    plant(3 * MiB);
    plant(45 * MiB);
    sink->on_open = [] { throw Error(ErrorCode::internal, "nothing is to be written"); };
    const Content before = sink->content;
    const DiskReport report = run();
    EXPECT_EQ(report.differences, (std::vector<Range>{leaf_at(3 * MiB, size), leaf_at(45 * MiB, size)}));
    EXPECT_TRUE(sink->content == before);
    EXPECT_TRUE(report.digests.empty());
}

TEST_F(Comparison, OnlyComparingLeavesOutWhatChangedSinceTheBase) {
    order.only_compare = true;
    source.machine_disks[0].changes["52 aa/1"] = {{2 * MiB, 2 * MiB}};
    plant(3 * MiB);
    EXPECT_TRUE(run().differences.empty());
}

TEST_F(Comparison, OnlyComparingNeedsABaseThatFits) {
    order.only_compare = true;
    source.machine_disks[0].changes.clear();
    try {
        run();
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::conflict);
        EXPECT_EQ(error.native(), "NotComparable");
    }
    EXPECT_FALSE(source.is_frozen);
}

TEST_F(Comparison, AfterAResetOfChangeTrackingOnlyDifferencesAreSent) {
    source.machine_disks[0].changes.clear();
    plant(3 * MiB);
    const DiskReport report = run();
    EXPECT_TRUE(is_equal());
    EXPECT_EQ(report.full_copy_reason, "change tracking was reset");
    EXPECT_LE(report.sent, leaf_size);
}

TEST_F(Comparison, ASampleReadsItsShareAndWhatChangedIsCopied) {
    order.compare_percent = 34;
    source.machine_disks[0].changes["52 aa/1"] = {{2 * MiB, 1 * MiB}};
    std::fill_n(source.machine_disks[0].content.begin() + 2 * MiB, 1 * MiB, std::byte{9});
    std::set<Bytes> shares;
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        order.sample_seed = seed;
        std::fill_n(sink->content.begin() + 2 * MiB, 1 * MiB, std::byte{1});
        const DiskReport report = run();
        EXPECT_TRUE(is_equal());
        EXPECT_EQ(report.sent, 1 * MiB);
        EXPECT_EQ(report.planned, 1 * MiB + report.compared);
        shares.insert(report.compared);
    }
    EXPECT_GT(shares.size(), 1U) << "chosen at random";
}

TEST_F(Comparison, LostDigestConnectionsAreOpenedAgain) {
    class Shaky : public TargetDigests {
      public:
        Shaky(std::unique_ptr<TargetDigests> real, std::atomic<int>& left) : real_(std::move(real)), left_(left) {}
        std::vector<LeafDigest> leaves(Range run, const std::stop_token& stop) override {
            if (left_-- > 0) {
                throw Error(ErrorCode::unavailable, "cut");
            }
            return real_->leaves(run, stop);
        }

      private:
        std::unique_ptr<TargetDigests> real_;
        std::atomic<int>& left_;
    };
    class ShakyTarget : public Target {
      public:
        ShakyTarget(Target& real, std::atomic<int>& left) : real_(real), left_(left) {}
        std::unique_ptr<block::BlockSink> open(const DiskId& disk, const std::stop_token& stop) override {
            return real_.open(disk, stop);
        }
        std::unique_ptr<TargetDigests> open_digests(const DiskId& disk, const std::stop_token& stop) override {
            return std::make_unique<Shaky>(real_.open_digests(disk, stop), left_);
        }

      private:
        Target& real_;
        std::atomic<int>& left_;
    };
    std::atomic<int> left = 5;
    ShakyTarget shaky(target, left);
    plant(3 * MiB);
    const PassReport report = run_pass(source, shaky, nullptr, order, {}, {});
    EXPECT_TRUE(is_equal());
    EXPECT_EQ(report.disks[0].differences.size(), 1U);
}

TEST_F(Comparison, CutsWhileDifferencesAreSentLoseNone) {
    order.copy.lanes = 1;  // a restart exchanges the sink's bytes, which another lane's digests would be taken of
    for (int nth = 0; nth < 4; ++nth) {
        for (Bytes at = 0; at < size; at += 9 * MiB) {
            plant(at);
        }
        std::atomic<int> left = nth;
        sink->on_write = [&](Range) {
            if (left-- == 0) {
                sink->restart();
            }
        };
        const auto channel = sink->open_channel({});
        channel->flush({});
        const DiskReport report = run();
        EXPECT_TRUE(is_equal());
        EXPECT_EQ(report.differences.size(), 8U);
    }
}

TEST_F(Comparison, NothingToCompareIsAnError) {
    order.only_compare = true;
    order.compare_percent = 0;
    EXPECT_THROW(run(), Error);
    EXPECT_EQ(source.freezes, 0);
}

TEST_F(Comparison, WhatIsFoundEqualIsMadeDurable) {
    run();  // the sink was filled without a flush, as by an attempt that was cut
    sink->restart();
    EXPECT_TRUE(is_equal());
}

TEST_F(Comparison, ARestartThatLosesNoByteLosesNoDifference) {
    order.copy.lanes = 1;
    plant(3 * MiB);
    plant(3 * MiB + 2 * leaf_size);  // of the same batch
    bool has_restarted = false;
    sink->on_flush = [&] {
        if (!std::exchange(has_restarted, true)) {
            sink->open_channel({})->flush({});
            sink->restart();
        }
    };
    const DiskReport report = run();
    EXPECT_TRUE(has_restarted);
    EXPECT_TRUE(is_equal());
    EXPECT_EQ(report.differences, (std::vector<Range>{leaf_at(3 * MiB, size), leaf_at(3 * MiB + 2 * leaf_size, size)}));
}

TEST_F(Comparison, WhatIsLostAfterItWasFoundEqualIsSent) {
    order.copy.lanes = 1;
    bool has_restarted = false;
    source.machine_disks[0].on_read = [&](Range) {
        if (!std::exchange(has_restarted, true)) {
            sink->restart();  // it was filled without a flush
        }
    };
    const DiskReport report = run();
    EXPECT_TRUE(is_equal());
    EXPECT_GT(report.sent, 0U);
}
