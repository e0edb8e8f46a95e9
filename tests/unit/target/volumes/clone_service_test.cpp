#include "target/volumes/clone_service.hpp"

#include "unit/target/volumes/daemon_rig.hpp"

namespace mk::volumes {
namespace {

using test::code_of;
using test::error_of;

class CloneServiceTest : public test_support::DaemonRig {
  protected:
    VolumeView clone(const VolumeId& replica, const std::string& name = "web-test") {
        return clones.create(replica, name, progress);
    }
    std::vector<VolumeView> listed() { return clones.list(context, {}); }
    /// What a run that was cut off left.
    void record(const VolumeId& replica) {
        rows.insert_clone({.id = "",
                           .name = "web-test",
                           .clone_of = replica,
                           .snapshot_id = *rows.require(replica).snapshot_id,
                           .vm_context_id = context,
                           .disk_id = DiskId{"disk-2000"},
                           .size = GiB});
    }
};

TEST_F(CloneServiceTest, IsAVolumeOfItsOwnMadeFromTheSnapshot) {
    const auto replica = a_replica_with_snapshot();
    const auto view = clone(replica);
    EXPECT_NE(view.row.id, replica);
    EXPECT_EQ(view.row.clone_of, replica);
    EXPECT_EQ(view.row.vm_context_id, context);
    EXPECT_EQ(view.row.disk_id, DiskId{"disk-2000"});
    EXPECT_EQ(view.state, "Ready");
    EXPECT_EQ(cloudstack.volumes.at(view.row.id.value).at("snapshotid"), rows.require(replica).snapshot_id->value);
    EXPECT_EQ(ledger.find_object(ledger_clone, "web-test"), view.row.id.value);
}

TEST_F(CloneServiceTest, IsListedBesideTheReplicasAndNotAmongThem) {
    const auto replica = a_replica_with_snapshot();
    const auto view = clone(replica);
    ASSERT_EQ(listed().size(), 1u);
    EXPECT_EQ(listed()[0].row.id, view.row.id);
    EXPECT_TRUE(clones.list(VmContextId{"other"}, {}).empty());
    const auto replicas = volumes.list(context, {});
    ASSERT_EQ(replicas.size(), 1u);
    EXPECT_EQ(replicas[0].row.id, replica);
    EXPECT_FALSE(replicas[0].row.clone_of);
}

TEST_F(CloneServiceTest, IsFoundAgainByItsName) {
    const auto replica = a_replica_with_snapshot();
    const auto first = clone(replica);
    EXPECT_EQ(clone(replica).row.id, first.row.id);
    cloudstack.place(first.row.id.value, "vm-test", 0, "ROOT");  // a repetition after it went into use
    EXPECT_EQ(clone(replica).row.id, first.row.id);
    EXPECT_EQ(cloudstack.count("createVolume"), 1u);
}

TEST_F(CloneServiceTest, IsMadeAgainWhenSomebodyDeletedIt) {
    const auto replica = a_replica_with_snapshot();
    const auto first = clone(replica);
    cloudstack.volumes.erase(first.row.id.value);
    EXPECT_EQ(listed().at(0).state, "Absent");
    const auto second = clone(replica);
    EXPECT_NE(second.row.id, first.row.id);
    ASSERT_EQ(listed().size(), 1u);
    EXPECT_EQ(listed()[0].row.id, second.row.id);
}

TEST_F(CloneServiceTest, OfOneDiskThereMayBeSeveralUnderNamesOfTheirOwn) {
    const auto replica = a_replica_with_snapshot();
    const auto one = clone(replica, "test-1");
    const auto two = clone(replica, "test-2");
    EXPECT_NE(one.row.id, two.row.id);
    EXPECT_NE(PersistentNames::name_of_clone(context, DiskId{"disk-2000"}, one.row.id),
              PersistentNames::name_of_clone(context, DiskId{"disk-2000"}, two.row.id));
}

TEST_F(CloneServiceTest, NeedsAReadySnapshot) {
    const auto replica = a_replica();
    const auto error = error_of([&] { clone(replica); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_FALSE(error.advice().remedy.empty());
    const auto other = a_replica_with_snapshot("disk-2001");
    cloudstack.snapshots.clear();
    EXPECT_EQ(code_of([&] { clone(other); }), ErrorCode::conflict);
    EXPECT_EQ(cloudstack.count("createVolume"), 0u);
    EXPECT_TRUE(listed().empty());
}

TEST_F(CloneServiceTest, IsNotMadeFromAClone) {
    const auto view = clone(a_replica_with_snapshot());
    EXPECT_EQ(code_of([&] { clone(view.row.id, "clone-of-clone"); }), ErrorCode::conflict);
}

TEST_F(CloneServiceTest, RefusesNamesThatAreNone) {
    const auto replica = a_replica_with_snapshot();
    EXPECT_EQ(code_of([&] { clone(replica, ""); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([&] { clone(replica, std::string(256, 'x')); }), ErrorCode::invalid);
    EXPECT_EQ(clone(replica, std::string(255, 'x')).row.name, std::string(255, 'x'));
}

TEST_F(CloneServiceTest, NeverTakesAForeignVolumeOfItsNameForOurs) {
    const auto replica = a_replica_with_snapshot();
    const auto foreign = cloudstack.add_volume("web-test");
    EXPECT_EQ(code_of([&] { clone(replica); }), ErrorCode::conflict);
    EXPECT_TRUE(listed().empty());
    EXPECT_TRUE(cloudstack.volumes.contains(foreign));
    EXPECT_EQ(code_of([&] { clone(a_replica_with_snapshot("disk-2001"), "web-disk-2000"); }), ErrorCode::conflict)
        << "nor a replica";
}

TEST_F(CloneServiceTest, NamesOfOtherReplicasClonesAreTaken) {
    const auto view = clone(a_replica_with_snapshot());
    EXPECT_EQ(code_of([&] { clone(a_replica_with_snapshot("disk-2001")); }), ErrorCode::conflict);
    EXPECT_EQ(listed().size(), 1u);
}

TEST_F(CloneServiceTest, LeavesNothingAfterARefusal) {
    const auto replica = a_replica_with_snapshot();
    cloudstack.refused["createVolume"] = 535;
    EXPECT_EQ(code_of([&] { clone(replica); }), ErrorCode::exhausted);
    EXPECT_TRUE(listed().empty());
    EXPECT_FALSE(ledger.open.contains("volume_clone web-test"));
    snapshots.remove(replica, progress);
    EXPECT_EQ(status_of(replica), "none");
}

TEST_F(CloneServiceTest, LostAnswerIsFoundByTheName) {
    const auto replica = a_replica_with_snapshot();
    cloudstack.vanished["createVolume"] = 1;
    EXPECT_EQ(clone(replica).state, "Ready");
    EXPECT_EQ(cloudstack.count("createVolume"), 1u);
}

TEST_F(CloneServiceTest, OneThatAFormerRunMadeAndDidNotNoteIsListedAndRemoved) {
    const auto replica = a_replica_with_snapshot();
    record(replica);
    EXPECT_TRUE(listed().empty()) << "recorded, and not made yet";
    const VolumeId late{cloudstack.add_volume("web-test")};
    ASSERT_EQ(listed().size(), 1u);
    EXPECT_EQ(listed()[0].row.id, late);
    EXPECT_EQ(ledger.find_object(ledger_clone, "web-test"), late.value);
    volumes.remove_clone(late, progress);
    EXPECT_FALSE(cloudstack.volumes.contains(late.value));
    EXPECT_TRUE(listed().empty());
}

TEST_F(CloneServiceTest, KeepsTheSnapshotWhileItExists) {
    const auto replica = a_replica_with_snapshot();
    const auto view = clone(replica);
    const auto error = error_of([&] { snapshots.remove(replica, progress); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find("web-test"), std::string::npos);
    EXPECT_EQ(cloudstack.count("deleteSnapshot"), 0u);
    EXPECT_EQ(code_of([&] { volumes.remove(replica, progress); }), ErrorCode::conflict);
    volumes.remove_clone(view.row.id, progress);
    snapshots.remove(replica, progress);
    EXPECT_TRUE(cloudstack.snapshots.empty());
    volumes.remove(replica, progress);
    EXPECT_TRUE(cloudstack.volumes.empty());
    EXPECT_TRUE(ledger.open.empty());
}

TEST_F(CloneServiceTest, AVolumeOfItsNameThatWasMadeFromSomethingElseIsNotIt) {
    const auto replica = a_replica_with_snapshot();
    record(replica);
    const auto foreign = cloudstack.add_volume("web-test");
    cloudstack.volumes[foreign]["snapshotid"] = "somebody-elses";
    EXPECT_TRUE(listed().empty());
    EXPECT_EQ(code_of([&] { clone(replica); }), ErrorCode::conflict);
    EXPECT_TRUE(rows.list_clones({}).empty()) << "so nobody takes it for ours later";
    snapshots.remove(replica, progress);
    EXPECT_TRUE(cloudstack.volumes.contains(foreign));
}

TEST_F(CloneServiceTest, OneThatWasNeverMadeDoesNotKeepTheSnapshot) {
    const auto replica = a_replica_with_snapshot();
    record(replica);
    snapshots.remove(replica, progress);
    EXPECT_TRUE(rows.list_clones({}).empty());
}

TEST_F(CloneServiceTest, IsAttachedAndDetachedAsAnyVolumeOfOurs) {
    const auto view = clone(a_replica_with_snapshot());
    const auto attached = volumes.attach_root(view.row.id, CloudMachineId{"vm-test"}, progress);
    EXPECT_EQ(attached.operation_mode, "failover");
    EXPECT_EQ(attached.type, "ROOT");
    EXPECT_EQ(volumes.device(view.row.id, {}).vm_id, "vm-test");
    EXPECT_EQ(rows.find_mapping(view.row.id)->vm_id, CloudMachineId{"vm-test"});
    EXPECT_EQ(volumes.detach(view.row.id, progress).operation_mode, "");
    EXPECT_FALSE(rows.find_mapping(view.row.id));
    EXPECT_EQ(volumes.attach(view.row.id, CloudMachineId{"vm-test"}, std::nullopt, progress).type, "DATADISK");
}

TEST_F(CloneServiceTest, TakesNoSnapshotAndDoesNotGrow) {
    const auto view = clone(a_replica_with_snapshot());
    for (const auto& refused : {error_of([&] { snapshots.create(view.row.id, "s", true, progress); }),
                                error_of([&] { snapshots.revert(view.row.id, progress); }),
                                error_of([&] { volumes.resize(view.row.id, 2 * GiB, progress); })}) {
        EXPECT_EQ(refused.code(), ErrorCode::conflict);
        EXPECT_NE(refused.cause().find("clone"), std::string::npos) << refused.cause();
        EXPECT_FALSE(refused.advice().remedy.empty());
    }
}

TEST_F(CloneServiceTest, GoesOnlyWhenItsAbsenceWasSeen) {
    const auto view = clone(a_replica_with_snapshot());
    cloudstack.refused["deleteVolume"] = 530;
    EXPECT_THROW(volumes.remove_clone(view.row.id, progress), Error);
    EXPECT_EQ(listed().size(), 1u);
    EXPECT_EQ(ledger.find_object(ledger_clone, "web-test"), view.row.id.value);
    cloudstack.refused.clear();
    volumes.remove_clone(view.row.id, progress);
    volumes.remove_clone(view.row.id, progress);
    EXPECT_TRUE(listed().empty());
    EXPECT_EQ(cloudstack.count("deleteVolume"), 2u);
}

TEST_F(CloneServiceTest, AttachedOneIsNotRemoved) {
    const auto view = clone(a_replica_with_snapshot());
    volumes.attach_root(view.row.id, CloudMachineId{"vm-test"}, progress);
    EXPECT_EQ(code_of([&] { volumes.remove_clone(view.row.id, progress); }), ErrorCode::conflict);
    EXPECT_EQ(cloudstack.count("deleteVolume"), 0u);
}

}  // namespace
}  // namespace mk::volumes
