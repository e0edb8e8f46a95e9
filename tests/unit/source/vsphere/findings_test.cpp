// What an operator is told about a machine, one row per trait.
#include "source/vsphere/findings.hpp"

#include <functional>

#include <gmock/gmock.h>

namespace mk::vsphere {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SnapshotEntry foreign_snapshot() {
    return {{"VirtualMachineSnapshot", "s-1"}, "before upgrade", "somebody's", {}, false};
}
SnapshotEntry our_snapshot() {
    return {{"VirtualMachineSnapshot", "s-2"}, "migratekit-j", snapshot_description("j", "a"), {}, false};
}

/// A running machine that can be replicated without remarks.
MachineFacts sound_machine() {
    MachineFacts facts;
    facts.reference = vm_reference("vm-1");
    facts.name = facts.inventory_name = "web01";
    facts.has_config = true;
    facts.hardware_version = 19;
    facts.power_state = "poweredOn";
    facts.connection_state = "connected";
    facts.tools_running = true;
    facts.tracking_enabled = true;
    facts.folder = "group-v1";
    facts.host = "host-1";
    facts.hardware.controllers.push_back({1000, "pvscsi", 0, false});
    DiskDevice disk;
    disk.key = 2000;
    disk.label = "Hard disk 1";
    disk.controller_key = 1000;
    disk.capacity = 1 * GiB;
    disk.backing = "VirtualDiskFlatVer2";
    disk.file_name = "[ds] web01/web01.vmdk";
    disk.disk_mode = "persistent";
    disk.sharing = "sharingNone";
    disk.datastore = {"Datastore", "ds-1"};
    facts.hardware.disks.push_back(disk);
    return facts;
}

InventoryNames places(const std::string& datastore_type = "VMFS", bool maintenance = false) {
    return InventoryNames({{"ds-1", {"Datastore", "ds", "group-s1", datastore_type, "", false}},
                           {"host-1", {"HostSystem", "esx1", "c-1", "", "", maintenance}},
                           {"dc-1", {"Datacenter", "DC%2f0", "group-f1", "", "", false}},
                           {"group-f1", {"Folder", "Europe", "group-d1", "", "", false}},
                           {"group-v1", {"Folder", "vm", "dc-1", "", "", false}}});
}

std::vector<std::string> words(const std::vector<Finding>& findings) {
    std::vector<std::string> list;
    for (const auto& finding : findings) {
        list.push_back(std::string(to_string(finding.severity)) + " " + finding.code);
    }
    return list;
}

struct Trait {
    const char* name;
    std::function<void(MachineFacts&)> apply;
    std::vector<std::string> expected;
    bool only_base_files = true;
};

DiskDevice& disk_of(MachineFacts& facts) {
    return facts.hardware.disks.front();
}

class FindingsTable : public testing::TestWithParam<Trait> {};

TEST_P(FindingsTable, NamesTheTrait) {
    auto facts = sound_machine();
    GetParam().apply(facts);
    const auto findings = judge(facts, places(), {.only_base_files = GetParam().only_base_files});
    EXPECT_EQ(words(findings), GetParam().expected);
    for (const auto& finding : findings) {
        EXPECT_FALSE(finding.text.empty());
        EXPECT_TRUE(finding.severity != Severity::blocker || !finding.remedy.empty()) << finding.code;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Traits, FindingsTable,
    testing::Values(
        Trait{"sound", [](MachineFacts&) {}, {}},
        Trait{"orphaned", [](MachineFacts& f) { f.connection_state = "orphaned"; }, {"blocker not_connected"}},
        Trait{"unreadable", [](MachineFacts& f) { f.refused_privileges = {"System.Read"}; }, {"blocker no_permission"}},
        Trait{"is_template", [](MachineFacts& f) { f.is_template = true; }, {"blocker template"}},
        Trait{"suspended", [](MachineFacts& f) { f.power_state = "suspended"; }, {"blocker suspended"}},
        Trait{"diskless", [](MachineFacts& f) { f.hardware.disks.clear(); }, {"blocker no_disks"}},
        Trait{"encrypted", [](MachineFacts& f) { f.is_encrypted = true; }, {"blocker encrypted"}},
        Trait{"encrypted_disk", [](MachineFacts& f) { disk_of(f).is_encrypted = true; }, {"blocker encrypted"}},
        Trait{"nvdimm", [](MachineFacts& f) { f.hardware.other_classes = {"VirtualNVDIMM"}; }, {"blocker nvdimm"}},
        Trait{"old_hardware", [](MachineFacts& f) { f.hardware_version = 4; }, {"blocker hardware_version"}},
        Trait{"untrackable", [](MachineFacts& f) { f.tracking_supported = false; }, {"blocker no_change_tracking"}},
        Trait{"tracking_off", [](MachineFacts& f) { f.tracking_enabled = false; }, {"note change_tracking_off"}},
        Trait{"one_disk_off",
              [](MachineFacts& f) { f.tracking_off_disks = {"scsi0:1"}; },
              {"warning disk_tracking_disabled"}},
        Trait{"independent",
              [](MachineFacts& f) { disk_of(f).disk_mode = "independent_nonpersistent"; },
              {"blocker independent_disk"}},
        Trait{"physical_rdm",
              [](MachineFacts& f) {
                  disk_of(f).backing = "VirtualDiskRawDiskMappingVer1";
                  disk_of(f).compatibility = "physicalMode";
                  disk_of(f).disk_mode = "independent_persistent";
              },
              {"blocker physical_rdm"}},
        Trait{"virtual_rdm_over_https",
              [](MachineFacts& f) {
                  disk_of(f).backing = "VirtualDiskRawDiskMappingVer1";
                  disk_of(f).compatibility = "virtualMode";
              },
              {"blocker virtual_rdm"}},
        Trait{"virtual_rdm_with_vddk",
              [](MachineFacts& f) {
                  disk_of(f).backing = "VirtualDiskRawDiskMappingVer1";
                  disk_of(f).compatibility = "virtualMode";
              },
              {},
              false},
        Trait{"raw_device",
              [](MachineFacts& f) { disk_of(f).backing = "VirtualDiskRawDiskVer2"; },
              {"blocker raw_device"}},
        Trait{"multi_writer",
              [](MachineFacts& f) { disk_of(f).sharing = "sharingMultiWriter"; },
              {"blocker shared_disk"}},
        Trait{"shared_bus",
              [](MachineFacts& f) { f.hardware.controllers.front().is_shared = true; },
              {"blocker shared_disk"}},
        Trait{"odd_size", [](MachineFacts& f) { disk_of(f).capacity = 1000; }, {"blocker odd_capacity"}},
        Trait{"sparse", [](MachineFacts& f) { disk_of(f).backing = "VirtualDiskSeSparse"; }, {"blocker sparse_disk"}},
        Trait{"broken_chain",
              [](MachineFacts& f) { disk_of(f).file_name = "[ds] web01/web01-000002.vmdk"; },
              {"blocker delta_base"}},
        Trait{"linked_clone", [](MachineFacts& f) { disk_of(f).has_parent = true; }, {"blocker delta_base"}},
        Trait{"to_be_consolidated",
              [](MachineFacts& f) {
                  disk_of(f).file_name = "[ds] web01/web01-000002.vmdk";
                  f.consolidation_needed = true;
              },
              {"warning consolidation_needed"}},
        Trait{"our_left_over",
              [](MachineFacts& f) {
                  f.snapshots = {our_snapshot()};
                  disk_of(f).backing = "VirtualDiskSeSparse";
                  disk_of(f).file_name = "[ds] web01/web01-000001.vmdk";
                  disk_of(f).has_parent = true;
              },
              {}},
        Trait{"foreign_tracking_off",
              [](MachineFacts& f) {
                  f.snapshots = {foreign_snapshot()};
                  f.tracking_enabled = false;
              },
              {"blocker foreign_snapshot_without_cbt", "note change_tracking_off"}},
        Trait{"foreign_over_https",
              [](MachineFacts& f) { f.snapshots = {our_snapshot(), foreign_snapshot()}; },
              {"blocker foreign_snapshot"}},
        Trait{"foreign_with_vddk",
              [](MachineFacts& f) { f.snapshots = {foreign_snapshot()}; },
              {"warning foreign_snapshot"},
              false},
        Trait{"no_tools", [](MachineFacts& f) { f.tools_running = false; }, {"warning tools_absent"}},
        Trait{"off",
              [](MachineFacts& f) {
                  f.power_state = "poweredOff";
                  f.tools_running = false;
              },
              {"note powered_off"}},
        Trait{"tpm", [](MachineFacts& f) { f.hardware.other_classes = {"VirtualTPM"}; }, {"warning virtual_tpm"}},
        Trait{"passthrough",
              [](MachineFacts& f) { f.hardware.other_classes = {"VirtualPCIPassthrough"}; },
              {"warning passthrough_device"}},
        Trait{"secure_boot", [](MachineFacts& f) { f.secure_boot = true; }, {"note secure_boot"}},
        Trait{"blockers_first",
              [](MachineFacts& f) {
                  f.secure_boot = true;
                  f.tools_running = false;
                  disk_of(f).disk_mode = "independent_persistent";
              },
              {"blocker independent_disk", "warning tools_absent", "note secure_boot"}}),
    [](const auto& trait) { return std::string(trait.param.name); });

TEST(Findings, ObjectDatastoresHaveNoFiles) {
    for (const char* type : {"vsan", "VVOL"}) {
        EXPECT_THAT(words(judge(sound_machine(), places(type), {.only_base_files = true})),
                    ElementsAre("blocker datastore_without_files"));
        EXPECT_THAT(judge(sound_machine(), places(type), {.only_base_files = false}), IsEmpty());
    }
    EXPECT_THAT(judge(sound_machine(), places("NFS41"), {}), IsEmpty());
}

TEST(Findings, AMaintainedHostIsAWarning) {
    EXPECT_THAT(words(judge(sound_machine(), places("VMFS", true), {})), ElementsAre("warning host_in_maintenance"));
}

TEST(Findings, AMachineWithoutConfigurationIsListedButNotJudgedFurther) {
    MachineFacts facts;
    facts.name = facts.inventory_name = "lost";
    facts.connection_state = "inaccessible";
    EXPECT_THAT(words(judge(facts, places(), {})), ElementsAre("blocker not_connected"));
    EXPECT_EQ(to_source_machine(facts, places(), "u", {}).os_type, "unknown");
}

TEST(Inventory_Names, PathsKeepEscapesAndDropTheRoot) {
    EXPECT_EQ(places().path_of("group-v1"), "/Europe/DC%2f0/vm");
    EXPECT_EQ(places().datacenter_path("group-v1"), "Europe/DC%2f0");
    EXPECT_EQ(places().datacenter_path("nowhere"), "");
    EXPECT_EQ(places().name_of("dc-1"), "DC/0");
    EXPECT_EQ(to_source_machine(sound_machine(), places(), "u", {}).path, "/Europe/DC%2f0/vm/web01");
    EXPECT_EQ(decode_inventory_name("100%"), "100%");
}

TEST(Inventory_Names, ALoopInTheDataEnds) {
    const InventoryNames loop({{"a", {"Folder", "a", "b", "", "", false}}, {"b", {"Folder", "b", "a", "", "", false}}});
    EXPECT_FALSE(loop.path_of("a").empty());
    EXPECT_EQ(loop.datacenter_path("a"), "");
}

}  // namespace
}  // namespace mk::vsphere
