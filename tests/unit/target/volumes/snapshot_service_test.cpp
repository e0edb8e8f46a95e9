#include "target/volumes/snapshot_service.hpp"

#include "unit/target/volumes/daemon_rig.hpp"

namespace mk::volumes {
namespace {

using test::code_of;
using test::error_of;

class SnapshotServiceTest : public test_support::DaemonRig {};

TEST_F(SnapshotServiceTest, EachVolumeHasItsOwnTrackedInItsRow) {
    const auto one = a_replica_with_snapshot("disk-2000");
    const auto two = a_replica_with_snapshot("disk-2001");
    EXPECT_NE(rows.require(one).snapshot_id, rows.require(two).snapshot_id);
    EXPECT_EQ(rows.require(one).snapshot_name, "before-disk-2000");
    EXPECT_EQ(rows.require(one).snapshot_created_ms, to_ms(clock.now()));
    EXPECT_EQ(status_of(one), "ready");
    EXPECT_EQ(ledger.find_object(ledger_snapshot, "before-disk-2001"), rows.require(two).snapshot_id->value);
}

TEST_F(SnapshotServiceTest, AFailureOfOneLeavesTheEarlierOnesTracked) {
    const auto first = a_replica_with_snapshot("disk-2000");
    const auto second = a_replica("disk-2001");
    cloudstack.refused["createSnapshot"] = 535;
    EXPECT_EQ(code_of([&] { snapshots.create(second, "before", true, progress); }), ErrorCode::exhausted);
    EXPECT_EQ(status_of(first), "ready");
    EXPECT_EQ(status_of(second), "failed");
    EXPECT_EQ(snapshots.list(context, {}).size(), 2u);
    cloudstack.refused.clear();
    EXPECT_EQ(snapshots.create(second, "before", true, progress).row.snapshot_status, "ready");
}

TEST_F(SnapshotServiceTest, EachVolumeIsRevertedAndClearedByItself) {
    const auto one = a_replica_with_snapshot("disk-2000");
    const auto two = a_replica_with_snapshot("disk-2001");
    EXPECT_EQ(snapshots.revert(one, progress).row.snapshot_status, "rollback_complete");
    EXPECT_EQ(status_of(two), "ready");
    snapshots.remove(one, progress);
    EXPECT_EQ(status_of(one), "none");
    EXPECT_FALSE(rows.require(one).snapshot_id);
    EXPECT_EQ(status_of(two), "ready");
    EXPECT_EQ(cloudstack.snapshots.size(), 1u);
    EXPECT_EQ(snapshots.revert(two, progress).row.snapshot_status, "rollback_complete");
}

TEST_F(SnapshotServiceTest, ARevertMayBeRepeatedAndNeedsASnapshotThatIsReady) {
    const auto replica = a_replica_with_snapshot();
    snapshots.revert(replica, progress);
    snapshots.revert(replica, progress);
    EXPECT_EQ(cloudstack.count("revertSnapshot"), 2u);
    const auto none = a_replica("disk-2001");
    EXPECT_EQ(code_of([&] { snapshots.revert(none, progress); }), ErrorCode::conflict);
    cloudstack.refused["createSnapshot"] = 535;
    EXPECT_THROW(snapshots.create(none, "before", true, progress), Error);
    EXPECT_EQ(code_of([&] { snapshots.revert(none, progress); }), ErrorCode::conflict);
}

TEST_F(SnapshotServiceTest, OneThatEndsInErrorTwiceIsFailedAndLeavesNothing) {
    const auto replica = a_replica();
    cloudstack.next_snapshot_state = "Error";
    EXPECT_EQ(code_of([&] { snapshots.create(replica, "before", true, progress); }), ErrorCode::external);
    EXPECT_EQ(status_of(replica), "failed");
    EXPECT_EQ(cloudstack.count("createSnapshot"), 2u);
    EXPECT_TRUE(cloudstack.snapshots.empty());
    cloudstack.next_snapshot_state = "BackedUp";
    EXPECT_EQ(snapshots.create(replica, "another", true, progress).row.snapshot_name, "another");
    EXPECT_FALSE(ledger.open.contains("volume_snapshot before"));
}

TEST_F(SnapshotServiceTest, StorageThatCannotRevertIsRefusedAndLeavesNothing) {
    const auto replica = a_replica();
    cloudstack.is_revertable = false;
    const auto error = error_of([&] { snapshots.create(replica, "before", true, progress); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("clones"), std::string::npos);
    EXPECT_EQ(status_of(replica), "none");
    EXPECT_TRUE(cloudstack.snapshots.empty());
    EXPECT_TRUE(ledger.open.empty());
}

TEST_F(SnapshotServiceTest, ForClonesItNeedNotRevert) {
    const auto replica = a_replica();
    cloudstack.is_revertable = false;
    const auto view = snapshots.create(replica, "before", false, progress);
    EXPECT_FALSE(view.revertable);
    EXPECT_EQ(view.row.snapshot_status, "ready");
    EXPECT_EQ(clones.create(replica, "web-test", progress).state, "Ready");
}

TEST_F(SnapshotServiceTest, AReadyOneThatIsGoneIsNotTakenAgain) {
    const auto replica = a_replica_with_snapshot();
    cloudstack.snapshots.clear();
    const auto error = error_of([&] { snapshots.create(replica, "before-disk-2000", true, progress); });
    EXPECT_EQ(error.code(), ErrorCode::conflict) << "the volume may have been written to since";
    EXPECT_EQ(cloudstack.count("createSnapshot"), 1u);
    snapshots.remove(replica, progress);
    EXPECT_EQ(status_of(replica), "none");
}

TEST_F(SnapshotServiceTest, OneOfAnotherNameIsNotReplaced) {
    const auto replica = a_replica_with_snapshot();
    EXPECT_EQ(code_of([&] { snapshots.create(replica, "another", true, progress); }), ErrorCode::conflict);
    EXPECT_EQ(cloudstack.count("createSnapshot"), 1u);
}

TEST_F(SnapshotServiceTest, OneWhoseIdWasNeverLearnedIsRemovedByItsName) {
    const auto replica = a_replica_with_snapshot();
    auto row = rows.require(replica);
    row.snapshot_id.reset();
    row.snapshot_status = "creating";
    rows.set_snapshot(row);
    snapshots.remove(replica, progress);
    EXPECT_TRUE(cloudstack.snapshots.empty());
    EXPECT_EQ(status_of(replica), "none");
    EXPECT_TRUE(ledger.open.empty());
}

}  // namespace
}  // namespace mk::volumes
