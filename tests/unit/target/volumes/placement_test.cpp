#include "target/volumes/placement.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/scripted_cloud.hpp"

namespace mk::volumes {
namespace {

using test::code_of;
using test::error_of;

const CloudMachineId appliance{"vm-oma"};

class PlacementTest : public testing::Test {
  protected:
    test::ScriptedCloud cloud;
    cloudstack::Client client = cloud.client();
    cloudstack::VolumeCommands volumes{client};
    Placement placement{client, volumes};

    void offering(bool customized) {
        cloud.on("listDiskOfferings",
                 {{"count", 1},
                  {"diskoffering",
                   {{{"id", "custom"}, {"name", "Custom"}, {"iscustomized", customized}, {"disksize", 20}}}}});
    }
    void limits(int smallest, int largest) {
        cloud.on("listCapabilities",
                 {{"capability", {{"customdiskofferingminsize", smallest}, {"customdiskofferingmaxsize", largest}}}});
    }
    Error refusal_of(std::uint64_t size_gib, const char* id = "custom") {
        auto error = error_of([&] { placement.require_size("zone", id, size_gib, {}); });
        EXPECT_FALSE(error.advice().remedy.empty()) << error.cause();
        EXPECT_FALSE(error.advice().consequence.empty()) << error.cause();
        return error;
    }
    static Json disks(std::size_t data) {
        Json list = Json::array({{{"id", "root"}, {"type", "ROOT"}, {"virtualmachineid", "vm-oma"}, {"deviceid", 0}}});
        for (std::size_t i = 0; i < data; ++i) {
            list.push_back({{"id", "d" + std::to_string(i)},
                            {"type", "DATADISK"},
                            {"virtualmachineid", "vm-oma"},
                            {"deviceid", i + 1}});
        }
        return {{"count", list.size()}, {"volume", list}};
    }
};

TEST_F(PlacementTest, ASizeWithinTheLimitsIsTaken) {
    offering(true);
    limits(1, 1024);
    EXPECT_NO_THROW(placement.require_size("zone", "custom", 1, {}));
    EXPECT_NO_THROW(placement.require_size("zone", "custom", 1024, {}));
}

TEST_F(PlacementTest, ASizeBeyondTheLimitsIsRefusedWithThem) {
    offering(true);
    limits(2, 1024);
    EXPECT_NE(refusal_of(1025).cause().find("1024 GiB"), std::string::npos);
    EXPECT_NE(refusal_of(1025).advice().remedy.find("custom.diskoffering.size.max"), std::string::npos);
    EXPECT_NE(refusal_of(1).advice().remedy.find("custom.diskoffering.size.min"), std::string::npos);
}

TEST_F(PlacementTest, LimitsThatAreNotToldDoNotLimit) {
    offering(true);
    limits(0, 0);
    EXPECT_NO_THROW(placement.require_size("zone", "custom", 9'000, {}));
}

TEST_F(PlacementTest, AnOfferingOfFixedSizeOrNoneIsRefused) {
    offering(false);
    limits(1, 1024);
    EXPECT_EQ(refusal_of(1).code(), ErrorCode::conflict);
    EXPECT_NE(refusal_of(1).cause().find("20 GiB"), std::string::npos);
    EXPECT_EQ(refusal_of(1, "removed").code(), ErrorCode::conflict);
}

TEST_F(PlacementTest, WhatTheAccountMayNotReadIsLeftToCloudStack) {
    cloud.fail("listDiskOfferings", 401, "unable to verify user credentials")
        .fail("listCapabilities", 531, "denied")
        .fail("listVMSnapshot", 432, "not available");
    EXPECT_NO_THROW(placement.require_size("zone", "custom", 9'000, {}));
    EXPECT_NO_THROW(placement.require_no_vm_snapshots(appliance, {}));
}

TEST_F(PlacementTest, WhatCannotBeReadForOtherReasonsIsAnError) {
    cloud.fail("listDiskOfferings", 530, "internal error");
    EXPECT_EQ(code_of([&] { placement.require_size("zone", "custom", 1, {}); }), ErrorCode::external);
}

TEST_F(PlacementTest, VmSnapshotsAreNamed) {
    cloud.on("listVMSnapshot", Json::object())
        .on("listVMSnapshot", {{"count", 1}, {"vmsnapshot", {{{"name", "i-2-7-VM_VS_1"}, {"displayname", "nightly"}}}}})
        .on("listVMSnapshot", {{"count", 1}, {"vmSnapshot", {{{"name", "before-upgrade"}}}}});
    EXPECT_NO_THROW(placement.require_no_vm_snapshots(appliance, {}));
    for (const char* name : {"nightly", "before-upgrade"}) {
        const auto error = error_of([&] { placement.require_no_vm_snapshots(appliance, {}); });
        EXPECT_EQ(error.code(), ErrorCode::conflict);
        EXPECT_NE(error.cause().find(name), std::string::npos) << error.cause();
        EXPECT_FALSE(error.advice().remedy.empty());
    }
    EXPECT_EQ(cloud.last("listVMSnapshot").parameters.at("virtualmachineid"), appliance.value);
}

TEST_F(PlacementTest, TheRootDiskTakesNoSlot) {
    cloud.on("listVolumes", disks(31)).on("listVolumes", disks(32));
    EXPECT_NO_THROW(placement.require_free_slot(appliance, {}));
    const auto error = error_of([&] { placement.require_free_slot(appliance, {}); });
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_NE(error.cause().find("32 of 32"), std::string::npos);
    EXPECT_FALSE(error.advice().remedy.empty());
}

}  // namespace
}  // namespace mk::volumes
