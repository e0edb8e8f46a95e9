// Failure loops: every call of a failover and of a rollback fails once; the process dies between any two effects.
// Afterwards one cleanup brings the machine back to where it was, with every byte of its recovery point.

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
            // There is no way back from there yet; the rollback itself must be able to.
            stored->execute("UPDATE vm_contexts SET current_status = 'cleanup_required'");
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
            stored->execute("UPDATE vm_contexts SET current_status = 'cleanup_required'");
            faults.fail_call(n, GetParam());
            clean_up(vm);
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
    for (int n = 1;; ++n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        ASSERT_EQ(outcome(failover->start(vm, request(false), "test")), JobStatus::completed);
        faults.kill_at(n);
        bool survived = false;
        try {
            survived = survives(failover->finish_test(vm, "worked", "", "test"));
        } catch (const Error&) {
            survived = !faults.is_dead();
        }
        restart();
        recover();
        if (survived || HasFailure()) {
            break;
        }
    }
}

}  // namespace
}  // namespace mk::failover
