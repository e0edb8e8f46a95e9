// What goes on by itself: after a restart, after a failure, after a stop, when a test's time is over; and what is only
// shown.

#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

class FailoverEngine : public test::ControlPlane {
  protected:
    static FailoverRequest rehearsal() {
        FailoverRequest request;
        request.boot.probes = {"http:80/"};
        return request;
    }
    static FailoverRequest live() {
        auto request = rehearsal();
        request.live = true;
        return request;
    }
    static FailoverRequest for_half_an_hour() {
        auto request = rehearsal();
        request.test_duration = std::chrono::minutes{30};
        request.auto_cleanup = true;
        return request;
    }
    JobStatus fail_over(const FailoverRequest& request) {
        job = failover->start(vm, request, "test");
        return outcome(job);
    }
    /// A test that is in the middle of its conversion, and stays there.
    void hang() {
        cloud.prepare_hangs = true;
        job = failover->start(vm, wanted, "test");
        wait_until([&] { return has_logged(job, "converting"); }, std::chrono::milliseconds{1},
                   std::chrono::seconds{60}, {}, "the conversion did not begin");
    }

    VmContextId vm = add_replicated_machine();
    JobId job;
    FailoverRequest wanted = rehearsal();
};

TEST_F(FailoverEngine, ServiceThatIsStoppedLeavesItsJobsToTheNextOne) {
    hang();
    stop_services();
    EXPECT_FALSE(is_over(job));
    EXPECT_EQ(status(vm), MachineStatus::failing_over_test);
    cloud.prepare_hangs = false;
    start_services();
    EXPECT_EQ(job_log.find(job)->status, JobStatus::completed);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    EXPECT_TRUE(has_logged(job, "Going on after a restart"));
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1+virtio+booted");
    EXPECT_EQ(outcome(failover->finish_test(vm, "worked", "", "test")), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, MachineStuckInItsConversionIsReadyAfterOneAction) {
    hang();
    failover->cancel(job);
    EXPECT_EQ(outcome(job), JobStatus::cancelled);
    wait_for_quiet();
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(failovers.find(job)->status, "rolled_back");
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, JobWhoseMachineWasMovedOnIsEndedWithTheReasonAndNothingIsTouched) {
    hang();
    stop_services();
    stored->execute("UPDATE vm_contexts SET current_status = 'cleanup_required'");
    faults.forget_calls();
    start_services();
    EXPECT_EQ(job_log.find(job)->status, JobStatus::failed);
    EXPECT_NE(job_log.find(job)->error.find("cleanup_required"), std::string::npos);
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    EXPECT_TRUE(machines.find(vm)->current_job.empty());
    EXPECT_TRUE(faults.calls().empty());
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, JobWithoutItsRecordIsEndedWithTheReason) {
    hang();
    stop_services();
    stored->execute("DELETE FROM failover_jobs");
    start_services();
    EXPECT_EQ(job_log.find(job)->status, JobStatus::failed);
    EXPECT_NE(job_log.find(job)->error.find("missing"), std::string::npos);
    EXPECT_EQ(status(vm), MachineStatus::failed);
    EXPECT_TRUE(machines.find(vm)->current_job.empty());
}

TEST_F(FailoverEngine, StopThatTheProcessDidNotLiveToSeeIsCarriedOutByTheNextOne) {
    hang();
    stop_services();
    job_log.request_cancel(job);
    start_services();
    EXPECT_EQ(job_log.find(job)->status, JobStatus::cancelled);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, FailureAfterARestartFollowsTheSamePolicy) {
    wanted.rollback_on_failure = true;
    hang();
    stop_services();
    cloud.prepare_hangs = false;
    faults.break_call("cloud.create");
    start_services();
    faults.mend();
    EXPECT_EQ(job_log.find(job)->status, JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, FailureWithoutAWishNeedsOneCleanup) {
    faults.break_call("cloud.create");
    EXPECT_EQ(fail_over(rehearsal()), JobStatus::failed);
    wait_for_quiet();
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    faults.mend();
    failover->roll_back_due();
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, TestThatWouldEndByItselfIsRolledBackWhenItFails) {
    cloud.preparation = {.ready = false, .needs_uefi = false, .text = "no operating system found"};
    EXPECT_EQ(fail_over(for_half_an_hour()), JobStatus::failed);
    wait_for_quiet();
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(job_log.list(vm, false, 1).front().owner, "migratekit");
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, RollbackThatFailsIsLeftToAPersonAndNotRepeatedForEver) {
    wanted.rollback_on_failure = true;
    faults.break_call("cloud.create");
    faults.break_call("revert_snapshot");
    EXPECT_EQ(fail_over(wanted), JobStatus::failed);
    wait_for_quiet();
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    const auto rollback = job_log.list(vm, false, 1).front();
    EXPECT_EQ(rollback.status, JobStatus::failed);
    failover->roll_back_due();
    EXPECT_EQ(job_log.list(vm, false, 1).front().id, rollback.id);
    faults.mend();
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, PointOfNoReturnIsTheStartOfALiveMachine) {
    ErrorCode code = ErrorCode::internal;
    std::string remedy;
    cloud.on_start = [&] {
        const auto error = test::error_of([&] { failover->cancel(job_log.list(vm, true, 1).front().id); });
        code = error.code();
        remedy = error.advice().remedy;
    };
    EXPECT_EQ(fail_over(live()), JobStatus::completed);
    EXPECT_EQ(code, ErrorCode::conflict);
    EXPECT_NE(remedy.find("failover commit"), std::string::npos);
    EXPECT_NE(remedy.find("failover back"), std::string::npos);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
    EXPECT_TRUE(is_point_of_no_return(JobType::live_failover, "vm-startup-and-validation"));
    EXPECT_FALSE(is_point_of_no_return(JobType::live_failover, "volume-attachment"));
    EXPECT_FALSE(is_point_of_no_return(JobType::test_failover, "vm-startup-and-validation"));
}

TEST_F(FailoverEngine, SourceRunsAgainBeforeTheCopyIsReverted) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    faults.break_call("revert_snapshot");
    EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::failed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");  // the service is back although the rollback is not over
    EXPECT_EQ(cloud.machines.begin()->second.state, "Stopped");
    faults.mend();
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, SourceIsNotStartedWhileTheMachineInTheCloudMayRun) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    faults.break_call("cloud.stop");
    EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::failed);
    EXPECT_EQ(source.machine.power_state, "poweredOff");
    faults.mend();
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
}

