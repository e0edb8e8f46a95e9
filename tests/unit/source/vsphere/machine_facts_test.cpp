// From property collector answers to facts: devices, snapshots, times.
#include "source/vsphere/machine_facts.hpp"

#include <gmock/gmock.h>

#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using testing::ElementsAre;

constexpr const char* devices = R"(<val xsi:type="ArrayOfVirtualDevice">
<VirtualDevice xsi:type="ParaVirtualSCSIController"><key>1000</key><busNumber>0</busNumber><sharedBus>noSharing</sharedBus></VirtualDevice>
<VirtualDevice xsi:type="VirtualAHCIController"><key>15000</key><busNumber>1</busNumber></VirtualDevice>
<VirtualDevice xsi:type="VirtualDisk"><key>2001</key><deviceInfo><label>Hard disk 2</label></deviceInfo>
 <backing xsi:type="VirtualDiskSeSparseBackingInfo"><fileName>[ds 1] d/x_1-000003.vmdk</fileName><datastore type="Datastore">ds-1</datastore>
 <diskMode>persistent</diskMode><uuid>6000C29a</uuid><changeId>52 aa/4</changeId><parent><fileName>[ds 1] d/x_1.vmdk</fileName></parent></backing>
 <controllerKey>1000</controllerKey><unitNumber>1</unitNumber><capacityInKB>1</capacityInKB><capacityInBytes>1536</capacityInBytes></VirtualDevice>
<VirtualDevice xsi:type="VirtualDisk"><key>2000</key><deviceInfo><label>Hard disk 1</label></deviceInfo>
 <backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds 1] d/x.vmdk</fileName><thinProvisioned>true</thinProvisioned></backing>
 <controllerKey>1000</controllerKey><unitNumber>0</unitNumber><capacityInKB>4</capacityInKB></VirtualDevice>
<VirtualDevice xsi:type="VirtualVmxnet3"><key>4000</key><backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo">
 <port><portgroupKey>dvportgroup-7</portgroupKey></port></backing><connectable><startConnected>true</startConnected></connectable>
 <macAddress>00:50:56:00:00:01</macAddress></VirtualDevice>
<VirtualDevice xsi:type="VirtualTPM"><key>11000</key></VirtualDevice></val>)";

constexpr const char* tree =
    R"(<val xsi:type="VirtualMachineSnapshotInfo"><currentSnapshot type="VirtualMachineSnapshot">s-3</currentSnapshot>
<rootSnapshotList><snapshot type="VirtualMachineSnapshot">s-1</snapshot><name>a</name><description/><createTime>2026-01-31T12:00:00.25Z</createTime>
 <quiesced>true</quiesced><childSnapshotList><snapshot type="VirtualMachineSnapshot">s-2</snapshot><name>b</name></childSnapshotList>
 <childSnapshotList><snapshot type="VirtualMachineSnapshot">s-3</snapshot><name>c</name></childSnapshotList></rootSnapshotList></val>)";

MachineFacts facts_of(const std::vector<std::pair<std::string, std::string>>& properties) {
    auto server = std::make_shared<FakeServer>();
    const auto session = open_session(server);
    server->on("RetrievePropertiesEx", FakeServer::properties("VirtualMachine", "vm-1", properties));
    return fetch_facts(*session, vm_reference("vm-1"), {});
}

TEST(MachineFacts_, DevicesKeepTheirOrderAndAreKnownByKey) {
    const auto facts = facts_of({{"config.hardware.device", devices}, {"name", "<val>a%2fb</val>"}});
    EXPECT_EQ(facts.name, "a/b");
    const auto& disks = facts.hardware.disks;
    ASSERT_EQ(disks.size(), 2U);
    EXPECT_EQ(disks[0].key, 2001);
    EXPECT_EQ(disks[0].capacity, 1536U);
    EXPECT_EQ(disks[0].change_id, "52 aa/4");
    EXPECT_TRUE(disks[0].has_parent);
    EXPECT_TRUE(disks[0].has_delta_name());
    EXPECT_FALSE(disks[0].is_flat());
    EXPECT_EQ(facts.hardware.disk(2000)->capacity, 4096U) << "the old field counts KiB";
    EXPECT_FALSE(facts.hardware.disk(2000)->has_delta_name());
    EXPECT_EQ(facts.hardware.controller_of(disks[0])->kind, "pvscsi");
    ASSERT_EQ(facts.hardware.nics.size(), 1U);
    EXPECT_EQ(facts.hardware.nics[0].adapter, "vmxnet3");
    EXPECT_EQ(facts.hardware.nics[0].portgroup_key, "dvportgroup-7");
    EXPECT_TRUE(facts.hardware.nics[0].connected);
    EXPECT_TRUE(facts.hardware.has_class("VirtualTPM"));
    EXPECT_EQ(facts.used, 4096U + 1536U) << "the capacity when nobody tells better";
}

