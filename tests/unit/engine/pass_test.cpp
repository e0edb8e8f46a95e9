#include "engine/pass.hpp"

#include <gtest/gtest.h>

#include "unit/engine/copy_rig.hpp"

using namespace mk;
using namespace mk::engine;
using namespace mk::test;

namespace {

/// A machine with two disks, and its replica's volumes.
class Pass : public testing::Test {
  protected:
    Pass() {
        add_disk(2000, 5 * MiB + 512);
        add_disk(2001, 3 * MiB);
    }

    void add_disk(int key, Bytes size) {
        FakeDisk disk;
        disk.facts = {.id = disk_id_from_key(key),
                      .capacity = size,
                      .backing_uuid = "uuid-" + std::to_string(key),
                      .change_id = "52 aa/1"};
        disk.content = random_content(random, size);
        disk.allocated = {{0, size}};
        source.machine_disks.push_back(disk);
        target.disks[disk.facts.id] = std::make_shared<block::MemorySink>(size);
        order.disks.push_back({.id = disk.facts.id, .base = std::nullopt, .target_is_zero = true});
    }

    /// The guest writes and a later snapshot is to be copied on top of the last one.
    void write_to_guest(std::size_t index, Range range) {
        FakeDisk& disk = source.machine_disks[index];
        const std::string base = disk.facts.change_id;
        order.disks[index].base = Base{base, disk.facts.backing_uuid, disk.facts.capacity};
        order.disks[index].target_is_zero = false;
        for (Bytes i = range.offset; i < range.end(); ++i) {
            disk.content[i] = static_cast<std::byte>(random() | 1);
        }
        disk.changes[base] = {range};
        disk.facts.change_id = "52 aa/2";
    }

    PassReport run(const ProgressCallback& on_progress = {}) {
        order.copy.patience = quick_options().patience;
        return run_pass(source, target, nullptr, order, on_progress, stop.get_token());
    }

    Error failure() {
        try {
            run();
        } catch (const Error& error) {
            return error;
        }
        ADD_FAILURE() << "the pass succeeded";
        return Error(ErrorCode::internal, "none");
    }

    void expect_equal() {
        for (const FakeDisk& disk : source.machine_disks) {
            EXPECT_TRUE(target.disks[disk.facts.id]->content == disk.content) << disk.facts.id.value;
        }
    }

    void expect_clean() {
        EXPECT_FALSE(source.is_frozen);
        EXPECT_EQ(source.open_readers, 0);
    }

    std::mt19937_64 random{42};
    FakeSource source;
    FakeTarget target;
    PassOrder order;
    std::stop_source stop;
};

}  // namespace

TEST_F(Pass, TheFirstCopyIsFullAndEqual) {
    const PassReport report = run();
    expect_equal();
    expect_clean();
    EXPECT_EQ(report.consistency, "crash");
    EXPECT_EQ(to_ms(report.snapshot_time), 1'700'000'000'000);
    ASSERT_EQ(report.disks.size(), 2U);
    EXPECT_FALSE(report.disks[0].incremental);
    EXPECT_EQ(report.disks[0].full_copy_reason, "first copy");
    EXPECT_EQ(report.disks[0].frozen.change_id, "52 aa/1");
    EXPECT_GE(target.disks[DiskId{"disk-2000"}]->flushes, 1);
    EXPECT_EQ(source.releases, 1);
}

TEST_F(Pass, AnIncrementSendsWhatChanged) {
    run();
    write_to_guest(0, {1 * MiB, 64 * KiB});
    write_to_guest(1, {2 * MiB, 128 * KiB});
    const PassReport report = run();
    expect_equal();
    EXPECT_TRUE(report.disks[0].incremental);
    EXPECT_EQ(report.disks[0].full_copy_reason, "");
    EXPECT_EQ(report.disks[0].sent, 64 * KiB);
    EXPECT_EQ(report.disks[1].sent, 128 * KiB);
    EXPECT_EQ(report.disks[0].frozen.change_id, "52 aa/2");
}