TEST_F(FailoverEngine, EndOfATestCanBeMoved) {
    ASSERT_EQ(fail_over(for_half_an_hour()), JobStatus::completed);
    const auto begun = clock.now();
    EXPECT_EQ(failovers.find(job)->rollback_at, begun + std::chrono::minutes{30});
    EXPECT_EQ(failover->extend(vm, std::chrono::hours{2}, "test"), begun + std::chrono::minutes{150});
    EXPECT_EQ(failovers.find(job)->rollback_at, begun + std::chrono::minutes{150});
    EXPECT_TRUE(has_logged(job, "test moved the end of the test"));
    clock.advance(std::chrono::minutes{31});
    failover->roll_back_due();
    EXPECT_EQ(status(vm), MachineStatus::failed_over_test);
    clock.advance(std::chrono::hours{2});
    failover->roll_back_due();
    wait_for_quiet();
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, SenselessExtensionsAreRefused) {
    const auto code = [&](std::chrono::seconds by) { return test::code_of([&] { failover->extend(vm, by, "test"); }); };
    EXPECT_EQ(code(std::chrono::hours{1}), ErrorCode::conflict);  // nothing runs
    ASSERT_EQ(fail_over(for_half_an_hour()), JobStatus::completed);
    EXPECT_EQ(code(std::chrono::seconds{0}), ErrorCode::invalid);
    EXPECT_EQ(code(std::chrono::seconds{-5}), ErrorCode::invalid);
    EXPECT_EQ(code(std::chrono::hours{24 * 31}), ErrorCode::invalid);
    EXPECT_EQ(code(std::chrono::hours{24 * 30}), ErrorCode::invalid);  // 30 days and half an hour in all
    EXPECT_EQ(test::code_of([&] { failover->extend(VmContextId{"ctx-none"}, std::chrono::hours{1}, "test"); }),
              ErrorCode::not_found);
    EXPECT_EQ(failovers.find(job)->rollback_at, clock.now() + std::chrono::minutes{30});
    ASSERT_EQ(outcome(failover->finish_test(vm, "", "", "test")), JobStatus::completed);
    EXPECT_EQ(code(std::chrono::hours{1}), ErrorCode::conflict);
}

