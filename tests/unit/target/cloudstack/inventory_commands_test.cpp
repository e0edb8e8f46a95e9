// Lists of everything: what is left out, and how a tag finds its object.

#include "target/cloudstack/inventory_commands.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/scripted_cloud.hpp"

namespace mk::cloudstack {
namespace {

using test::code_of;
using test::ScriptedCloud;

Json list_of(const char* key, const Json& elements) {
    return {{"count", elements.size()}, {key, elements}};
}

struct Inventory : testing::Test {
    Inventory() {
        cloud.on("listTags", list_of("tag", {{{"key", "migratekit.context"}, {"value", "ctx-1"}, {"resourceid", "v-1"}},
                                             {{"key", "other"}, {"value", "x"}, {"resourceid", "v-2"}}}));
        cloud.on("listVolumes", list_of("volume", {{{"id", "v-1"},
                                                    {"name", "disk"},
                                                    {"state", "Ready"},
                                                    {"size", GiB},
                                                    {"virtualmachineid", "vm-1"},
                                                    {"vmname", "web"},
                                                    {"created", "2026-01-02T03:04:05+0000"}},
                                                   {{"id", "v-2"}, {"name", "theirs"}, {"state", "Allocated"}},
                                                   {{"id", "v-3"}, {"name", "going"}, {"state", "Expunging"}}}));
    }
    InventoryCommands commands() { return {client, "migratekit.context", {}}; }

    ScriptedCloud cloud;
    Client client = cloud.client();
};

TEST_F(Inventory, VolumesCarryTheTagPlaceAndAge) {
    const auto volumes = commands().volumes({});
    ASSERT_EQ(volumes.size(), 2U) << "one that is being expunged is as good as gone";
    EXPECT_EQ(volumes[0].tag, "ctx-1");
    EXPECT_EQ(volumes[0].size, GiB);
    EXPECT_EQ(volumes[0].vm_id, CloudMachineId{"vm-1"});
    EXPECT_EQ(volumes[0].vm_name, "web");
    ASSERT_TRUE(volumes[0].created);
    EXPECT_EQ(to_iso8601(*volumes[0].created), "2026-01-02T03:04:05.000Z");
    EXPECT_FALSE(volumes[1].tag) << "another tag is none of ours";
    EXPECT_FALSE(volumes[1].vm_id);
    EXPECT_FALSE(volumes[1].created);
    EXPECT_EQ(cloud.last("listVolumes").parameters.at("listall"), "true");
}

TEST_F(Inventory, MachinesThatAreDestroyedAreListedUntilTheyAreExpunged) {
    cloud.on("listVirtualMachines",
             list_of("virtualmachine", {{{"id", "m-1"}, {"name", "a"}, {"state", "Destroyed"}},
                                        {{"id", "m-2"}, {"name", "b"}, {"state", "Expunging"}}}));
    const auto machines = commands().machines({});
    ASSERT_EQ(machines.size(), 1U);
    EXPECT_EQ(machines[0].id, CloudMachineId{"m-1"});
    EXPECT_EQ(machines[0].state, "Destroyed");
}

TEST_F(Inventory, ASnapshotOnSeveralStoresIsOne) {
    const Json stored{{"id", "s-1"}, {"name", "a"}, {"state", "BackedUp"}, {"volumeid", "v-1"}};
    cloud.on("listSnapshots",
             list_of("snapshot", {stored, stored, {{"id", "s-2"}, {"name", "b"}, {"state", "Destroyed"}}}));
    const auto snapshots = commands().snapshots({});
    ASSERT_EQ(snapshots.size(), 1U);
    EXPECT_EQ(snapshots[0].volume_id, VolumeId{"v-1"});
}

TEST(InventoryOfOthers, AnAccountWithoutTagsIsListedWithoutThem) {
    ScriptedCloud cloud;
    cloud.fail("listTags", 401, "not allowed")
        .on("listVolumes", list_of("volume", {{{"id", "v-1"}, {"state", "Ready"}}}));
    const auto client = cloud.client();
    const auto volumes = InventoryCommands(client, "migratekit.context", {}).volumes({});
    ASSERT_EQ(volumes.size(), 1U);
    EXPECT_FALSE(volumes[0].tag);
}

TEST(InventoryOfOthers, ACloudThatDoesNotAnswerIsNoEmptyCloud) {
    ScriptedCloud cloud;
    cloud.fail("listTags", 530, "broken");
    const auto client = cloud.client();
    EXPECT_EQ(code_of([&] { InventoryCommands(client, "migratekit.context", {}); }), ErrorCode::external);
}

}  // namespace
}  // namespace mk::cloudstack
