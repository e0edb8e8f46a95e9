// Copies that are compared with their source: as a part of a pass, and by a verification that moves nothing.

#include "control/replication/verification.hpp"

#include <nlohmann/json.hpp>

#include "unit/control/control_plane.hpp"

namespace mk::replication {
namespace {

class ComparisonTest : public test::ControlPlane {
  protected:
    const DiskId boot = disk_id_from_key(2000);

    /// What change tracking does not know of: the copy of the boot disk is not what was sent.
    void spoil_copy() { volumes.of_disk("disk-2000").content = "spoiled"; }
    Error problem_of(const JobId& job) {
        EXPECT_EQ(outcome(job), JobStatus::failed);
        return contracts::error_from(json::parse(job_log.find(job)->error));
    }
    JobStatus verify(const VmContextId& vm, int percent = 100) {
        return outcome(replication->verify(vm, percent, "test"));
    }
    Json finding_of(const JobId& job) const { return job_log.recall(job, verification_key); }
};

TEST_F(ComparisonTest, IncrementsCompareTheShareThatIsSetAndOtherCopiesNothing) {
    policies.percent = 3;
    const auto vm = add_replicated_machine();
    EXPECT_EQ(source.passes.back().compare_percent, 0);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 3);
    EXPECT_FALSE(source.passes.back().only_compare);
    EXPECT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 0);
    EXPECT_FALSE(machines.find(vm)->verified_at);
}

TEST_F(ComparisonTest, ComparisonThatWasAskedForReadsEverything) {
    const auto vm = add_replicated_machine();
    spoil_copy();
    const auto job = replication->start(vm, {.compare = true}, "test");
    EXPECT_EQ(outcome(job), JobStatus::warning);
    EXPECT_EQ(job_log.find(job)->operation, "compare-sync");
    EXPECT_EQ(source.passes.back().compare_percent, 100);
    EXPECT_NE(source.passes.back().disks.front().base_change_id, "");
    EXPECT_TRUE(has_logged(job, "change tracking missed 1024 bytes in disk-2000; they were sent"));
    EXPECT_EQ(volumes.of_disk("disk-2000").content, source.content[boot]);
    EXPECT_EQ(machines.find(vm)->verified_verdict, "identical");  // at the point that was made
    EXPECT_EQ(machines.find(vm)->verified_at, recovery_points.latest(vm)->snapshot_time);
    expect_at_rest(vm);
}

TEST_F(ComparisonTest, FirstCopyThatIsToCompareSendsEverything) {
    const auto vm = add_machine();
    EXPECT_EQ(sync(vm, {.compare = true}), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 0);
}

TEST_F(ComparisonTest, SampleThatFindsSomethingMakesTheNextPassesCompareEverythingUntilOneFindsNothing) {
    const auto vm = add_replicated_machine();
    spoil_copy();
    source.sample_hits = true;
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::warning);
    EXPECT_EQ(step_status(job, "copy"), StepStatus::warning);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_NE(machines.find(vm)->compare_reason.find("missed 1024 bytes in disk-2000"), std::string::npos);
    EXPECT_EQ(recovery_points.latest(vm)->disks[0].bytes_different, 1024U);
    EXPECT_EQ(recovery_points.latest(vm)->disks[1].bytes_different, 0U);
    spoil_copy();
    EXPECT_EQ(sync(vm), JobStatus::warning);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
    EXPECT_FALSE(machines.find(vm)->compare_reason.empty());
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
    EXPECT_EQ(machines.find(vm)->compare_reason, "");
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 1);
    expect_at_rest(vm);
}

TEST_F(ComparisonTest, MarkOutlivesAPassThatFailsAfterIt) {
    const auto vm = add_replicated_machine();
    spoil_copy();
    source.sample_hits = true;
    volumes.verify_finds_difference = true;
    EXPECT_EQ(sync(vm), JobStatus::failed);
    EXPECT_FALSE(machines.find(vm)->compare_reason.empty());
    volumes.verify_finds_difference = false;
    EXPECT_EQ(sync(vm), JobStatus::warning);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
}

TEST_F(ComparisonTest, ChangeTrackingThatWasResetLeadsToAComparisonInsteadOfAFullCopy) {
    const auto vm = add_replicated_machine();
    source.machine.change_tracking = false;
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
    EXPECT_TRUE(has_logged(job, "change tracking does not reach back"));
    expect_at_rest(vm);
}

