// What an interrupted copy leaves open: the next job goes on with it, and whoever else needs the volumes drops it.

#include "unit/control/interrupted_copies.hpp"

namespace mk::replication {
namespace {

class KeptSessionsTest : public test::InterruptedCopies {
  protected:
    /// As many as a schedule makes that meets the same failure for a night.
    void add_ended_jobs(const VmContextId& vm) {
        for (int i = 0; i < 210; ++i) {
            job_log.end(job_log.start({.type = JobType::migration,
                                       .operation = "sync",
                                       .owner = "schedule",
                                       .vm_context_id = vm,
                                       .metadata = "{}",
                                       .steps = {}}));
        }
    }
};

TEST_F(KeptSessionsTest, NextJobGoesOnWithWhatAStoppedOneLeft) {
    const auto vm = add_changed_machine();
    const auto stopped = stop_after_boot_disk(vm);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1");  // the last point is whole
    EXPECT_EQ(volumes.open_sessions(), 2);
    expect_unharmed(vm);
    EXPECT_TRUE(has_logged(stopped, "What arrived is kept"));
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
    EXPECT_TRUE(source.passes.back().disks[0].target_has_writes);
    EXPECT_TRUE(has_logged(job, "Going on with what an interrupted sync left in 1 of 2 volumes"));
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, NextJobGoesOnWithAFirstCopy) {
    const auto vm = add_machine();
    stop_after_boot_disk(vm);
    EXPECT_EQ(status(vm), MachineStatus::discovered);
    expect_no_stray_session();
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
    EXPECT_TRUE(source.passes.back().disks[0].target_is_zero);
    EXPECT_TRUE(source.passes.back().disks[0].target_has_writes);
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, NextJobGoesOnHoweverManyJobsFailedMeanwhile) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    add_ended_jobs(vm);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, WhatCouldNotBeCleanedUpIsFoundHoweverManyJobsFailedMeanwhile) {
    const auto vm = add_changed_machine();
    source.keeps_snapshots = true;
    const auto stopped = stop_after_boot_disk(vm, {.full = true});
    EXPECT_EQ(source.snapshots.size(), 1U);
    add_ended_jobs(vm);
    source.keeps_snapshots = false;
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_TRUE(has_logged(job, "Cleaning up what job " + stopped.value));
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, ServiceStopsAlsoWhileItsTimerCannotRecordAnEnd) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    clock.advance(std::chrono::days{8});
    faults.kill_at(4);  // in the middle of the timer's job
    replication->start_timer();
    wait_until([&] { return faults.is_dead(); }, std::chrono::milliseconds{1}, std::chrono::seconds{60}, {},
               "the timer did not look");
    replication->stop();
    restart();
    replication->drop_expired();
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, WhatChangedSinceIsSentAgain) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    source.content[boot] = "boot v3";
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, boot, data}));
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, CommittedPassForgetsTheCheckpoint) {
    const auto vm = add_changed_machine();
    const auto before = source.checkpoints_forgotten;
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.checkpoints_forgotten, before + 1);
    faults.break_call("forget_checkpoint");
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, WrongContentIsNotGoneOnWith) {
    const auto vm = add_changed_machine();
    volumes.verify_finds_difference = true;
    EXPECT_EQ(sync(vm), JobStatus::failed);
    EXPECT_EQ(volumes.open_sessions(), 0);
    expect_at_rest(vm);
    volumes.verify_finds_difference = false;
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_FALSE(source.passes.back().disks[0].target_has_writes);
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, CorruptDataAtTheSourceIsNotGoneOnWith) {
    const auto vm = add_changed_machine();
    source.edit = [](contracts::PassProgress& p) {
        p.state = "failed";
        p.result.reset();
        p.error = contracts::to_json(Error(ErrorCode::corrupt, "the reader lied"));
    };
    EXPECT_EQ(sync(vm), JobStatus::failed);
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, FullCopyDropsWhatWasKeptAndKeepsNothingItself) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    source.sent.clear();
    const auto job = stop_after_boot_disk(vm, {.full = true});
    EXPECT_FALSE(source.passes.back().disks[0].target_has_writes);
    EXPECT_EQ(source.passes.back().disks[0].base_change_id, "");
    EXPECT_FALSE(has_logged(job, "What arrived is kept"));
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, GrownDiskIsCopiedAnewWithoutWhatWasKept) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    source.machine.disks[1] = test::a_disk(2001, 3 * GiB);
    EXPECT_EQ(sync(vm), JobStatus::failed);  // the disks are others
    EXPECT_EQ(volumes.open_sessions(), 2);
    EXPECT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, SessionsOfAnotherRecoveryPointAreDropped) {
    const auto vm = add_changed_machine();
    const auto stopped = stop_after_boot_disk(vm);
    note_kept(pass_use, stopped, std::nullopt);  // as if it had begun before the first point
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_FALSE(source.passes.back().disks[0].target_has_writes);
    EXPECT_TRUE(has_logged(stopped, "there is another recovery point now"));
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, RemovalDropsWhatWasKept) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    faults.break_call("forget_checkpoint");
    EXPECT_FALSE(replication->remove(vm, false, "test"));
    EXPECT_EQ(volumes.open_sessions(), 0);
    EXPECT_TRUE(volumes.volumes.empty());
}

