#include "control/replication/replication_service.hpp"

#include "unit/control/control_plane.hpp"

namespace mk::replication {
namespace {

using test::FakeVolumes;

class ReplicationTest : public test::ControlPlane {
  protected:
    const DiskId boot = disk_id_from_key(2000);
    const DiskId data = disk_id_from_key(2001);
    std::string change_id_of(const VmContextId& vm, const DiskId& disk) {
        const auto point = recovery_points.latest(vm);
        for (const auto& held : point->disks) {
            if (held.disk_id == disk) {
                return held.change_id;
            }
        }
        return {};
    }
    Error problem_of(const JobId& job) {
        EXPECT_EQ(outcome(job), JobStatus::failed);
        return contracts::error_from(json::parse(job_log.find(job)->error));
    }
    /// A sync that must fail and leave nothing behind.
    Error fails(const VmContextId& vm, const PassOptions& options = {}) {
        return problem_of(replication->start(vm, options, "test"));
    }
};

TEST_F(ReplicationTest, FirstCopyMakesARecoveryPointOfEveryDisk) {
    const auto vm = add_machine();
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(job_log.find(job)->percent, 100);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1");
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "data v1");
    EXPECT_TRUE(source.passes.back().disks.front().target_is_zero);
    EXPECT_EQ(source.passes.back().disks.front().base_change_id, "");
    EXPECT_EQ(replications.find(job)->status, "completed");
    EXPECT_EQ(replications.find(job)->current_operation, "Completed");
    EXPECT_EQ(machines.find(vm)->last_sync, recovery_points.latest(vm)->snapshot_time);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, IncrementStartsFromTheChangeIdsOfTheLastPointPerDisk) {
    const auto vm = add_replicated_machine();
    const auto first_boot = change_id_of(vm, boot);
    const auto first_data = change_id_of(vm, data);
    EXPECT_NE(first_boot, first_data);
    source.content[data] = "data v2";
    ASSERT_EQ(sync(vm), JobStatus::completed);
    const auto& asked = source.passes.back().disks;
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[0].base_change_id, first_boot);
    EXPECT_EQ(asked[1].base_change_id, first_data);
    EXPECT_EQ(asked[1].base_backing_uuid, "backing-2001");
    EXPECT_EQ(asked[1].base_capacity, 2 * GiB);
    EXPECT_FALSE(asked[0].target_is_zero);
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "data v2");
    EXPECT_NE(change_id_of(vm, data), first_data);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, FullSyncAsksForEverythingAndIsStaged) {
    const auto vm = add_replicated_machine();
    ASSERT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_EQ(source.passes.back().disks[0].base_change_id, "");
    for (const auto& [id, session] : volumes.sessions) {
        const bool is_second = session.row.job_id == source.passes.back().job_id;
        EXPECT_EQ(session.row.kind, is_second ? "staged" : "direct");
    }
}

TEST_F(ReplicationTest, DifferenceOnTheTargetFailsAndLeavesTheLastPoint) {
    const auto vm = add_replicated_machine();
    const auto before = recovery_points.latest(vm)->id;
    source.content[boot] = "boot v2";
    volumes.verify_finds_difference = true;
    const auto error = fails(vm);
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_NE(error.cause().find("disk-2000"), std::string::npos);
    EXPECT_EQ(recovery_points.latest(vm)->id, before);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1");
    EXPECT_EQ(status(vm), MachineStatus::failed);
    expect_at_rest(vm);
    volumes.verify_finds_difference = false;
    EXPECT_EQ(sync(vm), JobStatus::completed);
}

