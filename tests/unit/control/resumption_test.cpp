// Copies that are interrupted and gone on with by the same job, without sending again what arrived.

#include "unit/control/interrupted_copies.hpp"

namespace mk::replication {
namespace {

class ResumptionTest : public test::InterruptedCopies {};

TEST_F(ResumptionTest, CopyThatIsInterruptedGoesOnInTheSameJob) {
    const auto vm = add_changed_machine();
    interrupt_attempts(1);
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
    const auto& again = source.passes.back();
    EXPECT_EQ(again.job_id, job);
    EXPECT_EQ(again.attempt, 2);
    EXPECT_TRUE(again.disks[0].target_has_writes);
    EXPECT_FALSE(again.disks[1].target_has_writes);
    EXPECT_EQ(replications.find(job)->attempt, 2);
    EXPECT_TRUE(has_logged(job, "Attempt 1 ended"));
    EXPECT_EQ(recovery_points.of_job(job)->disks[0].bytes_resumed, 4096U);
    EXPECT_EQ(recovery_points.of_job(job)->disks[0].bytes_sent, 0U);
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, FirstCopyGoesOnToo) {
    const auto vm = add_machine();
    interrupt_attempts(1);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
    const auto& again = source.passes.back();
    EXPECT_TRUE(again.disks[0].target_is_zero);
    EXPECT_TRUE(again.disks[0].target_has_writes);
    EXPECT_TRUE(again.disks[1].target_is_zero);
    EXPECT_FALSE(again.disks[1].target_has_writes);
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, EverySortOfFailureThatMayVanishIsTriedAgain) {
    const auto vm = add_changed_machine();
    for (const auto& failure :
         {Error(ErrorCode::unavailable, "the tunnel was cut"), Error(ErrorCode::timeout, "no answer"),
          Error(ErrorCode::unauthenticated, "the session ended").with_native("NotAuthenticated")}) {
        SCOPED_TRACE(failure.cause());
        source.edit = [&](contracts::PassProgress& p) {
            if (p.attempt == 1) {
                p.state = "failed";
                p.result.reset();
                p.error = contracts::to_json(failure);
            }
        };
        EXPECT_EQ(sync(vm), JobStatus::completed);
        EXPECT_EQ(source.passes.back().attempt, 2);
    }
}

TEST_F(ResumptionTest, EngineOrVmaThatDiedIsTriedAgainWhateverErrorItLeft) {
    const auto vm = add_changed_machine();
    for (const auto& left : {Error(ErrorCode::internal, "the engine was killed by signal 9"),
                             Error(ErrorCode::cancelled, "the VMA was started anew")}) {
        SCOPED_TRACE(left.cause());
        source.edit = [&](contracts::PassProgress& p) {
            if (p.attempt == 1) {
                p.state = "interrupted";
                p.result.reset();
                p.error = contracts::to_json(left);
            }
        };
        EXPECT_EQ(sync(vm), JobStatus::completed);
        EXPECT_EQ(source.passes.back().attempt, 2);
    }
}

TEST_F(ResumptionTest, WrongPasswordIsNotTriedAgain) {
    const auto vm = add_changed_machine();
    source.edit = [](contracts::PassProgress& p) {
        p.state = "failed";
        p.result.reset();
        p.error =
            contracts::to_json(Error(ErrorCode::unauthenticated, "the password is wrong").with_native("InvalidLogin"));
    };
    EXPECT_EQ(sync(vm), JobStatus::failed);
    EXPECT_EQ(source.passes.back().attempt, 1);
}

TEST_F(ResumptionTest, AttemptsThatBringProgressAreNotCounted) {
    for (int key = 2002; key < 2008; ++key) {
        source.machine.disks.push_back(test::a_disk(key));
        source.content[disk_id_from_key(key)] = "more";
    }
    const auto vm = add_machine(source.machine);
    ASSERT_GT(8, pass_pacing.idle_attempts);
    interrupt_attempts(7);
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().attempt, 8);
    EXPECT_EQ(source.sent.size(), 8U);
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, AttemptsWithoutProgressEndAndTheNextJobGoesOn) {
    const auto vm = add_changed_machine();
    source.keeps_checkpoints = false;
    interrupt_attempts(1000);
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::failed);
    // One that brought a disk, and as many as are allowed that brought nothing more.
    EXPECT_EQ(source.passes.back().attempt, pass_pacing.idle_attempts);
    EXPECT_EQ(status(vm), MachineStatus::failed);
    EXPECT_EQ(volumes.open_sessions(), 2);
    expect_unharmed(vm);
    source.edit = {};
    source.keeps_checkpoints = true;
    source.sent.clear();
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.sent, std::vector<DiskId>{data});
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, EngineThatDiesAllTheTimeIsGivenUpHoweverMuchArrives) {
    auto pacing = pass_pacing;
    pacing.attempts = 2;
    set_pacing(pacing);
    for (int key = 2002; key < 2005; ++key) {
        source.machine.disks.push_back(test::a_disk(key));
        source.content[disk_id_from_key(key)] = "more";
    }
    const auto vm = add_machine(source.machine);
    interrupt_attempts(1000);
    EXPECT_EQ(sync(vm), JobStatus::failed);
    EXPECT_EQ(source.passes.size(), 2U);
}

