// Failure loops: every call of a failover and of a rollback fails once, or loses its answer; it is stopped at every
// call; the process dies between any two effects. Whatever happened: after a restart the job has gone on to a declared
// end; what a rollback would do is what it does then; and one action brings the machine back to where it was, with
// every byte of its recovery point and nothing left anywhere.

#include <cstdlib>

#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

constexpr int more_than_all = 2000;

enum class Kind { in_place, on_clones, live };

/// Most of a test on clones, and of a live failover, is what a test in place does, too: every third effect of theirs is
/// enough for each day. All of them: MK_EVERY_EFFECT=1.
int stride(Kind kind) {
    return kind == Kind::in_place || std::getenv("MK_EVERY_EFFECT") != nullptr ? 1 : 3;
}

std::string name_of(Kind kind) {
    return kind == Kind::in_place ? "InPlace" : kind == Kind::on_clones ? "OnClones" : "Live";
}

class FailoverLoop : public test::ControlPlane {
  protected:
    static FailoverRequest request(Kind kind) {
        FailoverRequest request;
        request.live = kind == Kind::live;
        request.on_clones = kind == Kind::on_clones;
        request.boot.probes = {"http:80/"};
        return request;
    }
    std::optional<JobId> try_start(const FailoverRequest& wanted) {
        try {
            return failover->start(vm, wanted, "test");
        } catch (const Error&) {
            return std::nullopt;  // refused at once: nothing was begun
        }
    }
    static MachineStatus failed_over(Kind kind) {
        return kind == Kind::live ? MachineStatus::failed_over_live : MachineStatus::failed_over_test;
    }
    JobId start_rollback(Kind kind) {
        return kind == Kind::live ? failover->go_back(vm, "test") : failover->finish_test(vm, "", "", "test");
    }

    /// What the plan of the rollback says, step by step, without its record.
    std::vector<std::string> planned() {
        std::vector<std::string> texts;
        for (const auto& step : failover->plan_cleanup(vm)) {
            EXPECT_EQ(step.problem, "");
            for (const auto& action : step.actions) {
                if (step.step.name != record_step) {
                    texts.push_back(action.text);
                }
            }
        }
        return texts;
    }
    /// What the rollback's steps found to do, in order.
    std::vector<std::string> done_by(const JobId& job) {
        static const std::string prefix = "To do: ";
        std::vector<std::string> texts;
        for (const auto& event : job_log.events(job, "", 1000)) {
            if (event.message.starts_with(prefix)) {
                texts.push_back(event.message.substr(prefix.size()));
            }
        }
        return texts;
    }
    void roll_back_as_planned(const std::function<JobId()>& start) {
        const auto plan = planned();
        const auto job = start();
        EXPECT_EQ(outcome(job), JobStatus::completed);
        EXPECT_EQ(done_by(job), plan);
    }

    /// From wherever it is back to ready, as an operator would.
    void recover() {
        faults.mend();
        wait_for_quiet();
        if (status(vm) == MachineStatus::failed_over_live) {
            roll_back_as_planned([&] { return failover->go_back(vm, "test"); });
        }
        if (status(vm) == MachineStatus::failed_over_test) {
            roll_back_as_planned([&] { return failover->finish_test(vm, "", "", "test"); });
        }
        if (status(vm) == MachineStatus::cleanup_required) {
            roll_back_as_planned([&] { return failover->clean_up(vm, "test"); });
        }
        if (status(vm) == MachineStatus::failed) {
            // A final sync broke after its commit record.
            EXPECT_FALSE(recovery_points.latest(vm)->applied);
            EXPECT_EQ(sync(vm), JobStatus::completed);
        }
        EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
        EXPECT_EQ(source.machine.power_state, "poweredOn");
        expect_at_rest(vm);
        clock.advance(std::chrono::seconds{1});
        forget_failovers();
    }
    /// The loops are long, and each query should not be asked of all that they did before.
    void forget_failovers() {
        stored->execute("DELETE FROM failover_jobs");
        stored->execute("DELETE FROM log_events");
        stored->execute(
            "DELETE FROM job_steps WHERE job_id IN (SELECT id FROM job_tracking WHERE job_type <> 'migration')");
        stored->execute("DELETE FROM job_tracking WHERE job_type <> 'migration'");
    }

    VmContextId vm = add_replicated_machine();
};