TEST_F(KeptSessionsTest, RemovalThatKeepsTheVolumesLeavesThemAtTheLastPoint) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    EXPECT_TRUE(replication->remove(vm, true, "test"));
    EXPECT_EQ(volumes.open_sessions(), 0);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1");
}

TEST_F(KeptSessionsTest, TestFailoverDropsWhatWasKeptAlsoWithoutTheVmwareSite) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    for (const auto* call : {"forget_checkpoint", "look_up", "stop_pass", "sweep_snapshots", "progress"}) {
        faults.break_call(call);
    }
    EXPECT_EQ(outcome(failover->start(vm, {}, "test")), JobStatus::completed);
    EXPECT_EQ(volumes.open_sessions(), 0);
    faults.mend();
    EXPECT_EQ(outcome(failover->finish_test(vm, "worked", "", "test")), JobStatus::completed);
    expect_at_rest(vm);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_copied();
}

TEST_F(KeptSessionsTest, LiveFailoverGoesOnWithWhatWasKept) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    failover::FailoverRequest live;
    live.live = true;
    EXPECT_EQ(outcome(failover->start(vm, live, "test")), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
    EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
    EXPECT_EQ(volumes.open_sessions(), 0);
}

TEST_F(KeptSessionsTest, RollbackOfALiveFailoverDropsWhatItsSyncLeft) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    interrupt_all_attempts();
    failover::FailoverRequest live;
    live.live = true;
    EXPECT_EQ(outcome(failover->start(vm, live, "test")), JobStatus::failed);
    source.edit = {};
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    EXPECT_EQ(volumes.open_sessions(), 0);
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, WhatNobodyWentOnWithIsDroppedAfterAWeek) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    clock.advance(std::chrono::days{6});
    replication->drop_expired();
    EXPECT_EQ(volumes.open_sessions(), 2);
    clock.advance(std::chrono::days{2});
    replication->drop_expired();
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(job_log.list(vm, false, 1).front().operation, machines::expiry_operation);
    expect_at_rest(vm);
    replication->drop_expired();
    EXPECT_EQ(job_log.list(vm, false, 1).front().operation, machines::expiry_operation);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_copied();
}

