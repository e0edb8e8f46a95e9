#include "control/failover/failover_service.hpp"

#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

class FailoverTest : public test::ControlPlane {
  protected:
    static FailoverRequest live() {
        FailoverRequest request;
        request.live = true;
        request.boot.probes = {"http:80/"};
        return request;
    }
    static FailoverRequest rehearsal() {
        FailoverRequest request;
        request.boot.probes = {"http:80/"};
        return request;
    }
    JobStatus fail_over(const FailoverRequest& request) {
        job = failover->start(vm, request, "test");
        return outcome(job);
    }

    VmContextId vm = add_replicated_machine();
    JobId job;
};

TEST_F(FailoverTest, RehearsalBootsACopyAndFinishingItBringsEverythingBack) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    const auto row = *failovers.find(job);
    EXPECT_EQ(row.status, "completed");
    EXPECT_EQ(row.boot_verdict, "booted");
    EXPECT_EQ(row.recovery_point_id, recovery_points.latest(vm)->id);
    ASSERT_EQ(cloud.orders.size(), 1U);
    EXPECT_TRUE(cloud.orders[0].name.starts_with("web-01-test-"));
    ASSERT_EQ(cloud.orders[0].nics.size(), 1U);
    EXPECT_EQ(cloud.orders[0].nics[0].network_id, "net-test");
    EXPECT_EQ(cloud.orders[0].nics[0].mac, "");
    EXPECT_EQ(cloud.orders[0].cpus, 2);
    const auto& root = volumes.of_disk("disk-2000");
    EXPECT_EQ(root.row.type, "ROOT");
    EXPECT_EQ(root.row.vm_id, row.destination_vm_id);
    EXPECT_EQ(root.content, "boot v1+virtio+booted");
    EXPECT_TRUE(root.snapshot_name.starts_with("test-failover-" + vm.value + "-vol-disk-2000-"));
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    EXPECT_EQ(ledger_kinds(), std::vector<std::string>{"machine"});

    const auto rollback = failover->finish_test(vm, "worked", "logged in", "test");
    EXPECT_EQ(outcome(rollback), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(failovers.find(job)->status, "rolled_back");
    EXPECT_EQ(failovers.find(job)->verdict, "worked");
    EXPECT_EQ(failovers.find(job)->verdict_note, "logged in");
    EXPECT_EQ(machines.find(vm)->last_test_verdict, "worked");
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    expect_at_rest(vm);
    EXPECT_EQ(sync(vm), JobStatus::completed);
}

TEST_F(FailoverTest, RollbackHasTheTenStepsOfTheInventoryInTheirOrder) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    const auto rollback = failover->finish_test(vm, "", "", "test");
    ASSERT_EQ(outcome(rollback), JobStatus::completed);
    const auto record = *job_log.find(rollback);
    std::vector<std::string> names;
    for (const auto& step : record.steps) {
        names.push_back(step.name);
    }
    EXPECT_EQ(names,
              (std::vector<std::string>{"ossea-client-initialization", "failover-job-retrieval", "test-vm-shutdown",
                                        "volume-detachment", "cloudstack-snapshot-rollback",
                                        "cloudstack-snapshot-deletion", "volume-reattachment-to-oma",
                                        "test-vm-deletion", "failover-job-status-update", "vm-context-status-update"}));
}

TEST_F(FailoverTest, LiveFailoverSendsTheLastChangesOfASourceThatIsOff) {
    source.content[disk_id_from_key(2001)] = "data v2";
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
    EXPECT_EQ(source.machine.power_state, "poweredOff");
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "data v2+virtio+booted");
    EXPECT_EQ(cloud.orders[0].name, "web-01");
    ASSERT_EQ(cloud.orders[0].nics.size(), 1U);
    EXPECT_EQ(cloud.orders[0].nics[0].network_id, "net-live");
    EXPECT_EQ(failovers.find(job)->recovery_point_id, recovery_points.of_job(job)->id);
}

