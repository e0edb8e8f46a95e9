// What is said against a failover before it begins, from what CloudStack tells.

#include "oma-api/cloud_assessment.hpp"

#include <map>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/scripted_cloud.hpp"

namespace mk::oma {
namespace {

class AssessmentTest : public testing::Test {
  protected:
    AssessmentTest() {
        settings_.zone_id = "zone";
        settings_.service_offering_id = "free";
        settings_.appliance_vm_id = CloudMachineId{"oma"};
        needs_.machine = {.name = "web",
                          .display_name = "web",
                          .cpus = 4,
                          .memory_mb = 8192,
                          .firmware = "bios",
                          .nics = {{.network_id = "net", .mac = {}, .address = {}}}};
        needs_.snapshots = {10 * GiB, 20 * GiB};
    }
    /// Whatever a test did not write down is as it should be.
    std::map<std::string, Finding> findings() {
        usual("listCapabilities", {{"capability",
                                    {{"cloudstackversion", "4.20.1.0"},
                                     {"allowuserexpungerecovervm", true},
                                     {"customdiskofferingmaxsize", 1024}}}});
        usual("listServiceOfferings",
              {{"count", 1}, {"serviceoffering", {{{"id", "free"}, {"name", "Free"}, {"iscustomized", true}}}}});
        usual("listNetworks",
              {{"count", 1},
               {"network", {{{"id", "net"}, {"name", "Test"}, {"type", "Isolated"}, {"cidr", "10.1.1.0/24"}}}}});
        usual("listResourceLimits", Json::object());
        usual("listVMSnapshot", Json::object());
        const auto client = cloud_.client();
        std::map<std::string, Finding> found;
        for (const auto& finding : assess_cloud(client, settings_, needs_, {})) {
            found[finding.code] = finding;
            EXPECT_FALSE(finding.text.empty());
            EXPECT_EQ(finding.remedy.empty(), finding.severity == Severity::note) << finding.code;
        }
        return found;
    }
    void says(const std::string& command, const Json& content) {
        told_.insert(command);
        cloud_.on(command, content);
    }
    void refuses(const std::string& command, int code) {
        told_.insert(command);
        cloud_.fail(command, code, "not for this account");
    }
    void offers(const Json& offering) {
        says("listServiceOfferings", {{"count", 1}, {"serviceoffering", Json::array({offering})}});
    }
    void limits(int type, int most) {
        says("listResourceLimits",
             {{"count", 1}, {"resourcelimit", {{{"resourcetype", std::to_string(type)}, {"max", most}}}}});
    }
    void asks_for(const std::string& address, const std::string& mac = "") {
        needs_.machine.nics[0].address = address;
        needs_.machine.nics[0].mac = mac;
    }

    test::ScriptedCloud cloud_;
    settings::CloudStackSettings settings_;
    failover::CloudNeeds needs_;

