// Nothing that holds replicated data dies by any path of this daemon but the deletion of a detached replica that has
// neither snapshot nor clone. CloudStack deletes a ROOT volume with its machine: so what is attached as root must be
// told as a replica, and the daemon itself deletes no machine.

#include "unit/target/volumes/daemon_rig.hpp"

namespace mk::volumes {
namespace {

using test::code_of;
using test::error_of;

const CloudMachineId shell{"vm-test"};

class ReplicaSafety : public test_support::DaemonRig {
  protected:
    void nothing_was_deleted() const {
        EXPECT_EQ(cloudstack.count("deleteVolume"), 0u);
        for (const auto& command : cloudstack.sent) {
            EXPECT_EQ(command.find("VirtualMachine"), std::string::npos) << command;
        }
    }
};

TEST_F(ReplicaSafety, AMachineTellsWhichOfItsVolumesAreReplicasAndClones) {
    const auto replica = a_replica_with_snapshot();
    const auto clone = clones.create(replica, "web-test", progress).row.id;
    volumes.attach_root(replica, shell, progress);
    volumes.attach(clone, shell, std::nullopt, progress);
    cloudstack.add_volume("other", shell.value, 2);
    std::map<std::string, std::pair<bool, bool>> told;
    for (const auto& volume : volumes.machine_volumes(shell, {})) {
        told[volume.id.value] = {volume.is_replica, volume.is_clone};
    }
    EXPECT_EQ(told.size(), 3u);
    EXPECT_EQ(told.at(replica.value), std::pair(true, false));
    EXPECT_EQ(told.at(clone.value), std::pair(false, true));
}

TEST_F(ReplicaSafety, DiscardingTheDefaultRootLeavesAReplicaThatTookItsPlace) {
    const auto replica = a_replica();
    volumes.attach_root(replica, shell, progress);
    EXPECT_TRUE(default_roots.discard(shell, progress).empty());
    nothing_was_deleted();
    EXPECT_EQ(cloudstack.count("detachVolume"), 0u);
}

TEST_F(ReplicaSafety, DiscardingTheDefaultRootLeavesACloneThatTookItsPlace) {
    const auto clone = clones.create(a_replica_with_snapshot(), "web-test", progress).row.id;
    volumes.attach_root(clone, shell, progress);
    EXPECT_TRUE(default_roots.discard(shell, progress).empty());
    nothing_was_deleted();
}

TEST_F(ReplicaSafety, ALedgerThatIsWrongDeletesNoReplica) {
    const auto replica = a_replica();
    volumes.attach_root(replica, shell, progress);
    ledger.confirm(ledger.intend(ledger_default_root, shell.value, {}, {}), replica.value);
    EXPECT_EQ(code_of([&] { default_roots.discard(shell, progress); }), ErrorCode::forbidden);
    nothing_was_deleted();
    const auto clone = clones.create(a_replica_with_snapshot("disk-2001"), "web-test", progress).row.id;
    ledger.confirm(ledger.intend(ledger_default_root, shell.value, {}, {}), clone.value);
    EXPECT_EQ(code_of([&] { default_roots.discard(shell, progress); }), ErrorCode::forbidden);
    nothing_was_deleted();
}

TEST_F(ReplicaSafety, DiscardsTheRealDefaultRootAndNothingElse) {
    const auto replica = a_replica();
    volumes.attach(replica, shell, std::nullopt, progress);
    const auto root = cloudstack.add_volume("ROOT-7", shell.value, 0, "ROOT", "Allocated");
    EXPECT_EQ(default_roots.discard(shell, progress).value, root);
    EXPECT_FALSE(cloudstack.volumes.contains(root));
    EXPECT_TRUE(cloudstack.volumes.contains(replica.value));
}

TEST_F(ReplicaSafety, TheAppliancesRootIsNotDiscarded) {
    cloudstack.add_volume("ROOT-1", "vm-oma", 0, "ROOT");
    EXPECT_EQ(code_of([&] { default_roots.discard(CloudMachineId{"vm-oma"}, progress); }), ErrorCode::forbidden);
    nothing_was_deleted();
}

TEST_F(ReplicaSafety, AnAttachedReplicaIsNotDeleted) {
    const auto replica = a_replica();
    volumes.attach_root(replica, shell, progress);
    const auto error = error_of([&] { volumes.remove(replica, progress); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find("attached"), std::string::npos);
    nothing_was_deleted();
}

TEST_F(ReplicaSafety, AReplicaWithASnapshotIsNotDeleted) {
    const auto replica = a_replica_with_snapshot();
    EXPECT_EQ(code_of([&] { volumes.remove(replica, progress); }), ErrorCode::conflict);
    auto row = rows.require(replica);
    row.snapshot_id.reset();
    row.snapshot_status = "none";
    rows.set_snapshot(row);
    EXPECT_EQ(code_of([&] { volumes.remove(replica, progress); }), ErrorCode::conflict)
        << "also one that we have forgotten, or that is not ours";
    nothing_was_deleted();
}

TEST_F(ReplicaSafety, RemovingACloneRefusesAReplica) {
    const auto replica = a_replica();
    const auto error = error_of([&] { volumes.remove_clone(replica, progress); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find("replica"), std::string::npos);
    nothing_was_deleted();
    EXPECT_TRUE(rows.find(replica));
}

TEST_F(ReplicaSafety, AVolumeThatIsNotOursIsNotTouched) {
    const VolumeId foreign{cloudstack.add_volume("foreign")};
    volumes.remove(foreign, progress);
    volumes.remove_clone(foreign, progress);
    EXPECT_EQ(code_of([&] { volumes.attach(foreign, shell, std::nullopt, progress); }), ErrorCode::not_found);
    EXPECT_EQ(code_of([&] { volumes.detach(foreign, progress); }), ErrorCode::not_found);
    EXPECT_TRUE(cloudstack.sent.empty());
}

}  // namespace
}  // namespace mk::volumes