TEST(MachineFacts_, TheSnapshotTreeIsReadWithAllBranches) {
    const auto facts = facts_of({{"snapshot", tree}});
    std::vector<std::string> names;
    for (const auto& snapshot : facts.snapshots) {
        names.push_back(snapshot.reference.id + snapshot.name);
    }
    EXPECT_THAT(names, ElementsAre("s-1a", "s-2b", "s-3c"));
    EXPECT_TRUE(facts.snapshots[0].quiesced);
    EXPECT_EQ(to_iso8601(facts.snapshots[0].created), "2026-01-31T12:00:00.250Z");
}

TEST(MachineFacts_, WhatIsMissingIsUnknownAndNotFalse) {
    const auto facts = facts_of({});
    EXPECT_FALSE(facts.has_config);
    EXPECT_TRUE(facts.tracking_supported);
    EXPECT_EQ(facts.used, 0U);
}

TEST(MachineFacts_, TrackingBootOrderAndUsedSpace) {
    const auto facts = facts_of(
        {{"config.hardware.device", devices},
         {"config.extraConfig", R"(<val><OptionValue><key>ctkEnabled</key><value>TRUE</value></OptionValue>
             <OptionValue><key>scsi0:1.ctkEnabled</key><value>FALSE</value></OptionValue></val>)"},
         {"config.bootOptions", R"(<val><efiSecureBootEnabled>true</efiSecureBootEnabled>
             <bootOrder xsi:type="VirtualMachineBootOptionsBootableEthernetDevice"><deviceKey>4000</deviceKey></bootOrder>
             <bootOrder xsi:type="VirtualMachineBootOptionsBootableDiskDevice"><deviceKey>2001</deviceKey></bootOrder></val>)"},
         {"layoutEx.file",
          R"(<val><VirtualMachineFileLayoutExFileInfo><key>7</key><type>diskExtent</type><size>512</size>
             </VirtualMachineFileLayoutExFileInfo><VirtualMachineFileLayoutExFileInfo><key>8</key><type>log</type><size>99</size>
             </VirtualMachineFileLayoutExFileInfo></val>)"},
         {"layoutEx.disk",
          R"(<val><VirtualMachineFileLayoutExDiskLayout><key>2000</key><chain><fileKey>7</fileKey><fileKey>8</fileKey></chain>
             </VirtualMachineFileLayoutExDiskLayout></val>)"}});
    EXPECT_THAT(facts.tracking_off_disks, ElementsAre("scsi0:1"));
    EXPECT_THAT(facts.boot_disk_keys, ElementsAre(2001));
    EXPECT_TRUE(facts.secure_boot);
    EXPECT_EQ(facts.used, 512U);
}

TEST(SnapshotOwnership, NeedsPrefixAndMarkBoth) {
    const auto description = snapshot_description("job-1", "appliance-1");
    const auto entry = [](std::string name, std::string text) {
        return SnapshotEntry{{}, std::move(name), std::move(text), {}, false};
    };
    EXPECT_TRUE(is_ours(entry("migratekit-job-1", description)));
    EXPECT_TRUE(is_ours(entry("migratekit-job-1", description), "appliance-1"));
    EXPECT_FALSE(is_ours(entry("migratekit-job-1", description), "appliance-2"));
    EXPECT_FALSE(is_ours(entry("migratekit-job-1", description), "appliance"));
    EXPECT_FALSE(is_ours(entry("my migratekit-job-1", description)));
    EXPECT_FALSE(is_ours(entry("migratekit-job-1", "before the migratekit upgrade")));
    EXPECT_FALSE(is_ours(entry("migratekit-job-1", "")));
    EXPECT_FALSE(is_ours(entry("migratekit-job-1", "[migratekit job=1")));
}

TEST(DateTime, IsReadWithFractionsAndOffsets) {
    EXPECT_EQ(to_iso8601(parse_date_time("2026-02-28T23:59:59Z")), "2026-02-28T23:59:59.000Z");
    EXPECT_EQ(to_iso8601(parse_date_time("2026-02-28T23:59:59.1234567Z")), "2026-02-28T23:59:59.123Z");
    EXPECT_EQ(to_iso8601(parse_date_time("2026-03-01T01:30:00+01:30")), "2026-03-01T00:00:00.000Z");
    EXPECT_EQ(to_iso8601(parse_date_time("2026-02-28T20:00:00-04:00")), "2026-03-01T00:00:00.000Z");
    for (const char* text : {"", "yesterday", "2026-02-30T00:00:00Z", "2026-02-28"}) {
        EXPECT_EQ(parse_date_time(text), Instant{}) << text;
    }
}

}  // namespace
}  // namespace mk::vsphere
