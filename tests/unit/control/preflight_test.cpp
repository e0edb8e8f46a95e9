#include "control/failover/preflight.hpp"

#include "control/replication/source_changes.hpp"
#include "unit/control/control_plane.hpp"

namespace mk::failover {
namespace {

class PreflightTest : public test::ControlPlane {
  protected:
    /// Code and severity of everything that was found; notes left out.
    std::map<std::string, Severity> findings(const FailoverRequest& request) {
        std::map<std::string, Severity> found;
        for (const auto& finding : failover->check(vm, request).findings) {
            if (finding.severity != Severity::note) {
                found[finding.code] = finding.severity;
            }
        }
        return found;
    }
    std::map<std::string, Severity> findings(bool live = false) { return findings(request(live)); }
    static FailoverRequest request(bool live) {
        FailoverRequest request;
        request.live = live;
        request.probe = "http:80/";
        return request;
    }
    using Found = std::map<std::string, Severity>;
    static Found blocker(const std::string& code) { return {{code, Severity::blocker}}; }

    VmContextId vm = add_replicated_machine();
};

TEST_F(PreflightTest, MachineThatCanFailOverHasNothingAgainstIt) {
    EXPECT_EQ(findings(false), Found{});
    EXPECT_EQ(findings(true), Found{});
    EXPECT_EQ(failover->check(vm, request(false)).network_ids, std::vector<std::string>{"net-test"});
    EXPECT_EQ(failover->check(vm, request(true)).network_ids, std::vector<std::string>{"net-live"});
    expect_at_rest(vm);
}

TEST_F(PreflightTest, MappingDecidesOverTheDefaultAndTheRequestOverBoth) {
    cloud.networks.push_back("mapped");
    networks.save({"VM Network", "", "", "mapped", "Mapped"});
    EXPECT_EQ(failover->check(vm, request(false)).network_ids, std::vector<std::string>{"mapped"});
    auto chosen = request(false);
    chosen.network_ids = {"net-live", "net-test"};
    EXPECT_EQ(failover->check(vm, chosen).network_ids, chosen.network_ids);
}

TEST_F(PreflightTest, NetworksMustBeChosenAndExist) {
    auto unknown = request(false);
    unknown.network_ids = {"net-none"};
    EXPECT_EQ(findings(unknown), blocker("unknown_network"));
    auto without = settings();
    without.test_network_id.clear();
    cloudstack.save(without);
    EXPECT_EQ(findings(), blocker("unmapped_network"));
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
    const std::map<std::string, std::string> codes = {{"volumes_of", "volume_daemon"},
                                                      {"cloud.check", "cloudstack"},
                                                      {"guest.check", "guest_tools"},
                                                      {"boot.check", "probe"}};
    for (const auto& [call, code] : codes) {
        faults.break_call(call);
        EXPECT_EQ(findings(), blocker(code));
        faults.mend();
    }
    faults.break_call("power:state");
    EXPECT_EQ(findings(true), blocker("source_power"));
}

TEST_F(PreflightTest, MissingProbeIsAWarning) {
    auto without = request(false);
    without.probe.clear();
    EXPECT_EQ(findings(without), (Found{{"no_probe", Severity::warning}}));
}

TEST_F(PreflightTest, SourceThatCannotBeShutDownCleanlyNeedsPermission) {
    source.machine.tools_running = false;
    EXPECT_EQ(findings(true), blocker("tools_not_running"));
    source.machine.power_state = "suspended";
    EXPECT_EQ(findings(true), blocker("source_not_running"));
    auto forced = request(true);
    forced.force_power_off = true;
    EXPECT_EQ(findings(forced), Found{});
    source.machine.power_state = "poweredOff";
    EXPECT_EQ(findings(true), Found{});
}

TEST_F(PreflightTest, NameThatIsTakenIsSeenBeforeTheSourceIsShutDown) {
    cloud.machines[CloudMachineId{"theirs"}] = {CloudMachineId{"theirs"}, "web-01", "Running", {}};
    EXPECT_EQ(findings(true), blocker("name_taken"));
    EXPECT_EQ(outcome(failover->start(vm, request(true), "test")), JobStatus::failed);
    EXPECT_EQ(source.machine.power_state, "poweredOn");
    EXPECT_EQ(status(vm), MachineStatus::ready_for_failover);
    EXPECT_EQ(findings(false), Found{});
}

TEST_F(PreflightTest, NameThatCloudStackCannotTakeIsABlocker) {
    auto renamed = test::a_machine("\xe6\x97\xa5");
    machines.update_source(vm, renamed);
    EXPECT_EQ(findings(), blocker("name"));
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
