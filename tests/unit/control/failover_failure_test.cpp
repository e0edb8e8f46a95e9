// Failure loops: every call of a failover and of a rollback fails once; the process dies between any two effects.
// Afterwards one cleanup, or the way back of a live failover, brings the machine back to where it was, with every byte
// of its recovery point.

#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

constexpr int more_than_all = 1000;

class FailoverLoop : public test::ControlPlane {
  protected:
    std::optional<JobId> try_start(bool live) {
        try {
            return failover->start(vm, request(live), "test");
        } catch (const Error&) {
            return std::nullopt;  // refused at once: nothing was begun
        }
    }
    static FailoverRequest request(bool live) {
        FailoverRequest request;
        request.live = live;
        request.probe = "http:80/";
        return request;
    }
    /// From wherever it is back to ready, as an operator would.
    void recover() {
        faults.mend();
        if (status(vm) == MachineStatus::failed_over_live) {
            EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::completed);
        }
        if (status(vm) == MachineStatus::failed_over_test) {
            outcome(failover->finish_test(vm, "", "", "test"));
        }
        if (status(vm) == MachineStatus::cleanup_required) {
            EXPECT_EQ(clean_up(vm), JobStatus::completed);
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
    }

    VmContextId vm = add_replicated_machine();
};

class FailoverFailure : public FailoverLoop, public testing::WithParamInterface<test::Moment> {
  protected:
    /// False when the call does not exist any more: the loop is over.
    bool fail_failover(bool live, int n) {
        SCOPED_TRACE("call " + std::to_string(n));
        faults.fail_call(n, GetParam());
        const auto job = try_start(live);
        const auto ended = job ? outcome(*job) : JobStatus::failed;
        const auto hit = faults.hit();
        SCOPED_TRACE(hit);
        const auto now = status(vm);
        if (ended == JobStatus::completed || ended == JobStatus::warning) {
            EXPECT_EQ(now, live ? MachineStatus::failed_over_live : MachineStatus::failed_over_test);
        } else {
            EXPECT_TRUE(now == MachineStatus::cleanup_required || now == MachineStatus::ready_for_failover)
                << to_string(now);
        }
        recover();
        return !hit.empty() && !HasFailure();
    }
};

TEST_P(FailoverFailure, EveryCallOfATestFailoverMayFail) {
    int n = 1;
    while (fail_failover(false, n) && n < more_than_all) {
        ++n;
    }
    EXPECT_GE(n, 20);
    EXPECT_LT(n, more_than_all);
}

TEST_P(FailoverFailure, EveryCallOfALiveFailoverMayFail) {
    int n = 1;
    while (fail_failover(true, n) && n < more_than_all) {
        ++n;
    }
    EXPECT_GE(n, 40);
    EXPECT_LT(n, more_than_all);
}

TEST_P(FailoverFailure, EveryCallOfARollbackMayFail) {
    for (const bool live : {false, true}) {
        for (int n = 1;; ++n) {
            ASSERT_LT(n, more_than_all);
            SCOPED_TRACE("call " + std::to_string(n) + (live ? " live" : " test"));
            ASSERT_EQ(outcome(failover->start(vm, request(live), "test")), JobStatus::completed);
            faults.fail_call(n, GetParam());
            outcome(live ? failover->go_back(vm, "test") : failover->finish_test(vm, "", "", "test"));
            SCOPED_TRACE(faults.hit());
            const bool is_hit = !faults.hit().empty();
            EXPECT_TRUE(!is_hit || status(vm) == MachineStatus::cleanup_required ||
                        status(vm) == MachineStatus::ready_for_failover);
            recover();
            if (!is_hit || HasFailure()) {
                break;
            }
        }
    }
}

/// The same for commits: whatever broke, the next commit ends well, and nothing that holds data was deleted.
class CommitLoop : public FailoverLoop {
  protected:
    void fail_over() {
        ASSERT_EQ(outcome(failover->start(vm, request(true), "test")), JobStatus::completed);
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
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(failover->commit(vm, "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        finish();
        if (survived || HasFailure()) {
            EXPECT_GE(n, 20);
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Moments, FailoverFailure, testing::Values(test::Moment::before, test::Moment::after),
                         [](const auto& moment) {
                             return moment.param == test::Moment::before ? "BeforeTheEffect" : "AnswerLost";
                         });

class FailoverDeath : public FailoverLoop {
  protected:
    bool die_in_failover(bool live, int n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        faults.kill_at(n);
        const auto job = try_start(live);
        const bool survived = job ? survives(*job) : !faults.is_dead();
        restart();
        recover();
        return !survived && !HasFailure();
    }
    bool die_in_rollback(bool live, int n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        EXPECT_EQ(outcome(failover->start(vm, request(live), "test")), JobStatus::completed);
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(live ? failover->go_back(vm, "test") : failover->finish_test(vm, "worked", "", "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        recover();
        return !survived && !HasFailure();
    }
};

TEST_F(FailoverDeath, BetweenAnyTwoEffectsOfATestFailover) {
    int n = 1;
    while (die_in_failover(false, n)) {
        ++n;
    }
    EXPECT_GE(n, 80);
}

TEST_F(FailoverDeath, BetweenAnyTwoEffectsOfALiveFailover) {
    int n = 1;
    while (die_in_failover(true, n)) {
        ++n;
    }
    EXPECT_GT(n, 150);
}

TEST_F(FailoverDeath, BetweenAnyTwoEffectsOfARollback) {
    int n = 1;
    while (die_in_rollback(false, n)) {
        ++n;
    }
    EXPECT_GE(n, 50);
}

TEST_F(FailoverDeath, BetweenAnyTwoEffectsOfTheWayBack) {
    int n = 1;
    while (die_in_rollback(true, n)) {
        ++n;
    }
    EXPECT_GE(n, 50);
}

}  // namespace
}  // namespace mk::failover