TEST_F(ReplicationTest, ApplyThatBreaksIsFinishedByTheNextSync) {
    const auto vm = add_replicated_machine();
    source.content[boot] = "boot v2";
    faults.break_call("commit");
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::failed);
    EXPECT_FALSE(recovery_points.latest(vm)->applied);
    EXPECT_EQ(volumes.open_sessions(), 2);  // they hold the rest of a recorded point
    faults.mend();
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_TRUE(recovery_points.of_job(job)->applied);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, CommitWhoseStagedDataIsLostNeedsAFullCopyWhichWorks) {
    const auto vm = add_replicated_machine();
    source.content[boot] = "boot v2";
    faults.break_call("commit");
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::failed);
    faults.mend();
    for (auto& [id, session] : volumes.sessions) {
        if (session.row.job_id == job) {
            session.row.state = "aborted";  // as the Volume Daemon does when the staged data is damaged
        }
    }
    const auto error = fails(vm);
    EXPECT_NE(error.advice().remedy.find("--full"), std::string::npos) << error.full_text();
    ASSERT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_TRUE(recovery_points.latest(vm)->applied);
    EXPECT_FALSE(recovery_points.of_job(job).has_value());
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v2");
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, RecordedPointIsFinishedAlsoWhenTheSourceIsLostSoThatAFailoverCanStart) {
    const auto vm = add_replicated_machine();
    source.content[boot] = "boot v2";
    faults.break_call("commit");
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::failed);
    faults.mend();
    for (const auto* call : {"look_up", "sweep_snapshots", "stop_pass", "progress", "forget_pass"}) {
        faults.break_call(call);
    }
    EXPECT_EQ(test::code_of([&] { throw fails(vm); }), ErrorCode::unavailable);
    EXPECT_TRUE(recovery_points.of_job(job)->applied);
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v2");
    expect_at_rest(vm);
    EXPECT_EQ(outcome(failover->start(vm, {}, "test")), JobStatus::completed);
}

TEST_F(ReplicationTest, FullCopyGivesUpACommitOfWhichOneDiskIsLost) {
    const auto vm = add_replicated_machine();
    const auto job = tear_commit(vm);
    const auto torn = recovery_points.latest(vm)->id;
    EXPECT_NE(fails(vm).advice().remedy.find("--full"), std::string::npos);
    faults.break_call("give_up");
    EXPECT_EQ(fails(vm, {.full = true}).code(), ErrorCode::unavailable);
    EXPECT_EQ(recovery_points.latest(vm)->id, torn);  // and nothing is forgotten before the sessions are closed
    faults.mend();
    ASSERT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_FALSE(recovery_points.of_job(job).has_value());
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "data v2");
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, CommittedPassKeepsNoNoteOfItsSessions) {
    const auto vm = add_replicated_machine();
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_TRUE(job_log.list_noting(vm, R"("resumable":{)").empty());
}

TEST_F(ReplicationTest, FinalSyncReadsNoSamplesButComparesWhatIsDoubtful) {
    const auto vm = add_replicated_machine();
    policies.percent = 5;
    failover::FailoverRequest live;
    live.live = true;
    ASSERT_EQ(outcome(failover->start(vm, live, "test")), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 0);
    ASSERT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::completed);
    source.machine.change_tracking = false;
    ASSERT_EQ(outcome(failover->start(vm, live, "test")), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
}

TEST_F(ReplicationTest, ResultThatLacksADiskIsRefused) {
    const auto vm = add_replicated_machine();
    source.edit = [](contracts::PassProgress& p) {
        if (p.result) {
            p.result->disks.pop_back();
        }
    };
    EXPECT_EQ(fails(vm).code(), ErrorCode::internal);
    source.edit = {};
    expect_unharmed(vm);
}

TEST_F(ReplicationTest, ErrorOfTheEngineIsPassedOnWithItsAdvice) {
    const auto vm = add_replicated_machine();
    source.edit = [](contracts::PassProgress& p) {
        p.state = "failed";
        p.result.reset();
        p.error = contracts::to_json(
            Error(ErrorCode::unauthenticated, "the session was lost", {.remedy = "Check the password."}));
    };
    const auto error = fails(vm);
    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    EXPECT_EQ(error.advice().remedy, "Check the password.");
    EXPECT_EQ(error.advice().consequence, "The last recovery point is unchanged.");
    expect_unharmed(vm);
}

TEST_F(ReplicationTest, InterruptedPassIsUnavailable) {
    const auto vm = add_replicated_machine();
    source.edit = [](contracts::PassProgress& p) {
        p.state = "interrupted";
        p.result.reset();
    };
    EXPECT_EQ(fails(vm).code(), ErrorCode::unavailable);
    expect_unharmed(vm);
}

