// What must not happen although everything that was recorded speaks for it: two of one machine, a machine that is taken
// for gone because nobody sees it, a copy that nobody can leave.

#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

class FailoverSafety : public test::ControlPlane {
  protected:
    static FailoverRequest live() {
        FailoverRequest request;
        request.boot.probes = {"http:80/"};
        request.live = true;
        return request;
    }
    JobStatus move() { return outcome(failover->start(vm, live(), "test")); }

    VmContextId vm = add_replicated_machine();
};

TEST_F(FailoverSafety, MachineIsNotStartedWhenSomebodyStartedItsSourceMeanwhile) {
    cloud.prepare_hangs = true;
    const auto job = failover->start(vm, live(), "test");
    wait_until([&] { return has_logged(job, "converting"); }, std::chrono::milliseconds{1}, std::chrono::seconds{60},
               {}, "the conversion did not begin");
    stop_services();
    source.machine.power_state = "poweredOn";
    cloud.prepare_hangs = false;
    start_services();
    EXPECT_EQ(job_log.find(job)->status, JobStatus::failed);
    EXPECT_NE(job_log.find(job)->error.find("started again"), std::string::npos);
    for (const auto& [id, machine] : cloud.machines) {
        EXPECT_NE(machine.state, "Running");
    }
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    expect_at_rest(vm);
}

TEST_F(FailoverSafety, MachineThatIsNotSeenAnyMoreIsNotTakenForOff) {
    ASSERT_EQ(move(), JobStatus::completed);
    const auto hidden = cloud.machines;
    cloud.machines.clear();  // given to another account; its volumes are still at it
    EXPECT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::failed);
    EXPECT_EQ(source.machine.power_state, "poweredOff");
    cloud.machines = hidden;
    EXPECT_EQ(clean_up(vm), JobStatus::completed);
    expect_at_rest(vm);
}

TEST_F(FailoverSafety, CopyThatCannotBeBroughtBackCanBeRemoved) {
    ASSERT_EQ(move(), JobStatus::completed);
    faults.break_call("revert_snapshot");
    ASSERT_EQ(outcome(failover->go_back(vm, "test")), JobStatus::failed);
    ASSERT_EQ(status(vm), MachineStatus::cleanup_required);
    const auto error = test::error_of([&] { replication->remove(vm, true, "test"); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);  // such volumes are of no use to anybody
    EXPECT_EQ(status(vm), MachineStatus::cleanup_required);
    replication->remove(vm, false, "test");
    EXPECT_FALSE(machines.find(vm));
    EXPECT_TRUE(volumes.volumes.empty());
}

TEST_F(FailoverSafety, CopyThatDiffersFromItsPointAndWasAcceptedIsBroughtBackAsItWas) {
    volumes.of_disk("disk-2001").content = "written by somebody";
    FailoverRequest request;
    request.boot.probes = {"http:80/"};
    request.accept_unverified = true;
    ASSERT_EQ(outcome(failover->start(vm, request, "test")), JobStatus::completed);
    EXPECT_EQ(outcome(failover->finish_test(vm, "", "", "test")), JobStatus::completed);
    EXPECT_EQ(volumes.of_disk("disk-2001").content, "written by somebody");
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
}

}  // namespace
}  // namespace mk::failover