using CallFault = std::tuple<test::Moment, Kind>;

class FailoverFailure : public FailoverLoop, public testing::WithParamInterface<CallFault> {
  protected:
    test::Moment moment() const { return std::get<0>(GetParam()); }
    Kind kind() const { return std::get<1>(GetParam()); }

    /// False when the call does not exist any more: the loop is over.
    bool fail_failover(int n) {
        SCOPED_TRACE("call " + std::to_string(n));
        faults.fail_call(n, moment());
        const auto job = try_start(request(kind()));
        const auto ended = job ? outcome(*job) : JobStatus::failed;
        const auto hit = faults.hit();
        SCOPED_TRACE(hit);
        const auto now = status(vm);
        if (ended == JobStatus::completed || ended == JobStatus::warning) {
            EXPECT_EQ(now, failed_over(kind()));
        } else {
            EXPECT_TRUE(now == MachineStatus::cleanup_required || now == MachineStatus::ready_for_failover)
                << to_string(now);
        }
        recover();
        return !hit.empty() && !HasFailure();
    }
    bool fail_and_roll_back(int n) {
        SCOPED_TRACE("call " + std::to_string(n));
        auto wanted = request(kind());
        wanted.rollback_on_failure = true;
        faults.fail_call(n, moment());
        const auto job = try_start(wanted);
        const auto ended = job ? outcome(*job) : JobStatus::failed;
        const auto hit = faults.hit();
        SCOPED_TRACE(hit);
        wait_for_quiet();
        const bool went_well = ended == JobStatus::completed || ended == JobStatus::warning;
        // One action of nobody: it is ready again, or waits for the next sync to apply the rest of a point.
        const bool is_torn = !recovery_points.latest(vm)->applied;
        EXPECT_EQ(status(vm), went_well ? failed_over(kind())
                              : is_torn ? MachineStatus::failed
                                        : MachineStatus::ready_for_failover);
        recover();
        return !hit.empty() && !HasFailure();
    }
};

TEST_P(FailoverFailure, EveryCallOfAFailoverMayFail) {
    int n = 1;
    while (fail_failover(n) && n < more_than_all) {
        n += stride(kind());
    }
    EXPECT_GE(n, kind() == Kind::live ? 60 : 40);
    EXPECT_LT(n, more_than_all);
}

TEST_P(FailoverFailure, EveryFailureMayBeRolledBackByItself) {
    int n = 1;
    while (fail_and_roll_back(n) && n < more_than_all) {
        n += stride(kind());
    }
    EXPECT_GE(n, kind() == Kind::live ? 60 : 40);
    EXPECT_LT(n, more_than_all);
}

TEST_P(FailoverFailure, EveryCallOfARollbackMayFail) {
    for (int n = 1;; n += stride(kind())) {
        ASSERT_LT(n, more_than_all);
        SCOPED_TRACE("call " + std::to_string(n));
        ASSERT_EQ(outcome(failover->start(vm, request(kind()), "test")), JobStatus::completed);
        faults.fail_call(n, moment());
        outcome(start_rollback(kind()));
        SCOPED_TRACE(faults.hit());
        const bool is_hit = !faults.hit().empty();
        EXPECT_TRUE(!is_hit || status(vm) == MachineStatus::cleanup_required ||
                    status(vm) == MachineStatus::ready_for_failover);
        recover();
        if (!is_hit || HasFailure()) {
            EXPECT_GE(n, 20);
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Moments, FailoverFailure,
                         testing::Combine(testing::Values(test::Moment::before, test::Moment::after),
                                          testing::Values(Kind::in_place, Kind::on_clones, Kind::live)),
                         [](const auto& fault) {
                             return std::string(std::get<0>(fault.param) == test::Moment::before ? "BeforeTheEffect"
                                                                                                 : "AnswerLost") +
                                    name_of(std::get<1>(fault.param));
                         });

class FailoverStop : public FailoverLoop, public testing::WithParamInterface<Kind> {
  protected:
    enum class Answer { none, accepted, refused };

    Answer stop_at_call(int n) {
        Answer answer = Answer::none;
        faults.at_call(n, [&] {
            try {
                failover->cancel(job_log.list(vm, true, 1).front().id);
                answer = Answer::accepted;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), ErrorCode::conflict);
                EXPECT_NE(error.advice().remedy, "");
                answer = Answer::refused;
            }
        });
        ended_ = outcome(failover->start(vm, request(GetParam()), "test"));
        faults.mend();
        wait_for_quiet();
        return answer;
    }
    JobStatus ended_ = JobStatus::pending;
};