TEST_F(FailoverEngine, TestWithoutAnEndHasNoneToMove) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    const auto error = test::error_of([&] { failover->extend(vm, std::chrono::hours{1}, "test"); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find("does not end by itself"), std::string::npos);
}

TEST_F(FailoverEngine, PlanOfACleanupOnlyLooks) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    faults.forget_calls();
    source.power_actions.clear();
    const auto plan = failover->plan_cleanup(vm);
    const std::set<std::string> looks = {"volumes_of", "clones_of",          "volumes_at",
                                         "cloud.find", "cloud.find_by_name", "power:state"};
    for (const auto& call : faults.calls()) {
        EXPECT_TRUE(looks.contains(call)) << call;
    }
    ASSERT_EQ(plan.size(), 11U);
    EXPECT_EQ(plan[2].step.name, "test-vm-shutdown");
    ASSERT_EQ(plan[2].actions.size(), 1U);
    EXPECT_EQ(plan[2].actions[0].text, "stop web-01");
    EXPECT_EQ(plan[3].step.name, "source-restart");
    ASSERT_EQ(plan[3].actions.size(), 1U);
    EXPECT_EQ(plan[3].actions[0].object_kind, "source_machine");
    EXPECT_EQ(plan[6].step.name, "cloudstack-snapshot-deletion");
    ASSERT_EQ(plan[6].actions.size(), 2U);
    EXPECT_TRUE(plan[6].actions[0].is_removal);
    EXPECT_EQ(plan[8].step.name, "test-vm-deletion");
    EXPECT_TRUE(plan[8].actions.back().is_removal);
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
}

TEST_F(FailoverEngine, PlanSaysWhatItCannotTell) {
    ASSERT_EQ(fail_over(live()), JobStatus::completed);
    faults.break_call("power:state");
    const auto plan = failover->plan_cleanup(vm);
    EXPECT_NE(plan[3].problem, "");
    EXPECT_EQ(plan[2].problem, "");
    EXPECT_FALSE(plan[4].actions.empty());
}

TEST_F(FailoverEngine, WithoutAFailoverThereIsNothingToPlan) {
    EXPECT_EQ(test::code_of([&] { failover->plan_cleanup(vm); }), ErrorCode::conflict);
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    ASSERT_EQ(outcome(failover->finish_test(vm, "", "", "test")), JobStatus::completed);
    EXPECT_EQ(test::code_of([&] { failover->plan_cleanup(vm); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { failover->plan_cleanup(VmContextId{"ctx-none"}); }), ErrorCode::not_found);
}

TEST_F(FailoverEngine, CallThatIsAnsweredButHadNoEffectIsNotCountedAsDone) {
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    cloud.stop_works = false;
    const auto rollback = failover->finish_test(vm, "", "", "test");
    EXPECT_EQ(outcome(rollback), JobStatus::failed);
    EXPECT_EQ(step_status(rollback, "test-vm-shutdown"), StepStatus::failed);
    EXPECT_EQ(volumes.of_disk("disk-2000").row.operation_mode, "failover");
    cloud.stop_works = true;
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverEngine, RequestIsKeptWithTheFailover) {
    auto request = rehearsal();
    request.network_ids = {"net-test"};
    request.addresses = {"10.1.2.3"};
    request.keep_mac = true;
    request.boot.text = "ready";
    request.boot.limit = std::chrono::seconds{90};
    request.inspect_guest = false;
    request.accept_unverified = true;
    request.test_duration = std::chrono::hours{4};
    request.auto_cleanup = true;
    request.rollback_on_failure = true;
    ASSERT_NE(fail_over(request), JobStatus::failed);
    EXPECT_EQ(to_json(failovers.find(job)->request), to_json(request));
    ASSERT_EQ(cloud.orders.size(), 1U);
    EXPECT_EQ(cloud.orders[0].nics[0].address, "10.1.2.3");
    EXPECT_EQ(cloud.orders[0].nics[0].mac, source.machine.nics[0].mac);
    EXPECT_TRUE(has_logged(job, "by test"));  // who accepted an unverified point
}

TEST_F(FailoverEngine, TornCopyThatWasAcceptedIsBroughtBackAsItWas) {
    const auto torn = tear_commit(vm);
    for (auto& [id, session] : volumes.sessions) {
        if (session.row.job_id == torn) {
            session.row.state = "aborted";  // what was staged is lost: no sync can finish the point
        }
    }
    volumes.of_disk("disk-2001").content = "half v2";
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::failed);
    wanted.accept_unverified = true;
    ASSERT_EQ(fail_over(wanted), JobStatus::completed);
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "half v2+virtio+booted");
    EXPECT_EQ(outcome(failover->finish_test(vm, "", "", "test")), JobStatus::completed);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1");
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "half v2");
    EXPECT_EQ(status(vm), MachineStatus::failed);  // and not "ready"
}