TEST_F(FailoverTest, FailedLiveFailoverIsRolledBackAndTheSourceStartsAgain) {
    cloud.evidence = {BootVerdict::failed, "no answer within 10 min", {}};
    EXPECT_EQ(fail_over(live()), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    EXPECT_EQ(source.machine.power_state, "poweredOff");
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, SourceThatWasOffBeforeStaysOffAfterTheRollback) {
    source.machine.power_state = "poweredOff";
    cloud.evidence = {BootVerdict::failed, "no answer", {}};
    EXPECT_EQ(fail_over(live()), JobStatus::failed);
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOff");
    expect_at_rest(vm);
}

TEST_F(FailoverTest, FailureBetweenShutdownAndSnapshotsIsRolledBackToThePointOfTheFinalSync) {
    source.content[disk_id_from_key(2000)] = "boot v2";
    faults.break_call("create_snapshot");
    EXPECT_EQ(fail_over(live()), JobStatus::failed);
    faults.mend();
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v2");
    EXPECT_EQ(recovery_points.latest(vm)->job_id, job);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    expect_at_rest(vm);
}

TEST_F(FailoverTest, FinalSyncThatBreaksAfterItsCommitRecordLeavesAMachineThatTheNextSyncMends) {
    faults.break_call("commit");
    EXPECT_EQ(fail_over(live()), JobStatus::failed);
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed);  // and not "ready"
    EXPECT_NE(machines.find(vm)->status_reason.find("not fully applied"), std::string::npos);
    faults.mend();
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, SourceThatIsPoweredOnDuringTheFinalSyncAbortsTheFailover) {
    source.on_progress = [&] { source.machine.power_state = "poweredOn"; };
    EXPECT_EQ(fail_over(live()), JobStatus::failed);
    source.on_progress = {};
    EXPECT_TRUE(cloud.orders.empty());
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, GuestThatDoesNotShutDownIsPoweredOffOnlyWhenThatWasAllowed) {
    source.shutdown_works = false;
    FailoverRequest request = live();
    request.shutdown_limit = std::chrono::seconds{1};
    EXPECT_EQ(fail_over(request), JobStatus::failed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    request.force_power_off = true;
    EXPECT_EQ(fail_over(request), JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOff");
}

TEST_F(FailoverTest, DriversThatCannotBeAddedAreFatalInATest) {
    cloud.preparation = {.ready = false, .needs_uefi = false, .text = "no operating system found"};
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::failed);
    EXPECT_TRUE(cloud.orders.empty());
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, DriversThatCannotBeAddedAreAWarningInALiveFailover) {
    faults.break_call("guest.prepare");
    EXPECT_EQ(fail_over(live()), JobStatus::warning);
    EXPECT_EQ(step_status(job, "virtio-injection"), StepStatus::warning);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1+booted");  // and not half converted
}

TEST_F(FailoverTest, BootThatIsNotProvenIsAWarning) {
    cloud.evidence = {BootVerdict::not_proven, "no probe", {}};
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::warning);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
}

TEST_F(FailoverTest, MachineThatHadFailedBeforeIsFailedAgainWhenNothingWasTouched) {
    volumes.verify_finds_difference = true;
    ASSERT_EQ(sync(vm), JobStatus::failed);
    volumes.verify_finds_difference = false;
    ASSERT_EQ(status(vm), MachineStatus::failed);
    cloud.networks.clear();
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::failed);
    cloud.networks = {"net-test"};
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::completed);
}

class UnfinishedSnapshot : public FailoverTest, public testing::WithParamInterface<const char*> {};

TEST_P(UnfinishedSnapshot, IsRemovedByTheRollback) {
    volumes.snapshot_fate = GetParam();
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
    const auto calls = faults.calls();
    EXPECT_EQ(std::count(calls.begin(), calls.end(), "digest"), 1);  // proven although there was nothing to revert
}

INSTANTIATE_TEST_SUITE_P(Fates, UnfinishedSnapshot, testing::Values("creating", "failed"),
                         [](const auto& fate) { return std::string(fate.param); });

TEST_F(FailoverTest, VolumeThatWasSpoiledAfterItsRevertIsRevertedAgain) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    faults.break_call("remove_snapshot");
    EXPECT_EQ(outcome(failover->finish_test(vm, "", "", "test")), JobStatus::failed);
    ASSERT_EQ(volumes.of_disk("disk-2000").row.snapshot_status, "rollback_complete");
    volumes.of_disk("disk-2000").content += "+spoiled";
    faults.mend();
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, RevertThatDoesNotBringThePointBackKeepsTheSnapshots) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    volumes.of_disk("disk-2001").snapshot_content = "something else";
    const auto rollback = failover->finish_test(vm, "", "", "test");
    EXPECT_EQ(outcome(rollback), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    EXPECT_NE(job_log.find(rollback)->error.find("disk-2001"), std::string::npos);
    EXPECT_EQ(volumes.of_disk("disk-2000").row.snapshot_status, "rollback_complete");
    EXPECT_EQ(volumes.of_disk("disk-2001").row.snapshot_status, "rollback_complete");
    EXPECT_EQ(cloud.machines.size(), 1U);
}