TEST_P(FailoverStop, AtEveryCallItIsTakenBackOrRefused) {
    int refusals = 0;
    // The first call is made before the job is begun.
    for (int n = 2;; n += stride(GetParam())) {
        ASSERT_LT(n, more_than_all);
        SCOPED_TRACE("call " + std::to_string(n));
        const auto answer = stop_at_call(n);
        if (answer == Answer::accepted) {
            EXPECT_EQ(ended_, JobStatus::cancelled);
            EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
        } else {
            EXPECT_EQ(ended_, JobStatus::completed);
            EXPECT_EQ(status(vm), failed_over(GetParam()));
        }
        refusals += answer == Answer::refused ? 1 : 0;
        recover();
        if (answer == Answer::none || HasFailure()) {
            EXPECT_GE(n, 40);
            break;
        }
    }
    // A live one from the start of its machine on; a test has no such point.
    EXPECT_EQ(refusals > 0, GetParam() == Kind::live);
}

INSTANTIATE_TEST_SUITE_P(Kinds, FailoverStop, testing::Values(Kind::in_place, Kind::on_clones, Kind::live),
                         [](const auto& kind) { return name_of(kind.param); });

class FailoverDeath : public FailoverLoop, public testing::WithParamInterface<Kind> {
  protected:
    bool die_in_failover(int n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        const auto before = failovers.latest(vm);
        faults.kill_at(n);
        const auto job = try_start(request(GetParam()));
        const bool survived = job ? survives(*job) : !faults.is_dead();
        restart();
        const auto latest = failovers.latest(vm);
        const bool is_begun = latest && (!before || latest->job_id != before->job_id);
        EXPECT_EQ(status(vm), is_begun ? failed_over(GetParam()) : MachineStatus::ready_for_failover);
        if (is_begun) {
            EXPECT_EQ(job_log.find(latest->job_id)->status, JobStatus::completed);
            EXPECT_EQ(latest->status, "completed");
            EXPECT_EQ(cloud.machines.size(), 1U);
            const auto& root =
                GetParam() == Kind::on_clones ? volumes.clones.begin()->second : volumes.of_disk("disk-2000");
            EXPECT_EQ(root.content, "boot v1+virtio+booted");  // converted once, whatever was cut off
        }
        recover();
        return !survived && !HasFailure();
    }
    bool die_in_rollback(int n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        EXPECT_EQ(outcome(failover->start(vm, request(GetParam()), "test")), JobStatus::completed);
        const auto before = job_log.list(vm, false, 1).front().id;
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(start_rollback(GetParam()));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        const auto last = job_log.list(vm, false, 1).front();
        EXPECT_EQ(status(vm), last.id == before ? failed_over(GetParam()) : MachineStatus::ready_for_failover);
        recover();
        return !survived && !HasFailure();
    }
    /// It dies while what was stopped is being taken back.
    bool die_in_a_stop(int n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        cloud.on_create = [&] {
            failover->cancel(job_log.list(vm, true, 1).front().id);
            faults.kill_at(n);
        };
        failover->start(vm, request(GetParam()), "test");
        wait_until([&] { return faults.is_dead() || is_quiet(); }, std::chrono::milliseconds{1},
                   std::chrono::seconds{60}, {}, "the job did not end");
        const bool survived = !faults.is_dead();
        cloud.on_create = {};
        restart();
        EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
        recover();
        return !survived && !HasFailure();
    }
    bool is_quiet() {
        try {
            return job_log.list({}, true, 10).empty() && !owes_a_rollback() && job_log.list({}, true, 10).empty();
        } catch (const Error&) {
            return false;  // it dies at this moment
        }
    }
};

TEST_P(FailoverDeath, BetweenAnyTwoEffectsOfAFailover) {
    int n = 1;
    while (die_in_failover(n) && n < more_than_all) {
        n += stride(GetParam());
    }
    EXPECT_GE(n, GetParam() == Kind::live ? 150 : 80);
}