TEST_F(KeptSessionsTest, PassDoesNotGoOnWithWhatIsTooOld) {
    const auto vm = add_changed_machine();
    stop_after_boot_disk(vm);
    clock.advance(std::chrono::days{8});
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, boot, data}));
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(KeptSessionsTest, DroppingThatFailsIsRepeatedAndKeepsTheReason) {
    const auto vm = add_changed_machine();
    interrupt_all_attempts();
    EXPECT_EQ(sync(vm), JobStatus::failed);
    source.edit = {};
    const auto reason = machines.find(vm)->status_reason;
    EXPECT_FALSE(reason.empty());
    clock.advance(std::chrono::days{8});
    faults.break_call("abort");
    replication->drop_expired();
    EXPECT_EQ(volumes.open_sessions(), 2);
    faults.mend();
    replication->drop_expired();
    EXPECT_EQ(volumes.open_sessions(), 0);
    EXPECT_EQ(status(vm), MachineStatus::failed);
    EXPECT_EQ(machines.find(vm)->status_reason, reason);
}

/// First copies and increments, killed at every effect and started again: the point at the end is that of a run that
/// nobody disturbed, and nothing that arrived was sent twice.
class EveryDeathOfACopy : public KeptSessionsTest, public testing::WithParamInterface<bool> {};

TEST_P(EveryDeathOfACopy, LosesNothingThatArrived) {
    const bool is_first = GetParam();
    for (int n = 1;; ++n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        clock.advance(std::chrono::seconds{1});
        source.content = {{boot, "boot v1"}, {data, "data v1"}};
        const auto vm = is_first ? add_machine() : add_replicated_machine();
        source.content = {{boot, "boot v2"}, {data, "data v2"}};
        source.sent.clear();
        const auto before = recovery_points.latest(vm);
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(replication->start(vm, {}, "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        expect_no_stray_session();
        const auto settled = recovery_points.latest(vm);
        if (!settled || (before && settled->id == before->id)) {
            EXPECT_EQ(sync(vm), JobStatus::completed);
        }
        const auto point = recovery_points.latest(vm);
        ASSERT_TRUE(point && (!before || point->id != before->id));
        EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
        expect_copied();
        expect_at_rest(vm);
        replication->remove(vm, false, "test");
        if (survived || HasFailure()) {
            EXPECT_GT(n, 50);
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Copies, EveryDeathOfACopy, testing::Bool(),
                         [](const auto& is_first) { return is_first.param ? "First" : "Increment"; });

TEST_F(KeptSessionsTest, SecondDeathWhileGoingOnLosesNothingEither) {
    for (int n = 1;; ++n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        clock.advance(std::chrono::seconds{1});
        source.content = {{boot, "boot v1"}, {data, "data v1"}};
        const auto vm = add_changed_machine();
        stop_after_boot_disk(vm);
        const auto before = recovery_points.latest(vm)->id;
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(replication->start(vm, {}, "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        expect_no_stray_session();
        if (recovery_points.latest(vm)->id == before) {
            EXPECT_EQ(sync(vm), JobStatus::completed);
        }
        EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
        expect_copied();
        expect_at_rest(vm);
        replication->remove(vm, false, "test");
        if (survived || HasFailure()) {
            EXPECT_GT(n, 50);
            break;
        }
    }
}

class EveryCallOfAResumption : public KeptSessionsTest, public testing::WithParamInterface<test::Moment> {};

TEST_P(EveryCallOfAResumption, MayFail) {
    for (int n = 1;; ++n) {
        SCOPED_TRACE("call " + std::to_string(n));
        clock.advance(std::chrono::seconds{1});
        source.content = {{boot, "boot v1"}, {data, "data v1"}};
        const auto vm = add_changed_machine();
        stop_after_boot_disk(vm);
        faults.fail_call(n, GetParam());
        sync(vm);
        const auto hit = faults.hit();
        SCOPED_TRACE(hit);
        faults.mend();
        expect_no_stray_session();
        EXPECT_EQ(sync(vm), JobStatus::completed);
        expect_copied();
        expect_at_rest(vm);
        replication->remove(vm, false, "test");
        if (hit.empty() || HasFailure()) {
            EXPECT_GE(n, 15);
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Moments, EveryCallOfAResumption, testing::Values(test::Moment::before, test::Moment::after),
                         [](const auto& moment) {
                             return moment.param == test::Moment::before ? "BeforeTheEffect" : "AnswerLost";
                         });

}  // namespace
}  // namespace mk::replication