TEST_F(Pass, AnIncrementWritesItsZerosEvenWhenTheVolumeWasNew) {
    run();
    write_to_guest(0, {0, 1 * MiB});
    std::fill_n(source.machine_disks[0].content.begin(), 1 * MiB, std::byte{0});
    order.disks[0].target_is_zero = true;  // whatever the caller says
    run();
    expect_equal();
}

TEST_F(Pass, ARefusedChangeIdLeadsToAFullCopyOverTheOldContent) {
    run();
    write_to_guest(0, {0, 64 * KiB});
    write_to_guest(1, {0, 64 * KiB});
    source.machine_disks[0].changes.clear();
    // Something that is zero now and was not: a full copy onto a used volume must clear it.
    std::fill_n(source.machine_disks[0].content.begin() + 1 * MiB, 2 * MiB, std::byte{0});
    const PassReport report = run();
    expect_equal();
    EXPECT_EQ(report.disks[0].full_copy_reason, "change tracking was reset");
    EXPECT_TRUE(report.disks[1].incremental);
}

TEST_F(Pass, OutsideOfTheAllocatedAreasAUsedVolumeIsCleared) {
    FakeDisk& disk = source.machine_disks[0];
    std::fill(disk.content.begin(), disk.content.end(), std::byte{0});
    std::fill_n(disk.content.begin() + 2 * MiB, 1 * MiB, std::byte{5});
    disk.allocated = {{2 * MiB, 1 * MiB}};
    order.disks[0].target_is_zero = false;
    auto& sink = *target.disks[disk.facts.id];
    std::fill(sink.content.begin(), sink.content.end(), std::byte{0xEE});
    const PassReport report = run();
    expect_equal();
    EXPECT_EQ(report.disks[0].planned, 1 * MiB);
    EXPECT_EQ(report.disks[0].sent, 1 * MiB);
}

TEST_F(Pass, WithoutAllocationAnswerTheWholeDiskIsRead) {
    source.machine_disks[0].allocation_error = Error(ErrorCode::external, "FileFault").with_native("FileFault");
    source.machine_disks[1].facts.change_id = "";
    run();
    expect_equal();
}

TEST_F(Pass, ATransientAllocationFailureIsAFailure) {
    source.machine_disks[0].allocation_error = Error(ErrorCode::unavailable, "vCenter is away");
    EXPECT_EQ(failure().code(), ErrorCode::unavailable);
    expect_clean();
}

TEST_F(Pass, DisksThatCameOrWentAreRefused) {
    order.disks.pop_back();
    EXPECT_EQ(failure().native(), "SourceChanged");
    expect_clean();

    order.disks.push_back({.id = disk_id_from_key(2001)});
    source.machine_disks.pop_back();
    EXPECT_EQ(failure().native(), "SourceChanged");
    expect_clean();
}

TEST_F(Pass, ADiskLargerThanItsTargetIsRefused) {
    source.machine_disks[0].facts.capacity += 512;
    source.machine_disks[0].content.resize(source.machine_disks[0].facts.capacity);
    const Error error = failure();
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "SourceChanged");
    EXPECT_TRUE(target.disks[DiskId{"disk-2000"}]->writes.empty());
    expect_clean();
}

TEST_F(Pass, AReaderOfAnotherSizeThanTheSnapshotSaysStopsThePass) {
    source.machine_disks[0].reader_capacity_offset = 512;
    EXPECT_EQ(failure().code(), ErrorCode::corrupt);
    expect_clean();
}

TEST_F(Pass, WithoutTargetNoSnapshotIsTaken) {
    target.disks.erase(DiskId{"disk-2001"});
    EXPECT_EQ(failure().code(), ErrorCode::not_found);
    EXPECT_EQ(source.freezes, 0);
}

