// Snapshots of ours in a whole vCenter: what is found, and what may be removed.
#include "source/vsphere/own_snapshots.hpp"

#include <gmock/gmock.h>

#include "source/vsphere/snapshot_tree.hpp"
#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using testing::SizeIs;

std::string snapshot_xml(const std::string& moref, const std::string& name, const std::string& description,
                         const std::string& children = {}) {
    return "<snapshot type=\"VirtualMachineSnapshot\">" + moref + "</snapshot><name>" + name + "</name><description>" +
           description + "</description><createTime>2026-01-02T03:04:05Z</createTime>" + children;
}

std::string object_xml(const std::string& id, const std::string& name, const std::string& tree) {
    return "<objects><obj type=\"VirtualMachine\">" + id + "</obj><propSet><name>name</name><val>" + name +
           "</val></propSet><propSet><name>config.instanceUuid</name><val>uuid-of-" + name + "</val></propSet>" +
           (tree.empty() ? "" : "<propSet><name>snapshot</name><val>" + tree + "</val></propSet>") + "</objects>";
}

class OwnSnapshots : public testing::Test {
  protected:
    OwnSnapshots() {
        server->on("CreateContainerView",
                   FakeServer::returnval("CreateContainerView", "<returnval type=\"ContainerView\">v</returnval>"));
        server->on("DestroyView", FakeServer::returnval("DestroyView", ""));
    }
    void answer(const std::string& objects) {
        server->only("RetrievePropertiesEx", [objects](const auto&) {
            return FakeServer::returnval("RetrievePropertiesEx", "<returnval>" + objects + "</returnval>");
        });
    }
    /// One machine as remove_own_snapshot() reads it, with what it asks on the way.
    void machine_with(const std::string& tree) {
        server->only("RetrievePropertiesEx", [tree](const auto&) {
            return FakeServer::properties("VirtualMachine", "vm-1",
                                          {{"snapshot", "<val>" + tree + "</val>"},
                                           {"runtime.consolidationNeeded", "<val>false</val>"},
                                           {"recentTask", "<val/>"}});
        });
    }

    std::shared_ptr<FakeServer> server = std::make_shared<FakeServer>();
    std::unique_ptr<Session> session = open_session(server);
};

TEST_F(OwnSnapshots, AreFoundAtEveryDepthOfEveryMachineByOneRetrieval) {
    const auto child = "<childSnapshotList>" +
                       snapshot_xml("snap-2", "migratekit-b-activate", snapshot_description("b", "leeds")) +
                       "</childSnapshotList>";
    answer(
        object_xml("vm-1", "web",
                   "<rootSnapshotList>" + snapshot_xml("snap-1", "nightly", "theirs", child) + "</rootSnapshotList>") +
        object_xml("vm-2", "quiet", "") +
        object_xml("vm-3", "db",
                   "<rootSnapshotList>" + snapshot_xml("snap-3", "migratekit-c", "by hand") + "</rootSnapshotList>"));
    const auto found = find_own_snapshots(*session, {});
    ASSERT_THAT(found, SizeIs(2));
    EXPECT_EQ(found[0].machine_moref, "vm-1");
    EXPECT_EQ(found[0].machine_name, "web");
    EXPECT_EQ(found[0].instance_uuid, "uuid-of-web");
    EXPECT_EQ(found[0].moref, "snap-2");
    EXPECT_EQ(found[0].name, "migratekit-b-activate");
    EXPECT_EQ(found[0].job_id, "b");
    EXPECT_EQ(found[0].appliance_id, "leeds");
    EXPECT_EQ(to_iso8601(found[0].created), "2026-01-02T03:04:05.000Z");
    EXPECT_EQ(found[1].moref, "snap-3");
    EXPECT_EQ(found[1].job_id, "") << "named like ours, without our mark";
    EXPECT_EQ(server->count("RetrievePropertiesEx"), 1U);
}

TEST_F(OwnSnapshots, ThatCarryNoMarkAreNotRemoved) {
    machine_with("<rootSnapshotList>" + snapshot_xml("snap-1", "migratekit-c", "by hand") + "</rootSnapshotList>");
    const auto error = error_of([&] { remove_own_snapshot(*session, vm_reference("vm-1"), "snap-1", {}); });
    EXPECT_EQ(error.code(), ErrorCode::forbidden);
    EXPECT_EQ(server->count("RemoveSnapshot_Task"), 0U);
}

TEST_F(OwnSnapshots, ThatAreGoneNeedNoRemoval) {
    machine_with("");
    remove_own_snapshot(*session, vm_reference("vm-1"), "snap-1", {});
    server->only("RetrievePropertiesEx", [](const auto&) { return FakeServer::fault("ManagedObjectNotFound"); });
    remove_own_snapshot(*session, vm_reference("vm-1"), "snap-1", {});
    EXPECT_EQ(server->count("RemoveSnapshot_Task"), 0U);
}

TEST(SnapshotMark, IsReadFromTheDescription) {
    const SnapshotEntry ours{.reference = {}, .name = "migratekit-a", .description = snapshot_description("a", "here")};
    const auto mark = mark_of(ours);
    ASSERT_TRUE(mark);
    EXPECT_EQ(mark->job_id, "a");
    EXPECT_EQ(mark->appliance_id, "here");
    for (const auto* text : {"", "[migratekit job=a]", "[migratekit job=a appliance=here", "job=a appliance=here]"}) {
        EXPECT_FALSE(mark_of({.reference = {}, .name = "migratekit-a", .description = text})) << text;
    }
}

}  // namespace
}  // namespace mk::vsphere
