// CloudStack against the records, one disturbance at a time.

#include <functional>

#include "unit/control/reconcile/situation.hpp"

namespace mk::reconcile {
namespace {

struct Case {
    std::string name;
    std::function<void(Situation&)> disturb;
    std::string expected;  ///< empty: nothing is said
};
std::ostream& operator<<(std::ostream& out, const Case& one) {
    return out << one.name;
}

class Disturbed : public testing::TestWithParam<Case> {};

TEST_P(Disturbed, IsSaidInOneSentence) {
    Situation situation;
    GetParam().disturb(situation);
    const auto seen = situation.seen();
    if (GetParam().expected.empty()) {
        EXPECT_TRUE(seen.empty()) << sentence(seen.front());
        return;
    }
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(sentence(seen.front()), GetParam().expected);
    EXPECT_FALSE(seen.front().detail.empty());
}

/// The same disturbance is not spoken of while the machine has a job.
TEST_P(Disturbed, IsLeftOutWhileAJobRuns) {
    Situation situation;
    GetParam().disturb(situation);
    situation.records.busy = {web, gone_machine, stranger};
    const auto seen = situation.seen();
    // What belongs to no machine at all is nobody's job.
    if (!seen.empty()) {
        EXPECT_TRUE(seen.front().vm.empty()) << sentence(seen.front());
    }
}

std::string named(const testing::TestParamInfo<Case>& info) {
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    Machines, Disturbed,
    testing::Values(
        Case{"NothingIsWrong", [](Situation&) {}, ""},
        Case{"OthersAreNobodysBusiness",
             [](Situation& s) {
                 s.target.machines.push_back({.id = CloudMachineId{"m-9"}, .name = "theirs", .state = "Running"});
                 s.target.volumes.push_back({.id = VolumeId{"v-9"}, .name = "theirs", .state = "Ready", .size = GiB});
                 s.target.snapshots.push_back(Situation::snapshot("s-9", "v-9"));
             },
             ""},
        Case{"AMachineThatNoFailoverNeeds",
             [](Situation& s) { s.target.machines.push_back(Situation::machine("m-9", web)); },
             "orphan machine m-9 remove"},
        Case{"AMachineOfAMachineThatLeft",
             [](Situation& s) { s.target.machines.push_back(Situation::machine("m-9", gone_machine)); },
             "orphan machine m-9 remove"},
        Case{"AMachineOfAnotherInstallation",
             [](Situation& s) { s.target.machines.push_back(Situation::machine("m-9", stranger)); },
             "orphan machine m-9 review"},
        Case{"AMachineWhoseVolumesWereHandedOver",
             [](Situation& s) {
                 s.target.machines.push_back(Situation::machine("m-9", gone_machine));
                 s.hand_over("volume", "v-9");
                 s.target.volumes.push_back(Situation::volume("v-9", gone_machine, CloudMachineId{"m-9"}));
             },
             ""},
        Case{"AMachineThatIsDestroyedGoesByItself",
             [](Situation& s) {
                 s.target.machines.push_back(Situation::machine("m-9", web));
                 s.target.machines.back().state = "Destroyed";
             },
             ""},
        Case{"AMachineThatWasHandedOver",
             [](Situation& s) {
                 s.target.machines.push_back(Situation::machine("m-9", web));
                 s.hand_over("machine", "m-9");
             },
             ""},
        Case{"AMachineThatTheLedgerKnows",
             [](Situation& s) {
                 s.target.machines.push_back(Situation::machine("m-9", web));
                 s.target.machines.back().context.reset();
                 s.add_entry("machine", "name-of-m-9", "m-9");
             },
             "orphan machine m-9 remove"},
        Case{"AMachineWithNothingButAName",
             [](Situation& s) {
                 s.target.machines.push_back(Situation::machine("m-9", web));
                 s.target.machines.back().context.reset();
                 s.add_entry("machine", "name-of-m-9", "");
             },
             "orphan machine m-9 review"},
        Case{"TheMachineOfATest", [](Situation& s) { s.fail_over(MachineStatus::failed_over_test); }, ""},
        Case{"TheMachineOfABrokenTest", [](Situation& s) { s.fail_over(MachineStatus::cleanup_required); }, ""},
        Case{"TheMachineOfATestHasAnotherName",
             [](Situation& s) {
                 s.fail_over(MachineStatus::failed_over_test);
                 s.target.machines.back().name = "renamed";
             },
             "changed machine m-test review"},
        Case{"TheMachineOfATestThatIsOver",
             [](Situation& s) {
                 s.fail_over(MachineStatus::ready_for_failover);
                 s.target.volumes.front().vm_id = appliance;
             },
             "orphan machine m-test remove"}),
    named);

INSTANTIATE_TEST_SUITE_P(
    Replicas, Disturbed,
    testing::Values(
        Case{"AReplicaOfAMachineThatLeft",
             [](Situation& s) {
                 s.add_row("v-9", gone_machine);
                 s.target.volumes.push_back(Situation::volume("v-9", gone_machine));
             },
             "orphan volume v-9 remove data"},
        Case{"AReplicaOfAMachineThatLeftInUseElsewhere",
             [](Situation& s) {
                 s.add_row("v-9", gone_machine);
                 s.target.volumes.push_back(Situation::volume("v-9", gone_machine, CloudMachineId{"m-theirs"}));
             },
             "orphan volume v-9 review data"},
        Case{"AReplicaThatWasHandedOver",
             [](Situation& s) {
                 s.add_row("v-9", gone_machine);
                 s.hand_over("volume", "v-9");
                 s.target.volumes.push_back(Situation::volume("v-9", gone_machine, CloudMachineId{"m-theirs"}));
             },
             ""},
        Case{"ATaggedVolumeThatNobodyKnows",
             [](Situation& s) { s.target.volumes.push_back(Situation::volume("v-9", web)); },
             "orphan volume v-9 review data"},
        Case{"ATaggedVolumeWithoutBytes",
             [](Situation& s) {
                 s.target.volumes.push_back(Situation::volume("v-9", web));
                 s.target.volumes.back().state = "Allocated";
             },
             "orphan volume v-9 review"},
        Case{"AVolumeOfAnotherInstallation",
             [](Situation& s) { s.target.volumes.push_back(Situation::volume("v-9", stranger)); },
             "orphan volume v-9 review data"},
        Case{"AVolumeWhoseCreationTheNextSyncTakesUp",
             [](Situation& s) {
                 s.target.volumes.push_back(Situation::volume("v-9", web));
                 s.add_entry("volume", "name-of-v-9", "");
             },
             ""},
        Case{"AReplicaThatIsDetached", [](Situation& s) { s.target.volumes.front().vm_id.reset(); }, ""},
        Case{"AReplicaAtSomebodyElse",
             [](Situation& s) { s.target.volumes.front().vm_id = CloudMachineId{"m-theirs"}; },
             "changed volume v-1 review data"},
        Case{"AReplicaThatWasResized", [](Situation& s) { s.target.volumes.front().size = 2 * GiB; },
             "changed volume v-1 review data"},
        Case{"AReplicaThatWasRenamed", [](Situation& s) { s.target.volumes.front().name = "mine"; },
             "changed volume v-1 review data"},
        Case{"AReplicaTakenFromALiveFailover",
             [](Situation& s) {
                 s.fail_over(MachineStatus::failed_over_live, true);
                 s.target.volumes.front().vm_id.reset();
             },
             "changed volume v-1 review data"},
        Case{"AReplicaAtTheApplianceWhileItsClonesAreTested",
             [](Situation& s) {
                 s.fail_over(MachineStatus::failed_over_test);
                 s.target.volumes.front().vm_id = appliance;
                 s.records.clones.push_back({.row_id = "c", .name = "name-of-v-c", .id = VolumeId{"v-c"}, .vm = web});
                 s.target.volumes.push_back(Situation::volume("v-c", web, CloudMachineId{"m-test"}));
             },
             ""},
        Case{"AReplicaThatIsGone", [](Situation& s) { s.target.volumes.clear(); }, "missing volume v-1 forget data"},
        Case{"AReplicaOfAMachineThatLeftThatIsGone", [](Situation& s) { s.add_row("v-9", gone_machine); },
             "missing volume v-9 forget"},
        Case{"AReplicaOfACommittedMachineIsTheOperators",
             [](Situation& s) {
                 s.records.machines.front().status = MachineStatus::committed;
                 s.target.volumes.clear();
             },
             ""}),
    named);

INSTANTIATE_TEST_SUITE_P(
    ClonesAndRoots, Disturbed,
    testing::Values(
        Case{"ACloneWhoseTestIsOver",
             [](Situation& s) {
                 s.records.clones.push_back({.row_id = "c", .name = "name-of-v-c", .id = VolumeId{"v-c"}, .vm = web});
                 s.target.volumes.push_back(Situation::volume("v-c", web));
             },
             "orphan volume_clone v-c remove"},
        Case{"ACloneInUseElsewhere",
             [](Situation& s) {
                 s.records.clones.push_back({.row_id = "c", .name = "name-of-v-c", .id = VolumeId{"v-c"}, .vm = web});
                 s.target.volumes.push_back(Situation::volume("v-c", web, CloudMachineId{"m-theirs"}));
             },
             "orphan volume_clone v-c review"},
        Case{"ACloneThatIsGone",
             [](Situation& s) {
                 s.records.clones.push_back({.row_id = "c", .name = "name-of-v-c", .id = VolumeId{"v-c"}, .vm = web});
             },
             "missing volume_clone v-c forget"},
        Case{"ACloneThatWasNeverMade",
             [](Situation& s) { s.records.clones.push_back({.row_id = "c", .name = "n", .id = {}, .vm = web}); },
             "missing volume_clone row/c forget"},
        Case{"ADetachedDefaultRoot",
             [](Situation& s) {
                 s.add_entry("default_root", "m-old", "v-r", {});
                 s.target.volumes.push_back({.id = VolumeId{"v-r"}, .name = "ROOT-7", .state = "Ready", .size = GiB});
             },
             "orphan default_root v-r remove"},
        Case{"AnAttachedDefaultRootBelongsToItsMachine",
             [](Situation& s) {
                 s.add_entry("default_root", "m-old", "v-r", {});
                 s.target.volumes.push_back({.id = VolumeId{"v-r"},
                                             .name = "ROOT-7",
                                             .state = "Ready",
                                             .size = GiB,
                                             .vm_id = CloudMachineId{"m-old"}});
             },
             ""}),
    named);

INSTANTIATE_TEST_SUITE_P(Snapshots, Disturbed,
                         testing::Values(Case{"ASnapshotThatAFailoverNeeds",
                                              [](Situation& s) {
                                                  s.fail_over(MachineStatus::failed_over_test);
                                                  s.add_snapshot_to(s.records.volumes.front(), "s-1");
                                                  s.target.snapshots.push_back(Situation::snapshot("s-1", "v-1"));
                                              },
                                              ""},
                                         Case{"ASnapshotThatNoFailoverNeeds",
                                              [](Situation& s) {
                                                  s.add_snapshot_to(s.records.volumes.front(), "s-1");
                                                  s.target.snapshots.push_back(Situation::snapshot("s-1", "v-1"));
                                              },
                                              "orphan volume_snapshot s-1 remove data"},
                                         Case{"ATaggedSnapshotThatNoCopyKnows",
                                              [](Situation& s) {
                                                  s.target.snapshots.push_back(Situation::snapshot("s-9", "v-1"));
                                                  s.target.snapshots.back().context = web.value;
                                              },
                                              "orphan volume_snapshot s-9 review data"},
                                         Case{"ASnapshotThatIsOnlyNamedLikeOurs",
                                              [](Situation& s) {
                                                  s.target.snapshots.push_back(Situation::snapshot("s-9", "v-9"));
                                                  s.target.snapshots.back().name =
                                                      "test-failover-ctx-nobody-v-9-1700000000";
                                              },
                                              "orphan volume_snapshot s-9 review data"},
                                         Case{"TheUndoOfAFailoverIsGone",
                                              [](Situation& s) {
                                                  s.fail_over(MachineStatus::failed_over_live, true);
                                                  s.add_snapshot_to(s.records.volumes.front(), "s-1");
                                              },
                                              "missing volume_snapshot s-1 review"},
                                         Case{"TheCleanupKnowsWhatIsGone",
                                              [](Situation& s) {
                                                  s.fail_over(MachineStatus::cleanup_required);
                                                  s.add_snapshot_to(s.records.volumes.front(), "s-1");
                                              },
                                              ""},
                                         Case{"ARecordedSnapshotIsGone",
                                              [](Situation& s) { s.add_snapshot_to(s.records.volumes.front(), "s-1"); },
                                              "missing volume_snapshot s-1 forget"}),
                         named);

INSTANTIATE_TEST_SUITE_P(
    Ledger, Disturbed,
    testing::Values(Case{"AnEntryOfAMachineThatIsGone", [](Situation& s) { s.add_entry("machine", "web-test", "m-9"); },
                         "missing machine m-9 forget"},
                    Case{"AnIntentionThatCameToNothing", [](Situation& s) { s.add_entry("machine", "web-test", ""); },
                         "missing machine ledger/entry-of-web-test forget"},
                    Case{"AnEntryOfARunningFailover",
                         [](Situation& s) {
                             s.fail_over(MachineStatus::failed_over_test);
                             s.add_entry("volume_snapshot", "s", "s-9");
                         },
                         ""},
                    Case{"AnEntryOfAReplicaThatIsThere",
                         [](Situation& s) { s.add_entry("volume", "name-of-v-1", "v-1"); }, ""},
                    Case{"AnEntryAndARowOfAReplicaThatIsGoneAreOneFinding",
                         [](Situation& s) {
                             s.add_entry("volume", "name-of-v-1", "v-1");
                             s.target.volumes.clear();
                         },
                         "missing volume v-1 forget data"},
                    Case{"AnEntryOfASnapshotWhoseRowSpeaks",
                         [](Situation& s) {
                             s.add_entry("volume_snapshot", "name-of-s-1", "s-1");
                             s.add_snapshot_to(s.records.volumes.front(), "s-1");
                         },
                         "missing volume_snapshot s-1 forget"}),
    named);

INSTANTIATE_TEST_SUITE_P(
    Source, Disturbed,
    testing::Values(
        Case{"ASnapshotWhoseJobIsOver",
             [](Situation& s) { s.sources.front().snapshots.push_back(Situation::source_snapshot("snap-1", "j-old")); },
             "orphan source_snapshot vc/vm-1/snap-1 remove"},
        Case{
            "ASnapshotWhoseJobRuns",
            [](Situation& s) { s.sources.front().snapshots.push_back(Situation::source_snapshot("snap-1", "j-open")); },
            ""},
        Case{
            "ASourceSnapshotOfAnotherInstallation",
            [](Situation& s) { s.sources.front().snapshots.push_back(Situation::source_snapshot("snap-1", "j-else")); },
            "orphan source_snapshot vc/vm-1/snap-1 review"},
        Case{"ASourceSnapshotThatIsOnlyNamedLikeOurs",
             [](Situation& s) { s.sources.front().snapshots.push_back(Situation::source_snapshot("snap-1", "")); },
             "orphan source_snapshot vc/vm-1/snap-1 review"},
        Case{"AnEntryOfASourceSnapshotThatIsGone",
             [](Situation& s) { s.add_entry("vsphere_snapshot", "migratekit-j-old", ""); },
             "missing source_snapshot vc/ledger/entry-of-migratekit-j-old forget"},
        Case{"AnEntryOfAVcenterThatWasNotAsked",
             [](Situation& s) {
                 s.add_entry("vsphere_snapshot", "migratekit-j-old", "");
                 s.sources.clear();
             },
             ""}),
    named);

TEST(Comparison, AMachineThatVanishedUnderAFailoverIsForAPerson) {
    Situation situation;
    situation.fail_over(MachineStatus::failed_over_live, true);
    situation.target.machines.pop_back();
    situation.target.volumes.front().vm_id = appliance;
    const auto seen = situation.seen();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(sentence(seen[0]), "missing machine m-test review");
    EXPECT_EQ(sentence(seen[1]), "changed volume v-1 review data") << "and its volumes are not where they ran";
}

TEST(Comparison, TheLastCopyIsNotForgottenWithItsVolume) {
    Situation situation;
    situation.add_snapshot_to(situation.records.volumes.front(), "s-1");
    situation.target.volumes.clear();
    situation.target.snapshots.push_back(Situation::snapshot("s-1", "v-1"));
    const auto seen = situation.seen();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(sentence(seen[0]), "missing volume v-1 review data");
    EXPECT_EQ(sentence(seen[1]), "orphan volume_snapshot s-1 remove data");
    EXPECT_NE(seen[1].detail.find("last copy"), std::string::npos);
}

TEST(Comparison, OfASiteThatDidNotAnswerNothingIsSaid) {
    Situation situation;
    situation.target.volumes.clear();
    situation.add_entry("vsphere_snapshot", "migratekit-j-old", "");
    auto reality = situation.reality();
    reality.target.reset();
    auto seen = compare(situation.records, reality);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen.front().site, ledger::Site::source);