TEST_F(ComparisonTest, WithoutATunnelNothingIsComparedAndDoubtsStay) {
    const auto vm = add_replicated_machine();
    source.is_comparable = false;
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 0);
    const auto error = test::error_of([&] { replication->start(vm, {.compare = true}, "test"); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("--full"), std::string::npos);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    machines.set_compare_reason(vm, "change tracking missed something");
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 0);
    EXPECT_TRUE(has_logged(job, "cannot be compared"));
    EXPECT_EQ(machines.find(vm)->compare_reason, "change tracking missed something");
    EXPECT_EQ(problem_of(replication->verify(vm, 100, "test")).code(), ErrorCode::conflict);
    EXPECT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_EQ(machines.find(vm)->compare_reason, "");
}

TEST_F(ComparisonTest, DiskWithoutAChangeIdIsComparedAsAWhole) {
    const auto vm = add_replicated_machine();
    source.edit = [](contracts::PassProgress& p) {
        if (p.result) {
            p.result->disks[1].change_id.clear();
        }
    };
    ASSERT_EQ(sync(vm), JobStatus::completed);
    source.edit = {};
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
    EXPECT_EQ(source.passes.back().disks[1].base_change_id, "");
    EXPECT_TRUE(has_logged(job, "disk-2001 was compared as a whole"));
}

TEST_F(ComparisonTest, PointKeepsItsEvidence) {
    const auto vm = add_replicated_machine();
    source.edit = [](contracts::PassProgress& p) {
        if (p.result) {
            auto& disk = p.result->disks.front();
            disk.planned = 1000;
            disk.read = 900;
            disk.sent = 800;
            disk.zeroed = 70;
            disk.skipped = 30;
            disk.resumed = 100;
            disk.compared = 600;
            p.result->wire_bytes = 333;
        }
    };
    const auto job = replication->start(vm, {}, "test");
    ASSERT_EQ(outcome(job), JobStatus::completed);
    const auto point = recovery_points.of_job(job);
    const auto& disk = point->disks.front();
    EXPECT_EQ(point->bytes_wire, 333U);
    EXPECT_EQ(disk.bytes_changed, 1000U);
    EXPECT_EQ(disk.bytes_read, 900U);
    EXPECT_EQ(disk.bytes_sent, 800U);
    EXPECT_EQ(disk.bytes_zeroed, 70U);
    EXPECT_EQ(disk.bytes_skipped, 30U);
    EXPECT_EQ(disk.bytes_resumed, 100U);
    EXPECT_EQ(disk.bytes_compared, 600U);
    EXPECT_EQ(disk.bytes_verified, 4096U);
    EXPECT_EQ(disk.digest_runs, 1U);
    EXPECT_FALSE(disk.digest.empty());
    const auto row = replications.find(job);
    EXPECT_EQ(row->bytes_wire, 1000U);
    EXPECT_EQ(row->bottleneck, "tunnel");
    EXPECT_EQ(row->attempt, 1);
}

class VerificationTest : public ComparisonTest {
  protected:
    VmContextId vm = add_replicated_machine();
    RecoveryPointId point = recovery_points.latest(vm)->id;
    /// Nothing but the verdict is different.
    void expect_untouched() {
        EXPECT_EQ(recovery_points.latest(vm)->id, point);
        EXPECT_EQ(volumes.open_sessions(), 0);
        EXPECT_TRUE(source.snapshots.empty());
        EXPECT_EQ(ledger_kinds(), std::vector<std::string>{});
        EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
        EXPECT_TRUE(machines.find(vm)->current_job.empty());
    }
};