TEST_F(ReplicationTest, UnreachableVmaEndsThePassAndTheNextOneCleansUp) {
    const auto vm = add_replicated_machine();
    for (const auto* call : {"progress", "stop_pass", "sweep_snapshots"}) {
        faults.break_call(call);
    }
    const auto error = fails(vm);
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_EQ(status(vm), MachineStatus::failed);
    EXPECT_EQ(ledger_kinds(), std::vector<std::string>{"vsphere_snapshot"});
    EXPECT_EQ(volumes.open_sessions(), 2);  // kept: what arrived is not lost
    // Still away: the next sync says so and starts nothing.
    EXPECT_NE(fails(vm).cause().find("an earlier sync could not be cleaned up"), std::string::npos);
    faults.mend();
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, SessionsThatCouldNotBeClosedAreClosedByTheNextSync) {
    const auto vm = add_replicated_machine();
    volumes.verify_finds_difference = true;
    faults.break_call("abort");
    EXPECT_EQ(fails(vm).code(), ErrorCode::corrupt);
    EXPECT_EQ(volumes.open_sessions(), 2);
    faults.mend();
    volumes.verify_finds_difference = false;
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, SnapshotThatStaysStaysInTheLedger) {
    const auto vm = add_replicated_machine();
    source.keeps_snapshots = true;
    source.edit = [](contracts::PassProgress& p) {
        p.state = "failed";
        p.result.reset();
    };
    const auto job = replication->start(vm, {}, "test");
    outcome(job);
    source.edit = {};
    source.snapshots = {"migratekit-" + job.value};
    EXPECT_NE(fails(vm).cause().find("migratekit-" + job.value), std::string::npos);
    EXPECT_EQ(ledger_kinds(), std::vector<std::string>{"vsphere_snapshot"});
    source.keeps_snapshots = false;
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, CancelStopsTheCopyAndGoesBack) {
    const auto vm = add_replicated_machine();
    // Running until it is stopped; the operator stops it at the second look.
    int looks = 0;
    source.on_progress = [&] {
        if (++looks == 2) {
            replication->cancel(source.passes.back().job_id);
        }
    };
    source.edit = [](contracts::PassProgress& p) {
        if (p.state == "completed") {
            p.state = "running";
            p.result.reset();
        }
    };
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::cancelled);
    EXPECT_EQ(step_status(job, "copy"), StepStatus::cancelled);
    EXPECT_EQ(replications.find(job)->status, "cancelled");
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    source.on_progress = {};
    source.edit = {};
    expect_unharmed(vm);
}

TEST_F(ReplicationTest, CancelledFirstSyncLeavesAMachineThatIsNotReplicated) {
    const auto vm = add_machine();
    source.on_progress = [&] { replication->cancel(source.passes.back().job_id); };
    source.edit = [](contracts::PassProgress& p) {
        if (p.state == "completed") {
            p.state = "running";
        }
    };
    EXPECT_EQ(sync(vm), JobStatus::cancelled);
    EXPECT_EQ(status(vm), MachineStatus::discovered);
    expect_no_stray_session();
}

TEST_F(ReplicationTest, CopyThatDoesNotObeyIsGivenUpWithinTheLimit) {
    const auto vm = add_replicated_machine();
    source.on_progress = [&] { replication->cancel(source.passes.back().job_id); };
    source.edit = [](contracts::PassProgress& p) {
        p.state = "running";
        p.result.reset();
    };
    EXPECT_EQ(sync(vm), JobStatus::cancelled);
    EXPECT_EQ(ledger_kinds(), std::vector<std::string>{"vsphere_snapshot"});  // it may still be read from
    source.on_progress = {};
    source.edit = {};
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, CancelOfAnUnknownJobIsNotFound) {
    EXPECT_EQ(test::code_of([&] { replication->cancel(JobId{"none"}); }), ErrorCode::not_found);
}

TEST_F(ReplicationTest, GrownDiskIsRefusedUntilAFullSyncIsAskedFor) {
    const auto vm = add_replicated_machine();
    source.machine.disks[1] = test::a_disk(2001, 3 * GiB);
    const auto error = fails(vm);
    EXPECT_EQ(error.native(), "SourceChanged");
    EXPECT_NE(error.advice().remedy.find("--full"), std::string::npos);
    expect_at_rest(vm);
    EXPECT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_EQ(volumes.of_disk("disk-2001").row.size_bytes, 3 * GiB);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, DigestOfAVolumeThatWasGrownForASyncThatFailedIsForgotten) {
    const auto vm = add_replicated_machine();
    source.machine.disks[1] = test::a_disk(2001, 3 * GiB);
    volumes.verify_finds_difference = true;
    EXPECT_EQ(fails(vm, {.full = true}).code(), ErrorCode::corrupt);
    const auto point = recovery_points.latest(vm);
    EXPECT_NE(point->disks[0].digest, "");
    EXPECT_EQ(point->disks[1].digest, "");
}