TEST_F(ResumptionTest, StopBetweenTwoAttemptsIsObeyed) {
    auto pacing = pass_pacing;
    pacing.attempt_pause = pacing.longest_attempt_pause = std::chrono::hours{1};
    set_pacing(pacing);
    const auto vm = add_changed_machine();
    interrupt_attempts(1000);
    const auto job = replication->start(vm, {}, "test");
    wait_until([&] { return has_logged(job, "Attempt 1 ended"); }, std::chrono::milliseconds{1},
               std::chrono::seconds{60}, {}, "the attempt did not end");
    replication->cancel(job);
    EXPECT_EQ(outcome(job), JobStatus::cancelled);
    expect_unharmed(vm);
}

TEST_F(ResumptionTest, VmaThatDoesNotAnswerIsWaitedForWhileItsEngineGoesOn) {
    auto pacing = pass_pacing;
    pacing.heartbeat_limit = std::chrono::milliseconds{2};
    pacing.patience = std::chrono::hours{1};
    set_pacing(pacing);
    const auto vm = add_changed_machine();
    const auto passes = source.passes.size();
    JobId job;
    bool was_lost = false;
    policies.on_look = [&] {
        if (source.passes.size() == passes) {
            return;
        }
        const bool is_waiting =
            replications.find(source.passes.back().job_id)->current_operation == "Waiting for the VMware site";
        if (!was_lost) {
            faults.break_call("progress");
            was_lost = true;
        } else if (is_waiting) {
            faults.mend();
        }
    };
    job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(source.passes.size(), passes + 1);
    EXPECT_TRUE(has_logged(job, "waiting up to 1 h"));
    EXPECT_TRUE(has_logged(job, "answers again"));
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, StopIsObeyedAlsoWhenTheVmaCannotBeTold) {
    auto pacing = pass_pacing;
    pacing.heartbeat_limit = std::chrono::milliseconds{2};
    pacing.patience = std::chrono::hours{1};
    set_pacing(pacing);
    const auto vm = add_changed_machine();
    for (const auto* call : {"progress", "stop_pass", "set_limit"}) {
        faults.break_call(call);
    }
    const auto job = replication->start(vm, {}, "test");
    wait_until([&] { return has_logged(job, "waiting up to 1 h"); }, std::chrono::milliseconds{1},
               std::chrono::seconds{60}, {}, "the loss was not told");
    replication->cancel(job);
    EXPECT_EQ(outcome(job), JobStatus::cancelled);
    EXPECT_EQ(volumes.open_sessions(), 2);
    faults.mend();
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, VmaThatForgotTheJobIsAskedAgain) {
    const auto vm = add_changed_machine();
    bool is_lost = false;
    source.on_progress = [&] {
        if (!source.sent.empty() && !std::exchange(is_lost, true)) {
            source.lose_everything();
        }
    };
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().attempt, 2);
    expect_copied();
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, SessionThatIsGoneBetweenTwoAttemptsEndsTheJob) {
    const auto vm = add_changed_machine();
    source.edit = [&](contracts::PassProgress& p) {
        p.state = "interrupted";
        p.result.reset();
        for (auto& [id, session] : volumes.sessions) {
            if (session.row.job_id == p.job_id) {
                session.row.state = "aborted";
            }
        }
    };
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::failed);
    EXPECT_EQ(source.passes.back().attempt, 1);
    source.edit = {};
    EXPECT_EQ(sync(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, FinishedCopyIsKeptWhenTheVmaCannotBeToldToForgetIt) {
    const auto vm = add_changed_machine();
    faults.break_call("forget_pass");
    const auto job = replication->start(vm, {}, "test");
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_TRUE(has_logged(job, "keeps the record of this copy"));
    EXPECT_EQ(source.sent, (std::vector<DiskId>{boot, data}));
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, SessionsAreOpenedOnceMoreForEachAttemptAndNotForEachTry) {
    auto pacing = pass_pacing;
    pacing.patience = std::chrono::hours{1};
    set_pacing(pacing);
    const auto vm = add_changed_machine();
    source.edit = [&](contracts::PassProgress& p) {
        if (p.state == "running" && p.attempt == 1) {
            p.state = "interrupted";
            faults.break_call("start_pass");
        }
    };
    faults.forget_calls();
    const auto count = [&](const char* name) {
        const auto calls = faults.calls();
        return std::count(calls.begin(), calls.end(), name);
    };
    const auto job = replication->start(vm, {}, "test");
    wait_until([&] { return count("start_pass") > 3; }, std::chrono::milliseconds{1}, std::chrono::seconds{60}, {},
               "the second attempt was not tried again");
    faults.mend();
    EXPECT_EQ(outcome(job), JobStatus::completed);
    EXPECT_EQ(count("open_session"), 4);
    EXPECT_TRUE(source.passes.back().disks[0].target_has_writes);
    expect_at_rest(vm);
}

TEST_F(ResumptionTest, LimitsReachTheVmaWhenTheyChangeAndNotOftener) {
    const auto vm = add_changed_machine();
    source.limits.clear();
    policies.limit = 10 * MiB;
    int looks = 0;
    source.on_progress = [&] {
        if (++looks == 2) {
            policies.limit = 20 * MiB;
        }
    };
    source.edit = [&](contracts::PassProgress& p) {
        if (looks < 6 && p.state == "completed") {
            p.state = "running";
            p.result.reset();
        }
    };
    EXPECT_EQ(outcome(replication->start(vm, {.priority = 7, .bytes_per_second = 5 * MiB}, "test")),
              JobStatus::completed);
    EXPECT_EQ(source.limits, (std::vector<Bytes>{10 * MiB, 20 * MiB}));
    EXPECT_EQ(source.passes.back().priority, 7);
    EXPECT_EQ(source.passes.back().bytes_per_second, 5 * MiB);
}

TEST(OperationText, IsTheStageUntilNothingMovesAnyMore) {
    contracts::PassProgress progress;
    progress.stage = "Copying";
    progress.trouble = "the tunnel was cut";
    EXPECT_EQ(replication::operation_of(progress), "Copying");
    progress.stalled_seconds = 130;
    EXPECT_EQ(replication::operation_of(progress), "Stalled for 2 min: the tunnel was cut");
    progress.trouble.clear();
    EXPECT_EQ(replication::operation_of(progress), "Stalled for 2 min");
}

TEST(OperationText, FitsItsColumnAndStaysUtf8) {
    contracts::PassProgress progress;
    progress.stalled_seconds = 60;
    for (int i = 0; i < 200; ++i) {
        progress.trouble += "\u00e4";
    }
    const auto text = replication::operation_of(progress);
    EXPECT_LE(text.size(), 255u);
    EXPECT_NO_THROW(json::dump(Json(text)));
}

TEST_F(ResumptionTest, SenselessOptionsAreRefusedBeforeAnythingStarts) {
    const auto vm = add_changed_machine();
    for (const auto& options :
         {PassOptions{.full = true, .compare = true}, PassOptions{.priority = 101}, PassOptions{.priority = -101}}) {
        EXPECT_EQ(test::code_of([&] { replication->start(vm, options, "test"); }), ErrorCode::invalid);
    }
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
}

TEST_F(ResumptionTest, TargetsAreNamedAsTheSiteReachesThem) {
    const auto vm = add_changed_machine();
    source.through_tunnel = true;
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_TRUE(source.passes.back().disks[0].target_uri.starts_with("tunnel:///"));
    expect_copied();
}

}  // namespace
}  // namespace mk::replication
