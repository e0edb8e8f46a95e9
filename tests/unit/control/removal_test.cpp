// Machines that leave management: nothing is deleted that is not a copy, nothing starts meanwhile, and whatever breaks
// leaves a machine that can be removed again or replicated anew.

#include "unit/control/control_plane.hpp"

namespace mk::replication {
namespace {

class RemovalTest : public test::ControlPlane {
  protected:
    VmContextId vm = add_replicated_machine();
    void expect_gone() {
        EXPECT_FALSE(machines.find(vm));
        EXPECT_TRUE(volumes.volumes.empty());
        EXPECT_TRUE(job_log.list({}, true, 10).empty());
    }
    /// Neither "ready" without its points, nor a point without its volumes.
    void expect_honest() {
        EXPECT_EQ(recovery_points.latest(vm).has_value(), status(vm) == MachineStatus::ready_for_failover);
        EXPECT_TRUE(status(vm) == MachineStatus::ready_for_failover || status(vm) == MachineStatus::discovered);
        EXPECT_TRUE(status(vm) == MachineStatus::discovered || volumes.volumes.size() == 2U);
        EXPECT_TRUE(machines.find(vm)->current_job.empty());
    }
};

TEST_F(RemovalTest, DeletesTheCopyAndForgetsTheMachine) {
    EXPECT_FALSE(replication->remove(vm, false, "test"));
    expect_gone();
    const auto job = job_log.list({}, false, 1).front();
    EXPECT_EQ(job.operation, "remove");
    EXPECT_EQ(job.owner, "test");
    EXPECT_EQ(job.status, JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
}

TEST_F(RemovalTest, KeepsTheVolumesWhenAskedTo) {
    EXPECT_TRUE(replication->remove(vm, true, "test"));
    EXPECT_FALSE(machines.find(vm));
    EXPECT_EQ(volumes.volumes.size(), 2U);
}

TEST_F(RemovalTest, CopyWhoseCommitBrokeIsDeletedButNotKept) {
    tear_commit(vm);
    const auto error = test::error_of([&] { replication->remove(vm, true, "test"); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("sync start"), std::string::npos);
    EXPECT_TRUE(recovery_points.latest(vm));
    EXPECT_EQ(volumes.open_sessions(), 1);
    EXPECT_FALSE(replication->remove(vm, false, "test"));
    EXPECT_EQ(volumes.open_sessions(), 0);
    expect_gone();
}

TEST_F(RemovalTest, NothingCanStartWhileVolumesAreDeleted) {
    int tries = 0;
    volumes.on_remove = [&] {
        ++tries;
        EXPECT_EQ(test::code_of([&] { replication->start(vm, {}, "test"); }), ErrorCode::conflict);
        EXPECT_EQ(test::code_of([&] { failover->start(vm, {}, "test"); }), ErrorCode::conflict);
        EXPECT_EQ(test::code_of([&] { replication->remove(vm, true, "test"); }), ErrorCode::conflict);
    };
    replication->remove(vm, false, "test");
    EXPECT_EQ(tries, 2);
    expect_gone();
}

TEST_F(RemovalTest, IsRefusedWhileAJobRunsAndWhileTheMachineIsFailedOver) {
    bool asked = false;
    source.on_progress = [&] {
        asked = true;
        EXPECT_EQ(test::code_of([&] { replication->remove(vm, false, "test"); }), ErrorCode::conflict);
    };
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_TRUE(asked);
    source.on_progress = {};
    failover::FailoverRequest live;
    live.live = true;
    ASSERT_EQ(outcome(failover->start(vm, live, "test")), JobStatus::completed);
    const auto error = test::error_of([&] { replication->remove(vm, false, "test"); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.advice().remedy.find("failover commit"), std::string::npos);
    EXPECT_EQ(volumes.volumes.size(), 2U);
    EXPECT_EQ(test::code_of([&] { replication->remove(VmContextId{"ctx-none"}, false, "test"); }),
              ErrorCode::not_found);
}

TEST_F(RemovalTest, DoesNotTakeAVolumeFromAnotherMachine) {
    auto& row = volumes.of_disk("disk-2001").row;
    row.vm_id = CloudMachineId{"somebody"};
    row.operation_mode = "failover";
    EXPECT_EQ(test::code_of([&] { replication->remove(vm, false, "test"); }), ErrorCode::conflict);
    EXPECT_EQ(row.vm_id, CloudMachineId{"somebody"});
    EXPECT_EQ(volumes.of_disk("disk-2000").row.vm_id, test::appliance);
    expect_honest();
}

TEST_F(RemovalTest, MachineWhoseRemovalBrokeIsCopiedWholeAgain) {
    faults.break_call("remove");
    EXPECT_EQ(test::code_of([&] { replication->remove(vm, false, "test"); }), ErrorCode::unavailable);
    faults.mend();
    EXPECT_EQ(status(vm), MachineStatus::discovered);
    EXPECT_FALSE(machines.find(vm)->status_reason.empty());
    EXPECT_EQ(sync(vm), JobStatus::completed);
    EXPECT_EQ(source.passes.back().disks.front().base_change_id, "");  // and not an increment
    expect_at_rest(vm);
}

class RemovalFailure : public RemovalTest, public testing::WithParamInterface<test::Moment> {};

TEST_P(RemovalFailure, EveryCallMayFail) {
    for (int n = 1;; ++n) {
        SCOPED_TRACE("call " + std::to_string(n));
        faults.fail_call(n, GetParam());
        try {
            replication->remove(vm, false, "test");
        } catch (const Error&) {
            expect_honest();
            faults.mend();
            replication->remove(vm, false, "test");
        }
        expect_gone();
        const bool is_hit = !faults.hit().empty();
        faults.mend();
        if (!is_hit || HasFailure()) {
            EXPECT_GE(n, 5);
            break;
        }
        vm = add_replicated_machine();
    }
}

INSTANTIATE_TEST_SUITE_P(Moments, RemovalFailure, testing::Values(test::Moment::before, test::Moment::after),
                         [](const auto& moment) {
                             return moment.param == test::Moment::before ? "BeforeTheEffect" : "AnswerLost";
                         });

TEST_F(RemovalTest, ProcessMayDieBetweenAnyTwoEffects) {
    for (int n = 1;; ++n) {
        SCOPED_TRACE("effect " + std::to_string(n));
        faults.kill_at(n);
        // On a thread of its own: it cannot record its end before the service stops.
        std::jthread request([&] {
            try {
                replication->remove(vm, false, "test");
            } catch (const Error&) {
                EXPECT_TRUE(faults.is_dead());
            }
        });
        wait_until([&] { return faults.is_dead() || !stored->query_one("SELECT 1 AS one FROM vm_contexts"); },
                   std::chrono::milliseconds{1}, std::chrono::seconds{60}, {}, "the removal did not end");
        const bool survived = !faults.is_dead();
        replication->stop();
        request.join();
        restart();
        if (machines.find(vm)) {
            expect_honest();
            replication->remove(vm, false, "test");
        }
        expect_gone();
        if (survived || HasFailure()) {
            EXPECT_GE(n, 15);
            break;
        }
        clock.advance(std::chrono::seconds{1});
        vm = add_replicated_machine();
    }
}

TEST_F(RemovalTest, DatabaseThatIsFullForAWhileDoesNotLockTheMachine) {
    volumes.on_remove = [&] { faults.refuse_writes(3); };
    EXPECT_THROW(replication->remove(vm, false, "test"), Error);
    volumes.on_remove = {};
    expect_honest();
    replication->remove(vm, false, "test");
    expect_gone();
}

}  // namespace
}  // namespace mk::replication
