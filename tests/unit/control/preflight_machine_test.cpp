// What the preflight says of the machine that would be made: name, cards, cloud, and what is on its disks.

#include "unit/control/preflight_fixture.hpp"

namespace mk::failover {
namespace {

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

TEST_F(PreflightTest, NameThatIsTooLongAfterCleaningIsABlocker) {
    machines.update_source(vm, test::a_machine(std::string(63, 'a')));
    EXPECT_EQ(findings(true), Found{});
    machines.update_source(vm, test::a_machine("My " + std::string(61, 'a')));
    EXPECT_EQ(findings(true), blocker("name_too_long"));
    EXPECT_EQ(findings(false), blocker("name_too_long"));
    EXPECT_NE(text_of("name_too_long", request(true)).find("64 characters"), std::string::npos);
}

TEST_F(PreflightTest, NetworkOfLiveFailoversIsARiskForATest) {
    auto risky = request(false);
    risky.network_ids = {"net-live"};
    EXPECT_EQ(findings(risky), warning("live_network_for_test"));
    risky.live = true;
    EXPECT_EQ(findings(risky), Found{});
    // One that is meant for tests, too, is none.
    networks.save({"VM Network", "net-test", "Test", "net-test", "Test"});
    EXPECT_EQ(findings(false), Found{});
}

TEST_F(PreflightTest, CardsFollowTheSourceOncePerNetwork) {
    auto machine = test::a_machine();
    machine.nics[0].mac = "00:50:56:00:00:01";
    auto second = machine.nics[0];
    second.mac = "00:50:56:00:00:02";
    machine.nics.push_back(second);
    second.network = "Backup";
    second.mac = "00:50:56:00:00:03";
    machine.nics.push_back(second);
    machines.update_source(vm, machine);
    cloud.networks.push_back("net-backup");
    networks.save({"Backup", "net-backup", "Backup", "", ""});
    auto wanted = request(true);
    wanted.keep_mac = true;
    wanted.addresses = {"10.1.1.7", "", "10.2.2.7"};

    const auto nics = nic_orders(failover_use, *machines.find(vm), wanted);

    ASSERT_EQ(nics.size(), 2U);
    EXPECT_EQ(nics[0].network_id, "net-live");
    EXPECT_EQ(nics[0].mac, "00:50:56:00:00:01");
    EXPECT_EQ(nics[0].address, "10.1.1.7");
    EXPECT_EQ(nics[1].network_id, "net-backup");
    EXPECT_EQ(nics[1].mac, "00:50:56:00:00:03");
    EXPECT_EQ(nics[1].address, "10.2.2.7");
    wanted.addresses.clear();
    EXPECT_EQ(findings(wanted), warning("nics_merged"));
    wanted.keep_mac = false;
    EXPECT_TRUE(nic_orders(failover_use, *machines.find(vm), wanted)[0].mac.empty());
}

TEST_F(PreflightTest, MacAddressesOfARunningSourceAreARiskForATest) {
    auto same = request(false);
    same.keep_mac = true;
    EXPECT_EQ(findings(same), warning("mac_of_running_source"));
    same.live = true;
    EXPECT_EQ(findings(same), Found{});
}

TEST_F(PreflightTest, MoreAddressesThanCardsAreABlocker) {
    auto many = request(false);
    many.addresses = {"10.1.1.7", "10.1.1.8"};
    EXPECT_EQ(findings(many), blocker("too_many_addresses"));
}

TEST_F(PreflightTest, WhatTheCloudSaysIsPassedOn) {
    cloud.assessment = {{Severity::warning, "offering_smaller", "2 CPUs instead of 4", "Choose another."},
                        {Severity::note, "cloudstack", "4.20 answers", ""}};
    EXPECT_EQ(findings(), warning("offering_smaller"));
}

TEST_F(PreflightTest, BootLoaderOnAnotherDiskIsTold) {
    cloud.inspection.boot_disk = 1;
    EXPECT_EQ(findings(), warning("boot_disk_doubtful"));
    EXPECT_NE(text_of("boot_disk_doubtful", request(false)).find("disk-2001"), std::string::npos);
    machines.set_boot_disk(vm, DiskId{"disk-2001"});
    cloud.inspection.boot_disk = 0;  // the boot disk is the first one that is looked at
    EXPECT_EQ(findings(), Found{});
}

TEST_F(PreflightTest, FirmwareOfAnotherKindIsTold) {
    cloud.inspection.needs_uefi = true;
    EXPECT_EQ(findings(), warning("firmware_doubtful"));
}

TEST_F(PreflightTest, WhatIsOnTheDisksForbidsATestAndWarnsALiveFailover) {
    cloud.inspection.findings = {{Severity::blocker, "encrypted", "the disk is encrypted", "Decrypt it."}};
    EXPECT_EQ(findings(false), blocker("encrypted"));
    EXPECT_EQ(findings(true), warning("encrypted"));
}

TEST_F(PreflightTest, InspectionThatBreaksDoesNotStopALiveFailover) {
    faults.break_call("guest.inspect");
    EXPECT_EQ(findings(false), blocker("inspection"));
    EXPECT_EQ(findings(true), warning("inspection"));
    auto without = request(false);
    without.inspect_guest = false;
    EXPECT_EQ(findings(without), Found{});
    EXPECT_FALSE(text_of("not_inspected", without).empty());
}

TEST_F(PreflightTest, GuestIsLookedAtOncePerRecoveryPoint) {
    failover->check(vm, request(false));
    cloud.inspection.product = "something else";
    EXPECT_NE(text_of("guest_system", request(false)).find("Debian"), std::string::npos);
    ASSERT_EQ(sync(vm), JobStatus::completed);
    EXPECT_NE(text_of("guest_system", request(false)).find("something else"), std::string::npos);
}

TEST_F(PreflightTest, DisksThatAreNotAtTheApplianceAreNotLookedAt) {
    volumes.of_disk("disk-2001").row.operation_mode = "";
    EXPECT_NE(text_of("not_inspected", request(false)).find("not attached"), std::string::npos);
}

}  // namespace
}  // namespace mk::failover