TEST_F(FailoverTest, VolumeGrownByAFailedSyncIsReadBeforeItIsTouched) {
    source.machine.disks[1] = test::a_disk(2001, 3 * GiB);
    volumes.verify_finds_difference = true;
    ASSERT_EQ(sync(vm, {.full = true}), JobStatus::failed);
    volumes.verify_finds_difference = false;
    ASSERT_EQ(recovery_points.latest(vm)->disks[1].digest, "");
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::completed);
    EXPECT_EQ(outcome(failover->finish_test(vm, "", "", "test")), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, ReplicaThatIsStillAttachedForbidsDestroyingTheMachine) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    auto& data = volumes.of_disk("disk-2001");
    data.row.disk_id = DiskId{"disk-2001"};
    data.row.vm_context_id = VmContextId{"ctx-other"};  // this machine's rollback does not see it, the machine has it
    const auto rollback = failover->finish_test(vm, "", "", "test");
    EXPECT_EQ(outcome(rollback), JobStatus::failed);
    EXPECT_EQ(step_status(rollback, "test-vm-deletion"), StepStatus::failed);
    EXPECT_EQ(cloud.machines.size(), 1U);
    EXPECT_EQ(volumes.volumes.size(), 2U);
}

TEST_F(FailoverTest, MachineThatMayNotBeExpungedIsAWarningAndStaysInTheLedger) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    cloud.may_expunge = false;
    const auto rollback = failover->finish_test(vm, "", "", "test");
    EXPECT_EQ(outcome(rollback), JobStatus::warning);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(ledger_kinds(), std::vector<std::string>{"machine"});
    EXPECT_EQ(volumes.volumes.size(), 2U);
}

TEST_F(FailoverTest, MachineOfSomebodyElseWithTheSameNameSurvivesTheRollback) {
    // It appears between the look for the name and the creation, which CloudStack then refuses.
    cloud.on_create = [&] {
        cloud.machines[CloudMachineId{"theirs"}] = {
            .id = CloudMachineId{"theirs"}, .name = "web-01", .state = "Running", .nics = {}};
        throw Error(ErrorCode::invalid, "the name is in use");
    };
    EXPECT_EQ(fail_over(live()), JobStatus::failed);
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_TRUE(cloud.machines.contains(CloudMachineId{"theirs"}));
    EXPECT_EQ(source.machine.power_state, "poweredOn");
}

TEST_F(FailoverTest, StoppedFailoverIsRolledBackByItself) {
    cloud.on_create = [&] { failover->cancel(job_log.list(vm, true, 1).front().id); };
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::cancelled);
    wait_for_quiet();
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    const auto rollback = job_log.list(vm, false, 1).front();
    EXPECT_EQ(rollback.operation, "rollback");
    EXPECT_EQ(rollback.owner, "migratekit");
    EXPECT_EQ(rollback.status, JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, TestWhoseTimeIsOverIsRolledBackOnce) {
    auto request = rehearsal();
    request.test_duration = std::chrono::minutes{30};
    request.auto_cleanup = true;
    ASSERT_EQ(fail_over(request), JobStatus::completed);
    clock.advance(std::chrono::minutes{30} - std::chrono::milliseconds{1});
    failover->roll_back_due();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    clock.advance(std::chrono::milliseconds{1});
    failover->roll_back_due();
    const auto rollback = job_log.list(vm, false, 1).front();
    EXPECT_EQ(rollback.type, JobType::cleanup);
    EXPECT_EQ(rollback.owner, "timer");
    EXPECT_EQ(outcome(rollback.id), JobStatus::completed);
    EXPECT_EQ(machines.find(vm)->last_test_verdict, "no verdict");
    expect_at_rest(vm);
    failover->roll_back_due();
    EXPECT_EQ(job_log.list(vm, false, 1).front().id, rollback.id);
}

