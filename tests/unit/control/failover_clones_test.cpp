// Tests on clones: the machine runs on volumes of its own, and replication goes on beside it.

#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

class ClonesTest : public test::ControlPlane {
  protected:
    static FailoverRequest rehearsal() {
        FailoverRequest request;
        request.on_clones = true;
        request.boot.probes = {"http:80/"};
        return request;
    }
    JobStatus fail_over(const FailoverRequest& request = rehearsal()) {
        job = failover->start(vm, request, "test");
        return outcome(job);
    }
    JobStatus finish() { return outcome(failover->finish_test(vm, "worked", "", "test")); }
    void change_source(const std::string& version) {
        source.content = {{disk_id_from_key(2000), "boot " + version}, {disk_id_from_key(2001), "data " + version}};
    }

    VmContextId vm = add_replicated_machine();
    JobId job;
};

TEST_F(ClonesTest, MachineRunsOnClonesAndTheReplicasStayAtTheAppliance) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    ASSERT_EQ(volumes.clones.size(), 2U);
    const auto machine = cloud.machines.begin()->first;
    for (const auto& [id, clone] : volumes.clones) {
        EXPECT_EQ(clone.row.vm_id, machine);
        EXPECT_TRUE(clone.row.name.starts_with("test-clone-" + vm.value));
    }
    EXPECT_EQ(volumes.clones.at(VolumeId{"clone-of-vol-disk-2000"}).content, "boot v1+virtio+booted");
    EXPECT_EQ(volumes.clones.at(VolumeId{"clone-of-vol-disk-2000"}).row.type, "ROOT");
    for (const auto& [id, replica] : volumes.volumes) {
        EXPECT_EQ(replica.row.vm_id, test::appliance);
        EXPECT_EQ(replica.row.snapshot_status, "ready");
    }
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1");
    EXPECT_EQ(finish(), JobStatus::completed);
    EXPECT_EQ(failovers.find(job)->verdict, "worked");
    expect_at_rest(vm);
}

TEST_F(ClonesTest, RollbackHasTheStepsOfTheInventoryAndTheClonesDeletion) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    const auto rollback = failover->finish_test(vm, "", "", "test");
    ASSERT_EQ(outcome(rollback), JobStatus::completed);
    const auto record = *job_log.find(rollback);
    std::vector<std::string> names;
    for (const auto& step : record.steps) {
        names.push_back(step.name);
    }
    EXPECT_EQ(names,
              (std::vector<std::string>{"ossea-client-initialization", "failover-job-retrieval", "test-vm-shutdown",
                                        "volume-detachment", "volume-clone-deletion", "cloudstack-snapshot-rollback",
                                        "cloudstack-snapshot-deletion", "volume-reattachment-to-oma",
                                        "test-vm-deletion", "failover-job-status-update", "vm-context-status-update"}));
}

TEST_F(ClonesTest, IncrementsGoOnAndTheTestStaysAsItIs) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    change_source("v2");
    const auto before = job_log.list(vm, false, 1).front().id;
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    EXPECT_NE(recovery_points.latest(vm)->job_id, before);
    EXPECT_TRUE(recovery_points.latest(vm)->disks[0].incremental);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v2");
    EXPECT_EQ(volumes.clones.at(VolumeId{"clone-of-vol-disk-2000"}).content, "boot v1+virtio+booted");
    EXPECT_EQ(finish(), JobStatus::completed);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v2");  // and not reverted to what was tested
    expect_at_rest(vm);
}