TEST_F(VerificationTest, CopyThatIsRightIsIdentical) {
    source.content[boot] = "boot v2";  // what changed since does not count
    source.sent.clear();
    const auto job = replication->verify(vm, 100, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(job_log.find(job)->type, JobType::verification);
    EXPECT_TRUE(source.passes.back().only_compare);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
    EXPECT_TRUE(source.sent.empty());
    EXPECT_EQ(finding_of(job).at("verdict"), "identical");
    EXPECT_EQ(finding_of(job).at("compared"), 8192);
    const auto machine = machines.find(vm);
    EXPECT_EQ(machine->verified_verdict, "identical");
    EXPECT_EQ(machine->verified_percent, 100);
    EXPECT_TRUE(machine->verified_at);
    EXPECT_EQ(machine->compare_reason, "");
    EXPECT_EQ(replications.find(job)->replication_type, "verification");
    EXPECT_EQ(replications.find(job)->status, "completed");
    expect_untouched();
    expect_at_rest(vm);
}

TEST_F(VerificationTest, CopyThatIsWrongIsToldAndMendedByTheNextSync) {
    spoil_copy();
    const auto job = replication->verify(vm, 100, "test");
    EXPECT_EQ(outcome(job), JobStatus::warning);
    const auto finding = finding_of(job);
    EXPECT_EQ(finding.at("verdict"), "differs");
    EXPECT_EQ(finding.at("different"), 1024);
    EXPECT_EQ(finding.at("disks").at(0).at("disk_id"), "disk-2000");
    EXPECT_EQ(finding.at("disks").at(0).at("ranges"), (Json{{{"offset", 512}, {"length", 1024}}}));
    EXPECT_EQ(finding.at("disks").at(1).at("different"), 0);
    EXPECT_TRUE(has_logged(job, "sync start web-01 --compare"));
    EXPECT_EQ(machines.find(vm)->verified_verdict, "differs");
    EXPECT_EQ(volumes.of_disk("disk-2000").content, "spoiled");
    expect_untouched();
    EXPECT_EQ(sync(vm), JobStatus::warning);
    EXPECT_EQ(source.passes.back().compare_percent, 100);
    EXPECT_EQ(machines.find(vm)->verified_verdict, "identical");
    expect_at_rest(vm);
}

TEST_F(VerificationTest, FullCopyLeavesNoVerdictOfTheOldOne) {
    spoil_copy();
    EXPECT_EQ(verify(vm), JobStatus::warning);
    EXPECT_EQ(sync(vm, {.full = true}), JobStatus::completed);
    EXPECT_EQ(machines.find(vm)->verified_verdict, "");
    EXPECT_FALSE(machines.find(vm)->verified_at);
    EXPECT_EQ(machines.find(vm)->compare_reason, "");
}

TEST_F(VerificationTest, LongListsOfDifferencesAreCutAndCounted) {
    source.edit = [](contracts::PassProgress& p) {
        if (p.result) {
            p.result->disks.front().differences.clear();
            for (Bytes i = 0; i < verification_ranges + 7; ++i) {
                p.result->disks.front().differences.push_back({i * MiB, 512});
            }
        }
    };
    const auto job = replication->verify(vm, 100, "test");
    EXPECT_EQ(outcome(job), JobStatus::warning);
    const Json disk = finding_of(job).at("disks").at(0);
    EXPECT_EQ(disk.at("ranges").size(), verification_ranges);
    EXPECT_EQ(disk.at("ranges_left_out"), 7);
    EXPECT_EQ(disk.at("different"), 512 * (verification_ranges + 7));
}

TEST_F(VerificationTest, ShareMustBeOne) {
    for (const int percent : {0, -1, 101}) {
        EXPECT_EQ(test::code_of([&] { replication->verify(vm, percent, "test"); }), ErrorCode::invalid);
    }
    expect_untouched();
}

TEST_F(VerificationTest, NeedsAWholeCopy) {
    auto second = test::a_machine("db-01", "uuid-2");
    const auto empty = add_machine(second);
    EXPECT_EQ(test::code_of([&] { replication->verify(empty, 100, "test"); }), ErrorCode::conflict);
}

TEST_F(VerificationTest, IsOneOfTheJobsOfWhichAMachineHasOne) {
    bool is_refused = false;
    source.on_progress = [&] {
        is_refused = test::code_of([&] { replication->start(vm, {}, "test"); }) == ErrorCode::conflict &&
                     test::code_of([&] { replication->verify(vm, 1, "test"); }) == ErrorCode::conflict &&
                     test::code_of([&] { failover->start(vm, {}, "test"); }) == ErrorCode::conflict;
    };
    EXPECT_EQ(verify(vm), JobStatus::completed);
    EXPECT_TRUE(is_refused);
}

TEST_F(VerificationTest, DoesNotTakeTheVolumesFromAnInterruptedSync) {
    source.disks_per_look = 1;
    source.edit = [this](contracts::PassProgress& p) {
        if (p.state == "running") {
            replication->cancel(p.job_id);
        }
    };
    EXPECT_EQ(sync(vm), JobStatus::cancelled);
    source.edit = {};
    const auto error = problem_of(replication->verify(vm, 100, "test"));
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("sync start"), std::string::npos);
    EXPECT_EQ(volumes.open_sessions(), 2);
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
}