TEST_F(ReplicationTest, AddedDiskIsCopiedByAFullSync) {
    const auto vm = add_replicated_machine();
    source.machine.disks.push_back(test::a_disk(2002));
    EXPECT_EQ(fails(vm).native(), "SourceChanged");
    source.content[disk_id_from_key(2002)] = "third";
    EXPECT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_EQ(recovery_points.latest(vm)->disks.size(), 3U);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, RemovedDiskIsRefusedAlsoByAFullSyncAndTheLastPointStays) {
    const auto vm = add_replicated_machine();
    source.machine.disks.pop_back();
    for (const bool full : {false, true}) {
        const auto error = fails(vm, {.full = full});
        EXPECT_EQ(error.native(), "SourceChanged");
        EXPECT_NE(error.cause().find("disk-2001 was removed"), std::string::npos);
    }
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, MachineThatCannotBeReplicatedAnyMoreIsRefused) {
    const auto vm = add_replicated_machine();
    source.machine.findings.push_back(
        {Severity::blocker, "independent_disk", "disk 2 is independent", "Change its mode."});
    const auto error = fails(vm);
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "independent_disk");
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, SecondJobOfAMachineIsRefused) {
    const auto vm = add_replicated_machine();
    std::optional<Error> refused;
    source.on_progress = [&] { refused = test::error_of([&] { replication->start(vm, {}, "test"); }); };
    EXPECT_EQ(sync(vm), JobStatus::completed);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code(), ErrorCode::conflict);
}

TEST_F(ReplicationTest, StoppedServiceStartsNothingAndHoldsNoMachine) {
    const auto vm = add_replicated_machine();
    replication->stop();
    EXPECT_EQ(test::code_of([&] { replication->start(vm, {}, "test"); }), ErrorCode::unavailable);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, EndIsRecordedWhenTheDatabaseTakesWritesAgain) {
    const auto vm = add_replicated_machine();
    bool is_full = false;
    source.on_progress = [&] {
        if (!std::exchange(is_full, true)) {
            faults.refuse_writes(20);
        }
    };
    EXPECT_EQ(sync(vm), JobStatus::failed);
    EXPECT_EQ(status(vm), MachineStatus::failed);
    EXPECT_TRUE(machines.find(vm)->current_job.empty());
    source.on_progress = {};
    faults.refuse_writes(0);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ReplicationTest, DeathBetweenAnyTwoEffectsLeavesALastPointOrFinishesTheNewOne) {
    const auto vm = add_replicated_machine();
    for (int n = 1, version = 2;; ++n, ++version) {
        SCOPED_TRACE("effect " + std::to_string(n));
        source.content[boot] = "boot v" + std::to_string(version);
        const auto before = recovery_points.latest(vm)->id;
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(replication->start(vm, {}, "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        const auto now = recovery_points.latest(vm);
        EXPECT_TRUE(now->applied);
        EXPECT_EQ(status(vm) == MachineStatus::failed, status(vm) != MachineStatus::ready_for_failover);
        if (now->id != before) {
            EXPECT_EQ(volumes.of_disk("disk-2000").content, source.content[boot]);
            EXPECT_EQ(machines.find(vm)->last_sync, now->snapshot_time);
        }
        expect_unharmed(vm);
        EXPECT_EQ(sync(vm), JobStatus::completed);
        expect_at_rest(vm);
        if (survived || HasFailure()) {
            EXPECT_GT(n, 50);
            break;
        }
    }
}

class EveryCallOfASync : public ReplicationTest, public testing::WithParamInterface<test::Moment> {};

TEST_P(EveryCallOfASync, MayFail) {
    const auto vm = add_replicated_machine();
    for (int n = 1;; ++n) {
        SCOPED_TRACE("call " + std::to_string(n));
        faults.fail_call(n, GetParam());
        sync(vm);
        const auto hit = faults.hit();
        SCOPED_TRACE(hit);
        faults.mend();
        if (recovery_points.latest(vm)->applied && status(vm) == MachineStatus::failed) {
            expect_unharmed(vm);
        }
        EXPECT_EQ(sync(vm), JobStatus::completed);
        expect_at_rest(vm);
        if (hit.empty() || HasFailure()) {
            EXPECT_GE(n, 12);
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Moments, EveryCallOfASync, testing::Values(test::Moment::before, test::Moment::after),
                         [](const auto& moment) {
                             return moment.param == test::Moment::before ? "BeforeTheEffect" : "AnswerLost";
                         });

}  // namespace
}  // namespace mk::replication