TEST_P(FailoverDeath, BetweenAnyTwoEffectsOfARollback) {
    int n = 1;
    while (die_in_rollback(n) && n < more_than_all) {
        n += stride(GetParam());
    }
    EXPECT_GE(n, 50);
}

TEST_P(FailoverDeath, BetweenAnyTwoEffectsOfWhatAStopTakesBack) {
    int n = 1;
    while (die_in_a_stop(n) && n < more_than_all) {
        n += stride(GetParam());
    }
    EXPECT_GE(n, 50);
}

INSTANTIATE_TEST_SUITE_P(Kinds, FailoverDeath, testing::Values(Kind::in_place, Kind::on_clones, Kind::live),
                         [](const auto& kind) { return name_of(kind.param); });

/// The same for commits: whatever broke, the next commit ends well, and nothing that holds data was deleted.
class CommitLoop : public FailoverLoop {
  protected:
    void fail_over() {
        ASSERT_EQ(outcome(failover->start(vm, request(Kind::live), "test")), JobStatus::completed);
        for (const auto& [id, volume] : volumes.volumes) {
            const auto entry = ledger.intend(ledger::Site::target, "volume", id.value, vm, {});
            ledger.confirm(entry, id.value);
        }
    }
    /// To the end of the commit, and on to a machine that is replicated anew.
    void finish() {
        faults.mend();
        if (status(vm) != MachineStatus::committed) {
            EXPECT_EQ(status(vm), MachineStatus::failed_over_live);
            EXPECT_EQ(outcome(failover->commit(vm, "test")), JobStatus::completed);
        }
        EXPECT_EQ(status(vm), MachineStatus::committed);
        EXPECT_EQ(failovers.latest(vm)->status, "completed");
        EXPECT_EQ(cloud.machines.size(), 1U);
        EXPECT_EQ(cloud.machines.begin()->second.state, "Running");
        EXPECT_EQ(volumes.of_disk("disk-2000").content, "boot v1+virtio+booted");
        EXPECT_EQ(volumes.of_disk("disk-2001").content, "data v1+virtio+booted");
        for (const auto& [id, volume] : volumes.volumes) {
            EXPECT_EQ(volume.row.snapshot_status, "none");
            EXPECT_EQ(volume.row.vm_id, cloud.machines.begin()->first);
        }
        EXPECT_EQ(ledger_kinds(), std::vector<std::string>{});
        EXPECT_TRUE(job_log.list({}, true, 10).empty());
        EXPECT_EQ(source.machine.power_state, "poweredOff");
        EXPECT_TRUE(replication->remove(vm, false, "test"));
        EXPECT_EQ(volumes.volumes.size(), 2U);
        volumes.volumes.clear();
        cloud.machines.clear();
        source.machine.power_state = "poweredOn";
        clock.advance(std::chrono::seconds{1});
        vm = add_replicated_machine();
    }
};

class CommitFailure : public CommitLoop, public testing::WithParamInterface<test::Moment> {};

TEST_P(CommitFailure, EveryCallMayFail) {
    for (int n = 1;; ++n) {
        ASSERT_LT(n, more_than_all);
        SCOPED_TRACE("call " + std::to_string(n));
        fail_over();
        faults.fail_call(n, GetParam());
        outcome(failover->commit(vm, "test"));
        const auto hit = faults.hit();
        SCOPED_TRACE(hit);
        finish();
        if (hit.empty() || HasFailure()) {
            EXPECT_GE(n, 7);
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Moments, CommitFailure, testing::Values(test::Moment::before, test::Moment::after),
                         [](const auto& moment) {
                             return moment.param == test::Moment::before ? "BeforeTheEffect" : "AnswerLost";
                         });

TEST_F(CommitLoop, DeathBetweenAnyTwoEffects) {
    for (int n = 1;; ++n) {
        ASSERT_LT(n, more_than_all);
        SCOPED_TRACE("effect " + std::to_string(n));
        fail_over();
        const auto before = job_log.list(vm, false, 1).front().id;
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(failover->commit(vm, "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        const bool is_begun = job_log.list(vm, false, 1).front().id != before;
        EXPECT_EQ(status(vm), is_begun ? MachineStatus::committed : MachineStatus::failed_over_live);
        finish();
        if (survived || HasFailure()) {
            EXPECT_GE(n, 20);
            break;
        }
    }
}

}  // namespace
}  // namespace mk::failover