TEST_F(FailoverTest, TestWithoutAutomaticCleanupIsLeftAlone) {
    auto request = rehearsal();
    request.test_duration = std::chrono::minutes{30};
    ASSERT_EQ(fail_over(request), JobStatus::completed);
    clock.advance(std::chrono::hours{24});
    failover->roll_back_due();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
}

TEST_F(FailoverTest, RequestsThatMakeNoSenseAreRefusedAtOnce) {
    auto request = rehearsal();
    request.boot.limit = std::chrono::seconds{0};
    EXPECT_EQ(test::code_of([&] { failover->start(vm, request, "test"); }), ErrorCode::invalid);
    request = rehearsal();
    request.test_duration = std::chrono::hours{24 * 31};
    EXPECT_EQ(test::code_of([&] { failover->start(vm, request, "test"); }), ErrorCode::invalid);
    request = rehearsal();
    request.boot.probes = {"nonsense"};
    EXPECT_EQ(test::code_of([&] { failover->start(vm, request, "test"); }), ErrorCode::invalid);
    EXPECT_EQ(test::code_of([&] { failover->start(VmContextId{"ctx-none"}, rehearsal(), "test"); }),
              ErrorCode::not_found);
    EXPECT_EQ(test::code_of([&] { failover->finish_test(vm, "perhaps", "", "test"); }), ErrorCode::invalid);
    EXPECT_EQ(test::code_of([&] { failover->finish_test(vm, "worked", "", "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->clean_up(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->cancel(JobId{"none"}); }), ErrorCode::not_found);
    expect_at_rest(vm);
}

TEST_F(FailoverTest, GoingBackDeletesTheMachineRevertsTheCopyAndStartsTheSource) {
    source.content[disk_id_from_key(2001)] = "data v2";
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    const auto back = failover->go_back(vm, "test");
    EXPECT_EQ(outcome(back), JobStatus::completed);
    EXPECT_EQ(job_log.find(back)->operation, "go-back");
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(failovers.find(job)->status, "rolled_back");
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "data v2");
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    expect_at_rest(vm);
    EXPECT_EQ(sync(vm), JobStatus::completed);
}

TEST_F(FailoverTest, GoingBackLeavesASourceAloneThatWasOffBefore) {
    source.machine.power_state = "poweredOff";
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOff");
    expect_at_rest(vm);
}

TEST_F(FailoverTest, GoingBackDoesNotStartASourceThatRunsAlready) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    source.machine.power_state = "poweredOn";
    source.power_actions.clear();
    EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::completed);
    EXPECT_EQ(std::count(source.power_actions.begin(), source.power_actions.end(), "power_on"), 0);
}

TEST_F(FailoverTest, GoingBackThatBreaksIsFinishedByTheCleanup) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    faults.break_call("revert_snapshot");
    EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    faults.mend();
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    expect_at_rest(vm);
}

TEST_F(FailoverTest, CommitDeletesTheSnapshotsAndHandsEverythingElseOver) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    const auto machine = failovers.find(job)->destination_vm_id;
    const auto volume = ledger.intend(ledger::Site::target, "volume", "mk-web", vm, {});
    ledger.confirm(volume, "vol-disk-2000");
    const auto leftover = ledger.intend(ledger::Site::target, "machine", "web-01-test-1", vm, {});
    ledger.confirm(leftover, "machine-of-a-test");
    source.power_actions.clear();
    const auto commit = failover->commit(vm, "test");
    EXPECT_EQ(outcome(commit), JobStatus::completed);
    EXPECT_EQ(job_log.find(commit)->operation, "commit");
    EXPECT_EQ(status(vm), MachineStatus::committed);
    EXPECT_EQ(failovers.find(job)->status, "completed");
    EXPECT_EQ(cloud.machines.at(machine).state, "Running");
    for (const auto& [id, kept] : volumes.volumes) {
        EXPECT_EQ(kept.row.vm_id, machine);
        EXPECT_EQ(kept.row.snapshot_status, "none");
    }
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1+virtio+booted");
    ASSERT_EQ(ledger.open_entries().size(), 1U);  // a test machine that is still ours to remove
    EXPECT_EQ(ledger.open_entries().front().id, leftover);
    EXPECT_TRUE(source.power_actions.empty());
    const auto events = job_log.events(commit, "", 100);
    EXPECT_TRUE(std::any_of(events.begin(), events.end(), [&](const auto& e) {
        return e.message.starts_with("Handed over") && e.message.find(machine.value) != std::string::npos;
    }));
}

