// Runs, what they keep, and what applying a finding does.

#include "unit/control/reconcile/world.hpp"

namespace mk::reconcile {
namespace {

using test::code_of;
using Sentences = std::vector<std::string>;

class ReconcileServiceTest : public ReconcileWorld {};

TEST_F(ReconcileServiceTest, SaysNothingBeforeTheFirstRunAndWhenAllIsInOrder) {
    EXPECT_FALSE(service->report().last_run);
    add_replica("v-1", web);
    const auto report = settle();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.last_run, clock.now());
    EXPECT_TRUE(report.unreachable.empty());
    EXPECT_FALSE(service->has_leftovers(web));
}

TEST_F(ReconcileServiceTest, AnObjectIsAFindingWhenTwoRunsSawIt) {
    add_machine("m-9", web, clock.now());
    EXPECT_TRUE(run().findings.empty());
    EXPECT_FALSE(service->has_leftovers(web));
    const auto first = clock.now();
    clock.advance(std::chrono::minutes{15});
    const auto report = run();
    EXPECT_EQ(sentences(report), (Sentences{"orphan m-9 remove"}));
    EXPECT_EQ(report.findings.front().first_seen, first);
    EXPECT_EQ(report.findings.front().last_seen, clock.now());
    EXPECT_TRUE(service->has_leftovers(web));
    EXPECT_EQ(service->machines_with_leftovers(), std::vector<VmContextId>{web});
}

TEST_F(ReconcileServiceTest, AnOldObjectIsAFindingAtOnce) {
    add_machine("m-9", web, clock.now() - std::chrono::minutes{16});
    EXPECT_EQ(sentences(run()), (Sentences{"orphan m-9 remove"}));
}

TEST_F(ReconcileServiceTest, AFindingThatIsNotSeenAnyMoreLeaves) {
    add_machine("m-9", web);
    EXPECT_EQ(settle().findings.size(), 1U);
    cloud.view.machines.pop_back();
    EXPECT_TRUE(run().findings.empty());
    add_machine("m-9", web);
    EXPECT_TRUE(run().findings.empty()) << "it has to be seen twice anew";
}

TEST_F(ReconcileServiceTest, RunsChangeNothingOutside) {
    know_gone();
    add_machine("m-9", gone);
    add_replica("v-9", gone);
    add_source_snapshot("snap-1", ended_job(web));
    settle();
    run();
    for (const auto& call : faults.calls()) {
        EXPECT_TRUE(call == "look" || call == "find_snapshots") << call;
    }
    EXPECT_TRUE(job_log.list({}, true, 10).empty());
}

TEST_F(ReconcileServiceTest, ASilentCloudKeepsItsFindings) {
    add_machine("m-9", web);
    add_source_snapshot("snap-1", ended_job(web));
    EXPECT_EQ(settle().findings.size(), 2U);
    cloud.view.machines.pop_back();
    vcenters.views["https://one/sdk"].snapshots.clear();
    faults.break_call("look");
    const auto report = run();
    EXPECT_EQ(sentences(report), (Sentences{"orphan m-9 remove"}));
    ASSERT_EQ(report.unreachable.size(), 1U);
    EXPECT_EQ(report.unreachable.front().name, "CloudStack");
    EXPECT_EQ(report.unreachable.front().site, ledger::Site::target);
    faults.mend();
    EXPECT_TRUE(run().findings.empty());
    EXPECT_TRUE(service->report().unreachable.empty());
}

TEST_F(ReconcileServiceTest, ASiteThatHangsIsGivenUpAndTheOtherIsAsked) {
    auto impatient = use();
    impatient.pacing.site_limit = std::chrono::milliseconds{5};
    service.emplace(impatient);
    cloud.is_stuck = true;
    add_source_snapshot("snap-1", ended_job(web));
    const auto report = settle();
    EXPECT_EQ(sentences(report), (Sentences{"orphan vc-one/vm-1/snap-1 remove"}));
    ASSERT_EQ(report.unreachable.size(), 1U);
    EXPECT_EQ(report.unreachable.front().problem, "it did not answer within 5 ms");
}

TEST_F(ReconcileServiceTest, ARunThatIsStoppedChangesNoFinding) {
    add_machine("m-9", web);
    settle();
    const auto last = service->report().last_run;
    cloud.view.machines.pop_back();
    cloud.is_stuck = true;
    clock.advance(std::chrono::minutes{1});
    std::stop_source stop;
    cloud.on_look = [&] { stop.request_stop(); };
    EXPECT_EQ(code_of([&] { service->run_now(stop.get_token()); }), ErrorCode::cancelled);
    EXPECT_EQ(sentences(service->report()), (Sentences{"orphan m-9 remove"}));
    EXPECT_EQ(service->report().last_run, last);
}

TEST_F(ReconcileServiceTest, ASilentVcenterKeepsItsFindingsAndNoOthers) {
    add_vcenter("two");
    const auto job = ended_job(web);
    add_source_snapshot("snap-1", job);
    add_source_snapshot("snap-2", job, "two").instance_uuid = "uuid-other";
    EXPECT_EQ(settle().findings.size(), 2U);
    vcenters.views["https://one/sdk"].snapshots.clear();
    vcenters.views["https://two/sdk"].snapshots.clear();
    vcenters.silent = {"https://two/sdk"};
    const auto report = run();
    EXPECT_EQ(sentences(report), (Sentences{"orphan vc-two/vm-1/snap-2 remove"}));
    ASSERT_EQ(report.unreachable.size(), 1U);
    EXPECT_EQ(report.unreachable.front().name, "two");
    EXPECT_EQ(report.unreachable.front().problem, "https://two/sdk does not answer");
}

TEST_F(ReconcileServiceTest, WhatAJobMakesDuringTheLookIsNoFinding) {
    cloud.on_look = [&] {
        cloud.on_look = {};
        add_machine("m-9", web, clock.now() - std::chrono::hours{1});
        machines.begin(web, MachineAction::sync, MachineStatus::initial_sync,
                       {.type = JobType::migration,
                        .operation = "sync",
                        .owner = "test",
                        .vm_context_id = web,
                        .metadata = "{}",
                        .steps = {}});
    };
    EXPECT_TRUE(run().findings.empty());
}

TEST_F(ReconcileServiceTest, AMachineIsRemovedAndTheLedgerKnowsIt) {
    add_machine("m-9", web);
    settle();
    const auto job = service->apply(id_of("m-9"), "", "alice");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(cloud.view.machines.size(), 1U);
    const auto logged = job_log.find(job);
    EXPECT_EQ(logged->type, JobType::cleanup);
    EXPECT_EQ(logged->operation, "reconcile");
    EXPECT_EQ(logged->owner, "alice");
    EXPECT_EQ(logged->vm_context_id, web);
    EXPECT_TRUE(service->report().findings.empty());
    EXPECT_TRUE(ledger.open_entries().empty());
    EXPECT_TRUE(stored->query_one("SELECT id FROM ledger WHERE object_id = 'm-9' AND state = 'gone'"));
    EXPECT_EQ(machines.find(web)->status, MachineStatus::discovered);
    EXPECT_TRUE(machines.find(web)->current_job.empty());
    EXPECT_TRUE(run().findings.empty());
}

TEST_F(ReconcileServiceTest, AMachineThatRunsIsRemovedOnlyByItsId) {
    add_machine("m-9", web);
    cloud.view.machines.back().state = "Running";  // somebody may be at work in it
    settle();
    const auto finding = id_of("m-9");
    EXPECT_EQ(code_of([&] { service->apply(finding, "", "alice"); }), ErrorCode::invalid);
    EXPECT_EQ(cloud.view.machines.size(), 2U);
    EXPECT_EQ(outcome(service->apply(finding, "m-9", "alice")), JobStatus::completed);
    EXPECT_EQ(cloud.view.machines.size(), 1U);
}

TEST_F(ReconcileServiceTest, AMachineThatMayNotBeExpungedIsAWarning) {
    cloud.may_expunge = false;
    add_machine("m-9", web);
    settle();
    EXPECT_EQ(apply("m-9"), JobStatus::warning);
    EXPECT_TRUE(settle().findings.empty()) << "CloudStack expunges it by itself";
}

TEST_F(ReconcileServiceTest, WhatMayHoldDataNeedsItsId) {
    know_gone();
    add_replica("v-9", gone);
    settle();
    const auto finding = id_of("v-9");
    EXPECT_EQ(code_of([&] { service->apply(finding, "", "test"); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([&] { service->apply(finding, "v-8", "test"); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([&] { service->apply("nobody", "v-9", "test"); }), ErrorCode::not_found);
    EXPECT_EQ(cloud.view.volumes.size(), 1U);
    EXPECT_TRUE(job_log.list({}, true, 10).empty());
    EXPECT_EQ(outcome(service->apply(finding, "v-9", "test")), JobStatus::completed);
    EXPECT_TRUE(cloud.view.volumes.empty());
}

TEST_F(ReconcileServiceTest, AWrongIdIsRefusedAlsoWhereNoneIsNeeded) {
    add_machine("m-9", web);
    settle();
    EXPECT_EQ(code_of([&] { service->apply(id_of("m-9"), "m-8", "test"); }), ErrorCode::invalid);
    EXPECT_EQ(cloud.view.machines.size(), 2U);
}

TEST_F(ReconcileServiceTest, WhatIsForAPersonIsNotApplied) {
    add_replica("v-1", web);
    cloud.view.volumes.front().vm_id = CloudMachineId{"m-theirs"};
    settle();
    EXPECT_EQ(code_of([&] { service->apply(id_of("v-1"), "v-1", "test"); }), ErrorCode::conflict);
}

TEST_F(ReconcileServiceTest, ARunningJobOfTheMachineIsWaitedFor) {
    add_machine("m-9", web);
    settle();
    const auto finding = id_of("m-9");
    machines.begin(web, MachineAction::sync, MachineStatus::initial_sync,
                   {.type = JobType::migration,
                    .operation = "sync",
                    .owner = "test",
                    .vm_context_id = web,
                    .metadata = "{}",
                    .steps = {}});
    EXPECT_EQ(code_of([&] { service->apply(finding, "", "test"); }), ErrorCode::conflict);
    EXPECT_EQ(cloud.view.machines.size(), 2U);
}

TEST_F(ReconcileServiceTest, WhatIsNeededAgainIsLeftAlone) {
    know_gone();
    add_machine("m-9", gone);
    settle();
    // Since the run somebody attached a volume of ours to it.
    add_replica("v-9", gone);
    cloud.view.volumes.front().vm_id = CloudMachineId{"m-9"};
    const auto job = service->apply(id_of("m-9"), "", "test");
    EXPECT_EQ(outcome(job), JobStatus::failed);
    EXPECT_EQ(cloud.view.machines.size(), 2U);
    EXPECT_EQ(cloud.view.volumes.size(), 1U);
}

TEST_F(ReconcileServiceTest, AnObjectThatWentByItselfIsDone) {
    add_machine("m-9", web);
    settle();
    const auto finding = id_of("m-9");
    cloud.view.machines.pop_back();
    EXPECT_EQ(outcome(service->apply(finding, "", "test")), JobStatus::completed);
    EXPECT_TRUE(service->report().findings.empty());
}

TEST_F(ReconcileServiceTest, ASourceSnapshotIsRemovedWithTheCredentialsOfItsVcenter) {
    add_vcenter("two");
    const auto job = ended_job(web);
    add_source_snapshot("snap-1", job, "two").instance_uuid = "uuid-other";
    settle();
    EXPECT_EQ(apply("vc-two/vm-1/snap-1"), JobStatus::completed);
    EXPECT_TRUE(vcenters.views["https://two/sdk"].snapshots.empty());
    EXPECT_TRUE(run().findings.empty());
}

TEST_F(ReconcileServiceTest, ASnapshotOfAReplicaGoesWithItsIdOnly) {
    add_replica("v-1", web);
    stored->execute(
        "UPDATE ossea_volumes SET snapshot_status = 'ready', ossea_snapshot_id = 's-1', snapshot_name = 'left'");
    cloud.view.snapshots.push_back(
        {.id = CloudSnapshotId{"s-1"}, .name = "left", .state = "BackedUp", .volume_id = VolumeId{"v-1"}});
    EXPECT_EQ(sentences(settle()), (Sentences{"orphan s-1 remove"}));
    EXPECT_EQ(code_of([&] { service->apply(id_of("s-1"), "", "test"); }), ErrorCode::invalid);
    EXPECT_EQ(apply("s-1", "s-1"), JobStatus::completed);
    EXPECT_TRUE(cloud.view.snapshots.empty());
    EXPECT_EQ(cloud.view.volumes.size(), 1U);
    EXPECT_TRUE(run().findings.empty());
}

TEST_F(ReconcileServiceTest, ClonesAndDefaultRootsGo) {
    add_replica("v-1", web);
    stored->execute(
        "INSERT INTO volume_clones (id, volume_name, volume_id, source_volume_id, vm_context_id, disk_id, size_bytes,"
        " created_ms) VALUES ('c', 'clone', 'v-c', 'v-1', :vm, 'disk-2000', 1, 0)",
        {{"vm", web.value}});
    cloud.view.volumes.push_back({.id = VolumeId{"v-c"}, .name = "clone", .state = "Ready", .size = 1});
    cloud.view.volumes.push_back({.id = VolumeId{"v-r"}, .name = "ROOT-7", .state = "Ready", .size = 1});
    cloud.default_roots[CloudMachineId{"m-old"}] = VolumeId{"v-r"};
    ledger.confirm(ledger.intend(ledger::Site::target, "default_root", "m-old", {}, {}), "v-r");
    EXPECT_EQ(sentences(settle()), (Sentences{"orphan v-c remove", "orphan v-r remove"}));
    EXPECT_EQ(apply("v-c"), JobStatus::completed);
    EXPECT_EQ(apply("v-r"), JobStatus::completed);
    ASSERT_EQ(cloud.view.volumes.size(), 1U);
    EXPECT_EQ(cloud.view.volumes.front().id, VolumeId{"v-1"});
    EXPECT_TRUE(ledger.open_entries().empty());
}

TEST_F(ReconcileServiceTest, ForgettingALostReplicaGivesUpTheRecoveryPoints) {
    add_replica("v-1", web);
    const auto sync = machines.begin(web, MachineAction::sync, MachineStatus::initial_sync,
                                     {.type = JobType::migration,
                                      .operation = "sync",
                                      .owner = "test",
                                      .vm_context_id = web,
                                      .metadata = "{}",
                                      .steps = {}});
    RecoveryPoint point;
    point.vm_context_id = web;
    point.job_id = sync;
    point.snapshot_time = clock.now();
    point.consistency = "crash";
    point.disks.emplace_back().disk_id.value = "disk-2000";
    point.disks.back().volume_id.value = "v-1";
    database->transact([&](db::Session& session) { recovery_points.commit(session, point); });
    machines.end_job(web, sync, MachineStatus::ready_for_failover);
    cloud.view.volumes.clear();
    EXPECT_EQ(sentences(settle()), (Sentences{"missing v-1 forget"}));
    EXPECT_EQ(code_of([&] { service->apply(id_of("v-1"), "", "test"); }), ErrorCode::invalid);
    EXPECT_EQ(apply("v-1", "v-1"), JobStatus::completed);
    EXPECT_FALSE(recovery_points.latest(web)) << "an increment on a new volume would be no copy of anything";
    EXPECT_EQ(machines.find(web)->status, MachineStatus::discovered);
    EXPECT_TRUE(run().findings.empty());
}

TEST_F(ReconcileServiceTest, EntriesOfWhatIsGoneAreClosed) {
    ledger.intend(ledger::Site::target, "machine", "never-made", web, {});
    ledger.confirm(ledger.intend(ledger::Site::target, "volume", "deleted", web, {}), "v-7");
    ledger.intend(ledger::Site::source, "vsphere_snapshot", "migratekit-x", web, {});
    const auto report = settle();
    ASSERT_EQ(report.findings.size(), 3U);
    for (const auto& finding : report.findings) {
        EXPECT_EQ(finding.what.kind, Kind::missing);
        EXPECT_EQ(outcome(service->apply(finding.id, "", "test")), JobStatus::completed) << finding.what.object_id;
    }
    EXPECT_TRUE(ledger.open_entries().empty());
    EXPECT_TRUE(run().findings.empty());
}

TEST_F(ReconcileServiceTest, WhatWasHandedOverIsNoFinding) {
    know_gone();
    add_machine("m-9", gone);
    const auto entry = ledger.intend(ledger::Site::target, "machine", "name-of-m-9", gone, {});
    ledger.confirm(entry, "m-9");
    ledger.hand_over(entry);
    EXPECT_TRUE(settle().findings.empty());
    EXPECT_EQ(ledger.handed_over_entries().size(), 1U);
    // A machine of that name that is made later is another one, and its end says nothing of the first.
    ledger.intend(ledger::Site::target, "machine", "name-of-m-9", gone, {});
    ledger.name_gone("machine", "name-of-m-9");
    EXPECT_TRUE(ledger.open_entries().empty());
    EXPECT_EQ(ledger.handed_over_entries().size(), 1U);
}

TEST_F(ReconcileServiceTest, TheTimerRuns) {
    add_machine("m-9", web, clock.now() - std::chrono::hours{1});
    auto quick = use();
    quick.pacing.interval = std::chrono::milliseconds{1};
    service.emplace(quick);
    service->start_timer();
    wait_until([&] { return !service->report().findings.empty(); }, std::chrono::milliseconds{1},
               std::chrono::seconds{60}, {}, "no run");
    service->stop();
    EXPECT_EQ(cloud.view.machines.size(), 2U);
}

}  // namespace
}  // namespace mk::reconcile
