#include "control/failover/preflight.hpp"

#include "control/replication/source_changes.hpp"
#include "unit/control/preflight_fixture.hpp"

namespace mk::failover {
namespace {

TEST_F(PreflightTest, MachineThatCanFailOverHasNothingAgainstIt) {
    EXPECT_EQ(findings(false), Found{});
    EXPECT_EQ(findings(true), Found{});
    EXPECT_EQ(failover->check(vm, request(false)).network_ids, std::vector<std::string>{"net-test"});
    EXPECT_EQ(failover->check(vm, request(true)).network_ids, std::vector<std::string>{"net-live"});
    expect_at_rest(vm);
}

TEST_F(PreflightTest, MachineWithoutARecoveryPointCannotFailOver) {
    vm = add_machine(test::a_machine("new", "uuid-2"));
    const auto found = findings();
    EXPECT_TRUE(found.contains("no_recovery_point"));
    EXPECT_TRUE(found.contains("volume_missing"));
    EXPECT_TRUE(found.contains("state"));
}

TEST_F(PreflightTest, PointThatIsNotAppliedCannotBeFailedOverTo) {
    faults.break_call("commit");
    sync(vm);
    EXPECT_EQ(findings(), blocker("recovery_point_not_applied"));
}

TEST_F(PreflightTest, DiskThatIsNotInThePointIsABlocker) {
    source.machine.disks.push_back(test::a_disk(2002));
    volumes.verify_finds_difference = true;
    ASSERT_EQ(sync(vm, {.full = true}), JobStatus::failed);
    EXPECT_EQ(findings(), blocker("disk_not_copied"));
}

TEST_F(PreflightTest, VolumesMustBeThereFreeAndWithoutSnapshot) {
    auto& row = volumes.of_disk("disk-2001").row;
    const auto good = row;
    row.snapshot_status = "rollback_complete";
    EXPECT_EQ(findings(), blocker("snapshot_left"));
    row = good;
    row.state = "Absent";
    EXPECT_EQ(findings(), blocker("volume_missing"));
    row = good;
    row.operation_mode = "failover";
    EXPECT_EQ(findings(), blocker("volume_in_use"));
    row = good;
    row.operation_mode = "";
    EXPECT_EQ(findings(), (Found{{"volume_detached", Severity::warning}}));
    row = good;
    volumes.volumes.erase(VolumeId{"vol-disk-2001"});
    EXPECT_EQ(findings(), blocker("volume_missing"));
}

TEST_F(PreflightTest, WhatCannotBeCheckedIsABlocker) {
    const std::map<std::string, std::string> codes = {
        {"volumes_of", "volume_daemon"}, {"clones_of", "volume_daemon"},
        {"cloud.check", "cloudstack"},   {"cloud.network_ids", "cloudstack"},
        {"cloud.assess", "capacity"},    {"guest.check", "guest_tools"},
        {"boot.check", "probe"}};
    for (const auto& [call, code] : codes) {
        faults.break_call(call);
        EXPECT_EQ(findings(), blocker(code));
        faults.mend();
    }
    faults.break_call("power:state");
    EXPECT_EQ(findings(true), blocker("source_power"));
    faults.mend();
    faults.break_call("staging");
    EXPECT_EQ(findings(true), blocker("staging"));
}

TEST_F(PreflightTest, MissingProbeIsAWarning) {
    auto without = request(false);
    without.boot.probes.clear();
    EXPECT_EQ(findings(without), (Found{{"no_probe", Severity::warning}}));
}

TEST_F(PreflightTest, SourceThatCannotBeShutDownCleanlyNeedsPermission) {
    source.machine.tools_running = false;
    EXPECT_EQ(findings(true), blocker("tools_not_running"));
    source.machine.power_state = "suspended";
    EXPECT_EQ(findings(true), blocker("source_not_running"));
    auto forced = request(true);
    forced.force_power_off = true;
    EXPECT_EQ(findings(forced), warning("hard_power_off"));
    source.machine.power_state = "poweredOff";
    EXPECT_EQ(findings(true), Found{});
}

TEST_F(PreflightTest, FindingsComeInTheOrderInWhichTheyAreRead) {
    std::vector<std::string> codes;
    for (const auto& finding : failover->check(vm, request(true)).findings) {
        codes.push_back(finding.code);
    }
    const std::vector<std::string> wanted = {"state",        "recovery_point", "verification", "volumes",
                                             "source_power", "staging",        "name",         "boot_disk",
                                             "guest_system", "probes"};
    EXPECT_EQ(codes, wanted);
}

TEST_F(PreflightTest, EveryBlockerHasARemedy) {
    auto hopeless = request(true);
    hopeless.network_ids = {"net-none"};
    volumes.volumes.clear();
    source.machine.tools_running = false;
    machines.update_source(vm, test::a_machine(std::string(64, 'a')));
    int blockers = 0;
    for (const auto& finding : failover->check(vm, hopeless).findings) {
        if (finding.severity == Severity::blocker) {
            ++blockers;
            EXPECT_FALSE(finding.remedy.empty()) << finding.code;
        }
    }
    EXPECT_GE(blockers, 4);
}

TEST_F(PreflightTest, JobThatRunsIsABlockerWhenAskedAlone) {
    const joblog::JobStart start{.type = JobType::migration,
                                 .operation = "sync",
                                 .owner = "test",
                                 .vm_context_id = vm,
                                 .metadata = "{}",
                                 .steps = {{"copy", "Copy", 1}}};
    const auto job = machines.begin(vm, MachineAction::sync, {}, start);
    const auto result = failover->check(vm, request(false));
    EXPECT_FALSE(result.passed());
    EXPECT_EQ(result.findings.front().code, "job_running");
    EXPECT_NE(result.findings.front().remedy.find(job.value), std::string::npos);
    // What the job may be writing to is not looked at.
    EXPECT_NE(text_of("not_inspected", request(false)).find("job"), std::string::npos);
    machines.end_job(vm, job, MachineStatus::ready_for_failover);
}

TEST_F(PreflightTest, PointOfYesterdayIsAWarningForATestOnly) {
    clock.advance(std::chrono::hours{24});
    EXPECT_EQ(findings(false), Found{});
    clock.advance(std::chrono::seconds{1});
    EXPECT_EQ(findings(false), warning("recovery_point_old"));
    EXPECT_EQ(findings(true), Found{});
    EXPECT_NE(text_of("recovery_point_old", request(true)).find("final sync"), std::string::npos);
}

TEST_F(PreflightTest, CopyThatIsKnownToDifferNeedsSomebodyWhoAnswersForIt) {
    EXPECT_NE(text_of("verification", request(false)).find("Never"), std::string::npos);
    set_verified("identical");
    EXPECT_NE(text_of("verification", request(false)).find("identical"), std::string::npos);
    set_verified("differs");
    EXPECT_EQ(findings(), blocker("copy_differs"));
    auto accepted = request(false);
    accepted.accept_unverified = true;
    EXPECT_EQ(findings(accepted), warning("copy_differs"));
    set_verified("identical");
    machines.set_compare_reason(vm, "change tracking missed 4096 bytes");
    EXPECT_EQ(findings(), blocker("copy_doubtful"));
    EXPECT_EQ(findings(accepted), warning("copy_doubtful"));
}

TEST_F(PreflightTest, WhoAcceptedADoubtfulCopyIsInTheLog) {
    set_verified("differs");
    EXPECT_EQ(outcome(failover->start(vm, request(false), "mary")), JobStatus::failed);
    expect_at_rest(vm);
    auto accepted = request(false);
    accepted.accept_unverified = true;
    const auto job = failover->start(vm, accepted, "mary");
    outcome(job);
    EXPECT_TRUE(has_logged(job, "accepted with --accept-unverified by mary"));
}

TEST_F(PreflightTest, TornPointCanBeAccepted) {
    faults.break_call("commit");
    sync(vm);
    faults.mend();
    auto accepted = request(false);
    accepted.accept_unverified = true;
    EXPECT_EQ(findings(accepted), warning("recovery_point_not_applied"));
    accepted.live = true;  // its final sync needs a whole one
    EXPECT_EQ(findings(accepted), blocker("recovery_point_not_applied"));
}

TEST_F(PreflightTest, ClonesOfAnEarlierTestAreABlocker) {
    auto& clone = volumes.clones[VolumeId{"clone-1"}];
    clone.row.volume_id = VolumeId{"clone-1"};
    clone.row.vm_context_id = vm;
    clone.row.name = "test-clone-1";
    EXPECT_EQ(findings(), blocker("clone_left"));
}

TEST_F(PreflightTest, ForecastIsPartOfTheAnswer) {
    const auto live = failover->check(vm, request(true)).forecast;
    ASSERT_TRUE(live);
    EXPECT_TRUE(live->live);
    EXPECT_GT(live->likely.count(), 0);
    EXPECT_GE(live->at_most, live->likely);
    EXPECT_FALSE(failover->check(vm, request(false)).forecast->live);
}

TEST(FailoverPlan, BootDiskComesFirstAndTheOthersKeepTheirOrder) {
    std::vector<machines::MachineDisk> disks(3);
    disks[0].disk_id.value = "a";
    disks[1].disk_id.value = "b";
    disks[2].disk_id.value = "c";
    const auto ordered = boot_disk_first(disks, DiskId{"c"});
    EXPECT_EQ(ordered[0].disk_id.value + ordered[1].disk_id.value + ordered[2].disk_id.value, "cab");
    EXPECT_EQ(test::code_of([&] { boot_disk_first(disks, DiskId{"x"}); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { boot_disk_first({}, DiskId{"a"}); }), ErrorCode::conflict);
}

TEST(FailoverPlan, NamesFollowTheInventory) {
    const auto now = from_ms(1'767'225'600'000);
    EXPECT_EQ(snapshot_name(false, VmContextId{"ctx-a"}, VolumeId{"v"}, now), "test-failover-ctx-a-v-1767225600");
    EXPECT_EQ(snapshot_name(true, VmContextId{"ctx-a"}, VolumeId{"v"}, now), "live-failover-ctx-a-v-1767225600");
    EXPECT_EQ(snapshot_name(true, VmContextId{std::string(300, 'x')}, VolumeId{"v"}, now).size(), 255U);
    EXPECT_EQ(destination_name(false, "My_VM@2025", now), "my-vm-2025-test-1767225600");
    EXPECT_EQ(destination_name(true, "123 Server", now), "vm-123-server");
    EXPECT_LE(destination_name(false, std::string(200, 'a'), now).size(), 63U);
}

TEST(SourceChanges, EveryChangeIsNamedAtOnce) {
    std::vector<machines::MachineDisk> known(3);
    for (std::size_t i = 0; i < known.size(); ++i) {
        const auto disk = test::a_disk(2000 + static_cast<int>(i));
        known[i].disk_id = disk.id;
        known[i].capacity = disk.capacity;
        known[i].backing_uuid = disk.backing_uuid;
    }
    auto now = test::a_machine();
    now.disks = {test::a_disk(2000, 2 * GiB), test::a_disk(2001), test::a_disk(2003)};
    now.disks[1].backing_uuid = "another";
    const auto error = test::error_of([&] { replication::require_unchanged_disks(known, now, false); });
    for (const auto* part :
         {"disk-2000 grew", "disk-2001 was replaced", "disk-2002 was removed", "disk-2003 was added"}) {
        EXPECT_NE(error.cause().find(part), std::string::npos) << part;
    }
    now.disks = {test::a_disk(2000, 2 * GiB), test::a_disk(2001), test::a_disk(2002), test::a_disk(2003)};
    now.disks[1].backing_uuid = "another";
    EXPECT_NO_THROW(replication::require_unchanged_disks(known, now, true));
    now.disks[2] = test::a_disk(2002, MiB);
    EXPECT_NE(test::error_of([&] { replication::require_unchanged_disks(known, now, true); }).cause().find("shrank"),
              std::string::npos);
}

}  // namespace
}  // namespace mk::failover