TEST_F(FailoverTest, AfterACommitThereIsOnlyRemoval) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    ASSERT_EQ(outcome(failover->commit(vm, "test")), JobStatus::completed);
    EXPECT_EQ(test::code_of([&] { failover->go_back(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->commit(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->clean_up(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->start(vm, live(), "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { replication->start(vm, {}, "test"); }), ErrorCode::conflict);
    faults.forget_calls();
    EXPECT_TRUE(replication->remove(vm, false, "test"));
    EXPECT_FALSE(machines.find(vm));
    EXPECT_TRUE(faults.calls().empty());  // nobody was even asked for anything
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1+virtio+booted");
    EXPECT_TRUE(volumes.of_disk("disk-2001").row.vm_id);
}

TEST_F(FailoverTest, OnlyALiveFailoverCanBeCommittedOrTakenBack) {
    EXPECT_EQ(test::code_of([&] { failover->commit(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->go_back(vm, "test"); }), ErrorCode::conflict);
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    EXPECT_EQ(test::code_of([&] { failover->commit(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->go_back(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->commit(VmContextId{"ctx-none"}, "test"); }), ErrorCode::not_found);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
}

TEST_F(FailoverTest, CommitKeepsTheSnapshotsWhenTheMachineIsGone) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    const auto gone = std::exchange(cloud.machines, {});
    EXPECT_EQ(outcome(failover->commit(vm, "test")), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
    EXPECT_NE(machines.find(vm)->status_reason.find("not in CloudStack any more"), std::string::npos);
    EXPECT_EQ(volumes.of_disk("disk-2000").row.snapshot_status, "ready");
    cloud.machines = gone;
    EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::completed);  // nothing was decided yet
    expect_at_rest(vm);
}

TEST_F(FailoverTest, CommitKeepsTheSnapshotsWhenAVolumeIsElsewhere) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    const auto machine = volumes.of_disk("disk-2001").row.vm_id;
    for (const auto& place : {std::optional(test::appliance), std::optional<CloudMachineId>{}}) {
        volumes.of_disk("disk-2001").row.vm_id = place;
        EXPECT_EQ(outcome(failover->commit(vm, "test")), JobStatus::failed);
        EXPECT_NE(machines.find(vm)->status_reason.find("disk-2001"), std::string::npos);
        EXPECT_EQ(volumes.of_disk("disk-2000").row.snapshot_status, "ready");
    }
    volumes.of_disk("disk-2001").row.vm_id = machine;
    EXPECT_EQ(outcome(failover->commit(vm, "test")), JobStatus::completed);
}

TEST_F(FailoverTest, MachineThatIsStoppedCanBeCommitted) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    cloud.machines.begin()->second.state = "Stopped";
    EXPECT_EQ(outcome(failover->commit(vm, "test")), JobStatus::completed);
    EXPECT_EQ(cloud.machines.begin()->second.state, "Stopped");
}

TEST_F(FailoverTest, CommitThatHasBegunGoesForwardsOnly) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    faults.break_call("remove_snapshot");
    EXPECT_EQ(outcome(failover->commit(vm, "test")), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
    faults.mend();
    const auto error = test::error_of([&] { failover->go_back(vm, "test"); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("failover commit"), std::string::npos);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
    EXPECT_EQ(volumes.of_disk("disk-2001").row.operation_mode, "failover");
    cloud.machines.clear();  // even if the operator deletes the machine meanwhile
    EXPECT_EQ(outcome(failover->commit(vm, "test")), JobStatus::warning);
    EXPECT_EQ(status(vm), MachineStatus::committed);
}

TEST_F(FailoverTest, SyncOfAMachineInATestIsRefused) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    EXPECT_EQ(test::code_of([&] { replication->start(vm, {}, "test"); }), ErrorCode::conflict);
}

TEST_F(FailoverTest, RestartOfAServiceWithoutOpenJobsChangesNothing) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    restart();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
}

}  // namespace
}  // namespace mk::failover