TEST_F(Pass, AFailureAtAnyWriteLeavesNoSnapshotAndNoSuccess) {
    int n = 1;
    for (bool has_failed = true; has_failed; ++n) {
        std::atomic<int> writes = 0;
        has_failed = false;
        target.disks[DiskId{"disk-2001"}]->on_write = [&](Range) {
            if (++writes == n) {
                throw Error(ErrorCode::exhausted, "no space");
            }
        };
        try {
            run();
        } catch (const Error& error) {
            has_failed = true;
            EXPECT_EQ(error.code(), ErrorCode::exhausted) << "not the cancellation of the other disk";
            EXPECT_NE(error.cause().find("disk-2001"), std::string::npos);
        }
        expect_clean();
    }
    EXPECT_GT(n, 2);
    expect_equal();
}

TEST_F(Pass, AFailureAtAnyReadLeavesNoSnapshotAndNoSuccess) {
    int n = 1;
    for (bool has_failed = true; has_failed; ++n) {
        std::atomic<int> reads = 0;
        has_failed = false;
        source.machine_disks[0].on_read = [&](Range) {
            if (++reads == n) {
                throw Error(ErrorCode::corrupt, "not what was asked");
            }
        };
        try {
            run();
        } catch (const Error&) {
            has_failed = true;
        }
        expect_clean();
    }
    EXPECT_GT(n, 2);
    expect_equal();
}

TEST_F(Pass, AStopRemovesTheSnapshot) {
    target.disks[DiskId{"disk-2000"}]->on_write = [&](Range) { stop.request_stop(); };
    EXPECT_EQ(failure().code(), ErrorCode::cancelled);
    expect_clean();
    EXPECT_EQ(source.releases, 1);
}

TEST_F(Pass, ASnapshotThatRemainsAfterAFailureIsSaid) {
    target.disks[DiskId{"disk-2000"}]->on_write = [&](Range) { throw Error(ErrorCode::external, "write error"); };
    source.failing_releases = 1;
    const Error error = failure();
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_NE(error.full_text().find("snapshot remained"), std::string::npos);
    EXPECT_TRUE(source.is_frozen);
}

TEST_F(Pass, ReleasingIsTriedTwiceAfterSuccess) {
    source.failing_releases = 1;
    run();
    expect_equal();
    expect_clean();
    source.failing_releases = 2;
    const Error error = failure();
    EXPECT_NE(error.full_text().find("snapshot remained"), std::string::npos);
}

TEST_F(Pass, AStopWhileTheSnapshotIsRemovedDoesNotLeaveItThere) {
    int attempts = 0;
    source.on_release = [&](const std::stop_token& token) {
        ++attempts;
        stop.request_stop();
        if (token.stop_requested()) {
            throw Error(ErrorCode::cancelled, "removing was stopped");
        }
    };
    run();
    EXPECT_EQ(attempts, 2) << "once more, with time of its own";
    expect_equal();
    expect_clean();
}

TEST_F(Pass, ProgressRisesThroughTheStages) {
    std::vector<std::string> stages;
    Bytes last = 0;
    std::string sync_type;
    run([&](const Progress& progress) {
        if (stages.empty() || stages.back() != progress.stage) {
            stages.push_back(progress.stage);
        }
        Bytes done = 0;
        Bytes planned = 0;
        for (const DiskProgress& disk : progress.disks) {
            EXPECT_LE(disk.done, disk.planned);
            done += disk.done;
            planned += disk.planned;
        }
        EXPECT_GE(done, last);
        last = done;
        sync_type = progress.sync_type;
        const bool is_over = progress.stage == "Flushing" || progress.stage == "Removing snapshot";
        EXPECT_TRUE(is_over || done < planned || planned == 0) << "100 % before everything is durable";
    });
    EXPECT_EQ(stages, (std::vector<std::string>{"Connecting", "Taking snapshot", "Measuring", "Copying", "Flushing",
                                                "Removing snapshot"}));
    EXPECT_EQ(sync_type, "initial");
    EXPECT_GT(last, 0U);
}

TEST_F(Pass, ManyDisksAreCopied) {
    for (int i = 0; i < 9; ++i) {
        add_disk(3000 + i, 256 * KiB);
    }
    EXPECT_EQ(run().disks.size(), 11U);
    expect_equal();
}