  private:
    void usual(const std::string& command, const Json& content) {
        if (!told_.contains(command)) {
            cloud_.on(command, content);
        }
    }
    std::set<std::string> told_;
};

#define EXPECT_FINDING(found, code, expected_severity) \
    ASSERT_TRUE((found).contains(code)) << code;       \
    EXPECT_EQ((found).at(code).severity, Severity::expected_severity) << code

TEST_F(AssessmentTest, ACloudThatHasEverythingIsNoted) {
    for (const auto& [code, finding] : findings()) {
        EXPECT_EQ(finding.severity, Severity::note) << code << ": " << finding.text;
    }
}

TEST_F(AssessmentTest, AnOfferingThatIsSmallerThanTheSourceIsAWarningWithFigures) {
    offers({{"id", "free"}, {"name", "Small"}, {"iscustomized", false}, {"cpunumber", 2}, {"memory", 4096}});
    const auto found = findings();
    EXPECT_FINDING(found, "offering_smaller", warning);
    for (const auto* part : {"Small", "2 CPUs", "4.0 GiB", "4 CPUs", "8.0 GiB"}) {
        EXPECT_NE(found.at("offering_smaller").text.find(part), std::string::npos) << found.at("offering_smaller").text;
    }
}

TEST_F(AssessmentTest, AFixedOfferingThatIsLargeEnoughIsGood) {
    offers({{"id", "free"}, {"name", "Large"}, {"iscustomized", false}, {"cpunumber", 8}, {"memory", 16384}});
    EXPECT_FINDING(findings(), "offering", note);
}

TEST_F(AssessmentTest, AConstrainedOfferingThatForbidsTheSizeIsABlocker) {
    offers({{"id", "free"},
            {"name", "To 2"},
            {"iscustomized", true},
            {"serviceofferingdetails",
             {{"mincpunumber", "1"}, {"maxcpunumber", "2"}, {"minmemory", "512"}, {"maxmemory", "65536"}}}});
    EXPECT_FINDING(findings(), "offering_too_small", blocker);
}

TEST_F(AssessmentTest, AnOfferingThatIsGoneIsABlocker) {
    offers({{"id", "other"}, {"name", "Other"}, {"iscustomized", true}});
    EXPECT_FINDING(findings(), "offering_missing", blocker);
}

TEST_F(AssessmentTest, OldReleasesAreNamed) {
    says("listCapabilities",
         {{"capability", {{"cloudstackversion", "4.18.1.0"}, {"allowuserexpungerecovervm", false}}}});
    const auto found = findings();
    EXPECT_FINDING(found, "old_cloudstack", warning);
    EXPECT_FINDING(found, "no_expunge", note);
}

TEST(UnsafeSnapshots, AreThoseOfTwoReleases) {
    for (const auto* version : {"4.17.0.0", "4.17.2.0", "4.18.0.0", "4.18.1.0"}) {
        EXPECT_TRUE(has_unsafe_snapshots(version)) << version;
    }
    for (const auto* version : {"4.18.2.0", "4.18.2", "4.19.0.0", "4.22.1.0", "5.0", "", "unknown"}) {
        EXPECT_FALSE(has_unsafe_snapshots(version)) << version;
    }
}

TEST_F(AssessmentTest, VolumesAboveTheLimitOfTheCloudAreNotMade) {
    needs_.new_volumes = {2048 * GiB};
    EXPECT_FINDING(findings(), "volume_too_large", blocker);
}

TEST_F(AssessmentTest, DisksAboveTheLimitOfKvmAreABlocker) {
    needs_.snapshots.assign(33, GiB);
    EXPECT_FALSE(findings().contains("too_many_disks"));
    needs_.snapshots.assign(34, GiB);
    EXPECT_FINDING(findings(), "too_many_disks", blocker);
}

TEST_F(AssessmentTest, LimitsAreComparedWithWhatTheAccountUses) {
    limits(3, 10);
    says("listAccounts", {{"count", 1}, {"account", {{{"id", "a"}, {"snapshottotal", 9}}}}});
    const auto found = findings();
    EXPECT_FINDING(found, "limit_reached", blocker);
    EXPECT_NE(found.at("limit_reached").text.find("10 snapshots and uses 9; 2 more"), std::string::npos)
        << found.at("limit_reached").text;
}

TEST_F(AssessmentTest, LimitsWithRoomAreNotSpokenOf) {
    limits(3, 11);
    says("listAccounts", {{"count", 1}, {"account", {{{"id", "a"}, {"snapshottotal", 9}}}}});
    EXPECT_FALSE(findings().contains("limit_reached"));
}

TEST_F(AssessmentTest, WhatIsNotToldIsCounted) {
    limits(0, 1);
    says("listAccounts", {{"count", 1}, {"account", {{{"id", "a"}}}}});
    says("listVirtualMachines", {{"count", 1}, {"virtualmachine", {{{"id", "v"}, {"name", "other"}}}}});
    EXPECT_FINDING(findings(), "limit_reached", blocker);
}

TEST_F(AssessmentTest, UnlimitedIsNoLimit) {
    limits(0, -1);
    EXPECT_FALSE(findings().contains("limit_reached"));
}

TEST_F(AssessmentTest, WhatCannotBeReadIsANoteAndTheRestIsSaid) {
    refuses("listResourceLimits", 401);
    refuses("listVMSnapshot", 432);
    const auto found = findings();
    EXPECT_FINDING(found, "not_readable", note);
    EXPECT_FINDING(found, "offering", note);
}

TEST_F(AssessmentTest, ACloudThatBreaksIsTheCallersConcern) {
    refuses("listNetworks", 530);
    EXPECT_EQ(test::code_of([&] { findings(); }), ErrorCode::external);
}

TEST_F(AssessmentTest, VmSnapshotsOfTheApplianceAreNamed) {
    says("listVMSnapshot",
         {{"count", 1}, {"vmSnapshot", {{{"id", "s"}, {"name", "i-2-3_VS_1"}, {"displayname", "before update"}}}}});
    const auto found = findings();
    EXPECT_FINDING(found, "appliance_vm_snapshot", blocker);
    EXPECT_NE(found.at("appliance_vm_snapshot").text.find("before update"), std::string::npos);
}

TEST_F(AssessmentTest, AddressesMustBelongToTheirNetwork) {
    asks_for("10.1.1.7");
    EXPECT_FALSE(findings().contains("address_outside"));
    asks_for("10.1.2.7");
    EXPECT_FINDING(findings(), "address_outside", blocker);
}

TEST_F(AssessmentTest, L2NetworksGiveNoAddresses) {
    says("listNetworks", {{"count", 1}, {"network", {{{"id", "net"}, {"name", "Wire"}, {"type", "L2"}}}}});
    EXPECT_FALSE(findings().contains("address_on_l2"));
    asks_for("10.1.1.7");
    EXPECT_FINDING(findings(), "address_on_l2", blocker);
}

TEST_F(AssessmentTest, MacAddressesThatAreTakenAreNamed) {
    says("listVirtualMachines",
         {{"count", 1},
          {"virtualmachine", {{{"id", "v"}, {"name", "other"}, {"nic", {{{"macaddress", "02:00:AA:00:00:01"}}}}}}}});
    asks_for("", "02-00-aa-00-00-01");
    const auto found = findings();
    EXPECT_FINDING(found, "mac_taken", warning);
    EXPECT_NE(found.at("mac_taken").text.find("other"), std::string::npos);
    asks_for("", "02:00:aa:00:00:02");
    EXPECT_FALSE(findings().contains("mac_taken"));
}

TEST(InNetwork, KnowsWhatItCanTell) {
    EXPECT_EQ(is_in_network("10.1.1.255", "10.1.1.0/24"), true);
    EXPECT_EQ(is_in_network("10.1.2.0", "10.1.1.0/24"), false);
    EXPECT_EQ(is_in_network("192.168.7.9", "0.0.0.0/0"), true);
    EXPECT_EQ(is_in_network("10.0.0.1", "10.0.0.1/32"), true);
    EXPECT_EQ(is_in_network("10.0.0.2", "10.0.0.1/32"), false);
    for (const auto* cidr : {"", "10.1.1.0", "10.1.1.0/33", "10.1.1.0/", "10.1.1.0/x", "fd00::/64"}) {
        EXPECT_EQ(is_in_network("10.1.1.1", cidr), std::nullopt) << cidr;
    }
    EXPECT_EQ(is_in_network("web", "10.1.1.0/24"), std::nullopt);
}

}  // namespace
}  // namespace mk::oma