    reality = situation.reality();
    reality.sources.clear();
    reality.silent_vcenters = {"vc"};
    seen = compare(situation.records, reality);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen.front().site, ledger::Site::target);
}

TEST(Comparison, AnEntryWhoseMachineLeftIsJudgedOnlyWhenEveryVcenterAnswered) {
    Situation situation;
    situation.add_entry("vsphere_snapshot", "migratekit-j-old", "", gone_machine);
    EXPECT_EQ(situation.only().object_id, "any/ledger/entry-of-migratekit-j-old");
    auto reality = situation.reality();
    reality.silent_vcenters = {"another"};
    EXPECT_TRUE(compare(situation.records, reality).empty());
}

TEST(Comparison, WhatWasMadeOrRemovedDuringTheLookIsNoFinding) {
    Situation before;
    before.target.machines.push_back(Situation::machine("m-9", web));  // made by a job that began meanwhile
    auto after = before;
    after.fail_over(MachineStatus::failed_over_test);
    after.records.failovers.front().machine.value = "m-9";
    after.records.failovers.front().machine_name = "name-of-m-9";
    const auto reality = before.reality();
    EXPECT_EQ(compare(before.records, reality).size(), 1U);
    EXPECT_TRUE(agreed(compare(before.records, reality), compare(after.records, reality)).empty());
    EXPECT_EQ(agreed(compare(before.records, reality), compare(before.records, reality)).size(), 1U);
}

TEST(Comparison, TwoEntriesOfOneObjectAreOneFinding) {
    Situation situation;
    situation.add_entry("machine", "web-test", "m-9");
    situation.add_entry("machine", "web-test-again", "m-9");
    EXPECT_EQ(sentence(situation.only()), "missing machine m-9 forget");
}

TEST(RecordIndexTest, TheLongestContextInANameCounts) {
    Situation situation;
    const VmContextId second{web.value + "-2"};
    situation.records.known_contexts.insert(second);
    const RecordIndex index(situation.records);
    EXPECT_EQ(index.context_in("test-failover-" + second.value + "-v-1-1700000000"), second);
    EXPECT_EQ(index.context_in("live-failover-" + web.value + "-v-1-1700000000"), web);
    EXPECT_FALSE(index.context_in("nightly-" + web.value + "-v-1"));
    EXPECT_TRUE(is_named_like_our_snapshot("test-failover-ctx-a-v-1"));
    EXPECT_FALSE(is_named_like_our_snapshot("test-failover-of-mine"));
}

}  // namespace
}  // namespace mk::reconcile