TEST_F(VerificationTest, CannotTellWithoutChangeTracking) {
    source.machine.change_tracking = false;
    const auto error = problem_of(replication->verify(vm, 100, "test"));
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("--compare"), std::string::npos);
    EXPECT_FALSE(machines.find(vm)->verified_at);
    expect_untouched();
}

TEST_F(VerificationTest, CannotTellWhenTheEngineRefusesTheBase) {
    source.edit = [](contracts::PassProgress& p) {
        if (p.result) {
            p.result->disks.front().incremental = false;
            p.result->disks.front().differences = {{0, 512}};
        }
    };
    EXPECT_EQ(problem_of(replication->verify(vm, 100, "test")).code(), ErrorCode::conflict);
    EXPECT_FALSE(machines.find(vm)->verified_at);
    expect_untouched();
}

TEST_F(VerificationTest, GivesNoVerdictWhenNothingWasCompared) {
    source.edit = [](contracts::PassProgress& p) {
        for (auto& disk : p.result->disks) {
            disk.compared = 0;
        }
    };
    EXPECT_EQ(problem_of(replication->verify(vm, 100, "test")).code(), ErrorCode::conflict);
    EXPECT_FALSE(machines.find(vm)->verified_at);
    expect_untouched();
}

TEST_F(VerificationTest, CanBeStopped) {
    source.disks_per_look = 1;
    source.edit = [this](contracts::PassProgress& p) {
        if (p.state == "running") {
            replication->cancel(p.job_id);
        }
    };
    EXPECT_EQ(verify(vm), JobStatus::cancelled);
    expect_untouched();
}

TEST_F(VerificationTest, GoesOnAfterAnInterruption) {
    source.disks_per_look = 1;
    source.edit = [](contracts::PassProgress& p) {
        if (p.state == "running" && p.attempt == 1) {
            p.state = "interrupted";
        }
    };
    EXPECT_EQ(verify(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().attempt, 2);
    expect_untouched();
}

class EveryCallOfAVerification : public VerificationTest, public testing::WithParamInterface<test::Moment> {};

TEST_P(EveryCallOfAVerification, MayFail) {
    for (int n = 1;; ++n) {
        SCOPED_TRACE("call " + std::to_string(n));
        faults.fail_call(n, GetParam());
        verify(vm);
        const auto hit = faults.hit();
        SCOPED_TRACE(hit);
        faults.mend();
        EXPECT_EQ(recovery_points.latest(vm)->id, point);
        EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
        EXPECT_EQ(verify(vm), JobStatus::completed);
        expect_untouched();
        if (hit.empty() || HasFailure()) {
            EXPECT_GE(n, 12);
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Moments, EveryCallOfAVerification, testing::Values(test::Moment::before, test::Moment::after),
                         [](const auto& moment) {
                             return moment.param == test::Moment::before ? "BeforeTheEffect" : "AnswerLost";
                         });

TEST_F(VerificationTest, VerdictThatIsNotedStandsWhateverTheDatabaseRefusesAfterIt) {
    int standing = 0;
    for (int n = 1;; ++n) {
        SCOPED_TRACE("write " + std::to_string(n));
        faults.refuse_write_at(n);
        JobId job;
        try {
            job = replication->verify(vm, 100, "test");
        } catch (const Error&) {
            continue;  // it was not even started
        }
        const bool is_completed = outcome(job) == JobStatus::completed;
        EXPECT_EQ(is_completed, finding_of(job).is_object());
        standing += is_completed && faults.was_refused() ? 1 : 0;
        expect_untouched();
        if (!faults.was_refused() || HasFailure()) {
            break;
        }
    }
    faults.mend();
    EXPECT_GE(standing, 3);
}

TEST_F(VerificationTest, DeathBetweenAnyTwoEffectsLeavesNothingBehind) {
    for (int n = 1;; ++n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(replication->verify(vm, 100, "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        expect_untouched();
        const auto last = job_log.list(vm, false, 1).front();
        EXPECT_EQ(last.status == JobStatus::completed,
                  finding_of(last.id).is_object() || last.type != JobType::verification);
        if (survived || HasFailure()) {
            EXPECT_GT(n, 40);
            break;
        }
    }
    EXPECT_EQ(verify(vm), JobStatus::completed);
    expect_at_rest(vm);
}

}  // namespace
}  // namespace mk::replication