TEST_F(FailoverEngine, WhatWasSeenOfTheBootIsKept) {
    cloud.evidence = {BootVerdict::booted,
                      "HTTP 200",
                      {{.when = clock.now(), .probe = "http:80/", .is_proof = true, .text = "200 OK"}}};
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    const auto seen = failovers.find(job)->boot_observations;
    EXPECT_NE(seen.find("200 OK"), std::string::npos);
    EXPECT_NE(seen.find("ROOT vol-disk-2000, DATADISK vol-disk-2001"), std::string::npos);
}

class BadRequest : public FailoverEngine {
  protected:
    void expect_refused(const FailoverRequest& request) {
        const auto error = test::error_of([&] { failover->start(vm, request, "test"); });
        EXPECT_EQ(error.code(), ErrorCode::invalid) << error.cause();
        EXPECT_NE(error.advice().remedy, "") << error.cause();
        EXPECT_TRUE(job_log.list(vm, true, 1).empty());
    }
};

TEST_F(BadRequest, WishesThatContradictEachOther) {
    auto request = live();
    request.on_clones = true;
    expect_refused(request);
    request = live();
    request.test_duration = std::chrono::hours{1};
    expect_refused(request);
    request = rehearsal();
    request.auto_cleanup = true;
    expect_refused(request);
    request = rehearsal();
    request.force_power_off = true;
    expect_refused(request);
    request = rehearsal();
    request.boot.probes.clear();
    request.boot.text = "ready";
    expect_refused(request);
}

TEST_F(BadRequest, NetworksAndAddresses) {
    auto request = rehearsal();
    request.network_ids = {"net-test", "net-test"};
    expect_refused(request);
    request.network_ids = {"net-test"};
    request.addresses = {"10.0.0.1", "10.0.0.2"};
    expect_refused(request);
    request.addresses = {"10.0.0.256"};
    expect_refused(request);
    request.network_ids = {"net-test", "net-live"};
    request.addresses = {"10.0.0.1", "10.0.0.1"};
    expect_refused(request);
}

TEST_F(BadRequest, Durations) {
    for (const auto seconds : {std::chrono::seconds{0}, std::chrono::seconds{-1}, std::chrono::seconds{31 * 86400}}) {
        auto request = rehearsal();
        request.boot.limit = seconds;
        expect_refused(request);
        request = live();
        request.shutdown_limit = seconds;
        expect_refused(request);
        request = for_half_an_hour();
        request.test_duration = seconds;
        expect_refused(request);
    }
}

TEST_F(FailoverEngine, BootDiskCanBeOverriddenWhileNothingRuns) {
    machines.set_boot_disk(vm, disk_id_from_key(2001));
    EXPECT_TRUE(machines.disks(vm)[1].is_boot);
    EXPECT_FALSE(machines.disks(vm)[0].is_boot);
    EXPECT_EQ(test::code_of([&] { machines.set_boot_disk(vm, DiskId{"disk-9"}); }), ErrorCode::invalid);
    EXPECT_EQ(test::code_of([&] { machines.set_boot_disk(VmContextId{"ctx-none"}, DiskId{"disk-2000"}); }),
              ErrorCode::not_found);
    ASSERT_EQ(fail_over(rehearsal()), JobStatus::completed);
    EXPECT_EQ(volumes.of_disk("disk-2001").row.type, "ROOT");
    EXPECT_EQ(test::code_of([&] { machines.set_boot_disk(vm, disk_id_from_key(2000)); }), ErrorCode::conflict);
    ASSERT_EQ(outcome(failover->finish_test(vm, "", "", "test")), JobStatus::completed);
    machines.set_boot_disk(vm, disk_id_from_key(2000));
    EXPECT_EQ(machines.find(vm)->boot_disk, disk_id_from_key(2000));
}

}  // namespace
}  // namespace mk::failover