TEST_F(ClonesTest, WhatBreaksBesideATestLeavesTheTest) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    change_source("v2");
    faults.break_call("start_pass");
    EXPECT_EQ(sync(vm), JobStatus::failed);
    faults.mend();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(outcome(replication->verify(vm, 100, "test")), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    EXPECT_EQ(machines.find(vm)->verified_verdict, "identical");
    EXPECT_EQ(finish(), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ClonesTest, PointThatIsTornBesideATestIsFinishedByTheNextSync) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    change_source("v2");
    faults.break_call("commit");
    EXPECT_EQ(sync(vm), JobStatus::failed);
    faults.mend();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    EXPECT_EQ(finish(), JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed);  // and not "ready"
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ClonesTest, OnlyIncrementsAndVerificationsAreAllowed) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    EXPECT_EQ(test::code_of([&] { replication->start(vm, {.full = true}, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->start(vm, rehearsal(), "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->commit(vm, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { replication->remove(vm, false, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
}

TEST_F(ClonesTest, TestInPlaceAfterOneOnClonesStopsReplicationAgain) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    ASSERT_EQ(finish(), JobStatus::completed);
    clock.advance(std::chrono::seconds{1});
    auto in_place = rehearsal();
    in_place.on_clones = false;
    ASSERT_EQ(fail_over(in_place), JobStatus::completed);
    EXPECT_EQ(test::code_of([&] { replication->start(vm, {}, "test"); }), ErrorCode::conflict);
}

TEST_F(ClonesTest, EndOfATestWaitsForASync) {
    auto request = rehearsal();
    request.test_duration = std::chrono::minutes{30};
    request.auto_cleanup = true;
    ASSERT_EQ(fail_over(request), JobStatus::completed);
    clock.advance(std::chrono::minutes{30});
    ErrorCode code = ErrorCode::internal;
    source.on_progress = [&] {
        code = test::code_of([&] { failover->finish_test(vm, "", "", "test"); });
        failover->roll_back_due();
    };
    EXPECT_EQ(sync(vm), JobStatus::completed);
    source.on_progress = {};
    EXPECT_EQ(code, ErrorCode::conflict);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    failover->roll_back_due();
    wait_for_quiet();
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    expect_at_rest(vm);
}

TEST_F(ClonesTest, StorageThatCannotRevertIsTestedOnClonesOnly) {
    volumes.storage_reverts = false;
    auto in_place = rehearsal();
    in_place.on_clones = false;
    EXPECT_EQ(fail_over(in_place), JobStatus::failed);
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    clock.advance(std::chrono::seconds{1});
    EXPECT_EQ(fail_over(), JobStatus::completed);
    EXPECT_EQ(finish(), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ClonesTest, ConversionThatWasCutOffBeginsAgainOnNewClones) {
    cloud.prepare_hangs = true;
    job = failover->start(vm, rehearsal(), "test");
    wait_until([&] { return has_logged(job, "converting"); }, std::chrono::milliseconds{1}, std::chrono::seconds{60},
               {}, "the conversion did not begin");
    stop_services();
    for (auto& [id, clone] : volumes.clones) {
        clone.content += "+half";
    }
    cloud.prepare_hangs = false;
    start_services();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    EXPECT_EQ(volumes.clones.at(VolumeId{"clone-of-vol-disk-2000"}).content, "boot v1+virtio+booted");
    EXPECT_EQ(finish(), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ClonesTest, CloneThatIsStillAttachedForbidsDestroyingTheMachine) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    auto& clone = volumes.clones.at(VolumeId{"clone-of-vol-disk-2001"});
    clone.row.vm_context_id = VmContextId{"ctx-other"};  // this machine's rollback does not see it, the machine has it
    const auto rollback = failover->finish_test(vm, "", "", "test");
    EXPECT_EQ(outcome(rollback), JobStatus::failed);
    EXPECT_EQ(cloud.machines.size(), 1U);
    EXPECT_EQ(volumes.clones.size(), 1U);
}

TEST_F(ClonesTest, RestartBesideATestSettlesTheSyncAndLeavesTheTest) {
    ASSERT_EQ(fail_over(), JobStatus::completed);
    change_source("v2");
    faults.kill_at(40);
    const auto pass = replication->start(vm, {}, "test");
    EXPECT_FALSE(survives(pass));
    restart();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    EXPECT_TRUE(machines.find(vm)->current_job.empty());
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(finish(), JobStatus::completed);
    expect_at_rest(vm);
}

}  // namespace
}  // namespace mk::failover
