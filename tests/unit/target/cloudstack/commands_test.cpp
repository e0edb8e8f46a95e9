// Every command that we send goes through ScriptedCloud, which refuses parameters that CloudStack does not know.

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/scripted_cloud.hpp"
#include "target/cloudstack/clone_commands.hpp"
#include "target/cloudstack/discovery_commands.hpp"
#include "target/cloudstack/machine_commands.hpp"
#include "target/cloudstack/snapshot_commands.hpp"
#include "target/cloudstack/volume_commands.hpp"

namespace mk::cloudstack {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::error_of;
using test::ScriptedCloud;

const VolumeId volume_id{"object-1"};
const CloudMachineId vm_id{"vm-1"};
const CloudSnapshotId snapshot_id{"object-1"};

Json volume(const char* state, const char* vm = nullptr, int device = 1, const char* type = "DATADISK") {
    Json json{{"id", "object-1"}, {"name", "disk"}, {"type", type}, {"state", state}, {"size", GiB}};
    if (vm != nullptr) {
        json["virtualmachineid"] = vm;
        json["deviceid"] = device;
    }
    return {{"count", 1}, {"volume", {json}}};
}
const Json no_volume = Json::object();

Json snapshot(const char* state) {
    return {{"count", 1},
            {"snapshot",
             {{{"id", "object-1"}, {"name", "s"}, {"state", state}, {"revertable", true}, {"volumeid", "object-1"}}}}};
}
const Json no_snapshot = Json::object();

Json machine(const char* state) {
    return {{"count", 1}, {"virtualmachine", {{{"id", "vm-1"}, {"name", "web"}, {"state", state}}}}};
}
const Json no_machine = Json::object();

Deploy a_deploy() {
    Deploy deploy;
    deploy.name = "web";
    deploy.zone_id = "z";
    deploy.service_offering_id = "s";
    deploy.template_id = "t";
    return deploy;
}

struct Commands {
    ScriptedCloud cloud;
    Client client = cloud.client();
    VolumeCommands volumes{client, {.unplug = 50ms, .first_unplug_pause = 1ms, .settle_poll = 1ms}};
    SnapshotCommands snapshots{client, volumes, {.poll = 1ms}};
    CloneCommands clones{client, volumes};
    MachineCommands machines{client, {.poll = 1ms}};
    std::stop_token stop;
};

TEST(VolumeCommands, CreatesWithNameOfferingZoneAndSize) {
    Commands c;
    c.cloud.job("createVolume").on("listVolumes", no_volume).on("listVolumes", volume("Allocated"));
    EXPECT_EQ(c.volumes.create({"disk", "zone", "offering", 7}, c.stop).state, "Allocated");
    EXPECT_EQ(c.cloud.last("createVolume").parameters.at("size"), "7");
}

TEST(VolumeCommands, AdoptsTheVolumeOfThatName) {
    Commands c;
    c.cloud.on("listVolumes", volume("Ready"));
    EXPECT_EQ(c.volumes.create({"disk", "zone", "offering", 1}, c.stop).id, volume_id);
    EXPECT_EQ(c.cloud.count("createVolume"), 0u);
}

TEST(VolumeCommands, FindsAVolumeWhoseCreationWasNotAnswered) {
    Commands c;
    c.cloud.drop("createVolume").on("listVolumes", no_volume).on("listVolumes", volume("Allocated"));
    EXPECT_EQ(c.volumes.create({"disk", "zone", "offering", 1}, c.stop).id, volume_id);
    EXPECT_EQ(c.cloud.count("createVolume"), 1u);
}

TEST(VolumeCommands, TakesBothFormsOfAbsence) {
    Commands c;
    c.cloud.on("listVolumes", no_volume)
        .fail("listVolumes", 431, "or entity does not exist")
        .on("listVolumes", volume("Expunging"));
    EXPECT_FALSE(c.volumes.find(volume_id, c.stop));
    EXPECT_FALSE(c.volumes.find(volume_id, c.stop));
    EXPECT_FALSE(c.volumes.find(volume_id, c.stop));
}

TEST(VolumeCommands, WaitsForTransitionalStatesBeforeItActs) {
    Commands c;
    c.cloud.on("listVolumes", volume("Attaching")).on("listVolumes", volume("Ready", "vm-1"));
    EXPECT_EQ(c.volumes.attach(volume_id, vm_id, std::nullopt, c.stop).vm_id, vm_id);
    EXPECT_EQ(c.cloud.count("attachVolume"), 0u);
}

TEST(VolumeCommands, LetsCloudStackPickTheDeviceId) {
    Commands c;
    c.cloud.job("attachVolume").on("listVolumes", volume("Ready")).on("listVolumes", volume("Ready", "vm-1", 4));
    EXPECT_EQ(c.volumes.attach(volume_id, vm_id, std::nullopt, c.stop).device_id, 4);
    EXPECT_FALSE(c.cloud.last("attachVolume").parameters.contains("deviceid"));
}

TEST(VolumeCommands, RefusesAVolumeThatIsAttachedElsewhere) {
    Commands c;
    c.cloud.on("listVolumes", volume("Ready", "other"));
    EXPECT_EQ(code_of([&] { c.volumes.attach(volume_id, vm_id, std::nullopt, c.stop); }), ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { c.volumes.attach_root(volume_id, vm_id, c.stop); }), ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { c.volumes.remove(volume_id, c.stop); }), ErrorCode::conflict);
}

TEST(VolumeCommands, ReadsTheStateWhenTheAttachJobWasLost) {
    Commands c;
    c.cloud.lost_job("attachVolume").on("listVolumes", volume("Ready")).on("listVolumes", volume("Ready", "vm-1"));
    EXPECT_EQ(c.volumes.attach(volume_id, vm_id, std::nullopt, c.stop).vm_id, vm_id);
    Commands d;
    d.cloud.lost_job("attachVolume").on("listVolumes", volume("Ready"));
    EXPECT_EQ(error_of([&] { d.volumes.attach(volume_id, vm_id, std::nullopt, d.stop); }).native(), outcome_unknown);
}

TEST(VolumeCommands, AttachesARootAsDeviceZeroOnlyToAFreePlace) {
    Commands c;
    c.cloud.job("attachVolume")
        .on("listVolumes", volume("Ready"))
        .on("listVolumes", no_volume)
        .on("listVolumes", volume("Ready", "vm-1", 0, "ROOT"));
    EXPECT_EQ(c.volumes.attach_root(volume_id, vm_id, c.stop).type, "ROOT");
    EXPECT_EQ(c.cloud.last("attachVolume").parameters.at("deviceid"), "0");
    Commands d;
    d.cloud.on("listVolumes", volume("Ready")).on("listVolumes", volume("Ready", "vm-1", 0, "ROOT"));
    EXPECT_EQ(code_of([&] { d.volumes.attach_root(volume_id, vm_id, d.stop); }), ErrorCode::conflict);
    Commands e;
    e.cloud.on("listVolumes", volume("Allocated"));
    EXPECT_EQ(code_of([&] { e.volumes.attach_root(volume_id, vm_id, e.stop); }), ErrorCode::conflict);
}

TEST(VolumeCommands, RepeatsARefusedUnplug) {
    Commands c;
    c.cloud.failed_job("detachVolume", 530, "Could not detach volume").on("queryAsyncJobResult", {{"jobstatus", 1}});
    c.cloud.on("listVolumes", volume("Ready", "vm-1"))
        .on("listVolumes", volume("Ready", "vm-1"))
        .on("listVolumes", volume("Ready", "vm-1"))
        .on("listVolumes", volume("Ready"));
    EXPECT_FALSE(c.volumes.detach(volume_id, c.stop).vm_id);
    EXPECT_EQ(c.cloud.count("detachVolume"), 2u);
}

TEST(VolumeCommands, GivesUpUnpluggingAfterItsPatienceAndNeverAfterARefusal) {
    Commands c;
    c.cloud.failed_job("detachVolume", 530, "Could not detach volume").on("listVolumes", volume("Ready", "vm-1"));
    EXPECT_EQ(error_of([&] { c.volumes.detach(volume_id, c.stop); }).native(), "530");
    EXPECT_GT(c.cloud.count("detachVolume"), 1u);
    Commands d;
    d.cloud.failed_job("detachVolume", 431, "VM snapshots").on("listVolumes", volume("Ready", "vm-1"));
    EXPECT_EQ(error_of([&] { d.volumes.detach(volume_id, d.stop); }).native(), "431");
    EXPECT_EQ(d.cloud.count("detachVolume"), 1u);
}

TEST(VolumeCommands, DeletesAndSeesTheAbsence) {
    Commands c;
    c.cloud.drop("deleteVolume")
        .on("listVolumes", volume("Ready"))
        .on("listVolumes", volume("Ready"))
        .on("listVolumes", volume("Ready"))
        .on("listVolumes", no_volume);
    c.volumes.remove(volume_id, c.stop);
    c.volumes.remove(volume_id, c.stop);
    EXPECT_EQ(c.cloud.count("deleteVolume"), 1u);
}

TEST(VolumeCommands, GrowsAndNeverShrinks) {
    Commands c;
    auto grown = volume("Ready");
    grown["volume"][0]["size"] = 2 * GiB;
    c.cloud.job("resizeVolume").on("listVolumes", volume("Ready")).on("listVolumes", grown);
    EXPECT_EQ(c.volumes.resize(volume_id, 2, c.stop).size, 2 * GiB);
    EXPECT_EQ(code_of([&] { c.volumes.resize(volume_id, 1, c.stop); }), ErrorCode::invalid);
}

TEST(VolumeCommands, TagsWithOneIndexPerTag) {
    Commands c;
    c.cloud.job("createTags");
    c.volumes.tag("Volume", "v", "key", "value", c.stop);
    EXPECT_EQ(c.cloud.last("createTags").parameters.at("tags[0].key"), "key");
}

TEST(VolumeCommands, WaitsForAJobThatIsPendingOnTheVolume) {
    Commands c;
    auto detaching = volume("Ready", "vm-1");
    detaching["volume"][0]["jobid"] = "job-9";
    detaching["volume"][0]["jobstatus"] = 0;
    auto over = volume("Ready");
    over["volume"][0]["jobid"] = "job-9";
    over["volume"][0]["jobstatus"] = 1;
    c.cloud.job("attachVolume")
        .on("listVolumes", detaching)
        .on("listVolumes", detaching)
        .on("listVolumes", over)
        .on("listVolumes", volume("Ready", "vm-1", 4));
    EXPECT_EQ(c.volumes.attach(volume_id, vm_id, std::nullopt, c.stop).device_id, 4);
    EXPECT_EQ(c.cloud.count("attachVolume"), 1u) << "what the pending job left behind counts, not what was seen before";
}

TEST(VolumeCommands, SaysWhoHoldsADiskThatIsNotReleased) {
    Commands c;
    c.cloud.failed_job("detachVolume", 530, "Could not detach volume").on("listVolumes", volume("Ready", "vm-1"));
    const auto error = error_of([&] { c.volumes.detach(volume_id, c.stop); });
    EXPECT_NE(error.advice().remedy.find("Close what holds the disk"), std::string::npos);
    EXPECT_TRUE(error.advice().retry_safe);
}

Json clone_of(const char* snapshot, const char* state, Bytes size = GiB) {
    auto list = volume(state);
    list["volume"][0]["snapshotid"] = snapshot;
    list["volume"][0]["size"] = size;
    return list;
}

const CloneCommands::Create a_clone{.name = "disk", .snapshot_id = CloudSnapshotId{"snap"}, .size = GiB};

TEST(CloneCommands, MakesAVolumeFromTheSnapshot) {
    Commands c;
    c.cloud.job("createVolume").on("listVolumes", no_volume).on("listVolumes", clone_of("snap", "Ready"));
    EXPECT_EQ(c.clones.create(a_clone, c.stop).id, volume_id);
    EXPECT_EQ(c.cloud.last("createVolume").parameters.at("snapshotid"), "snap");
    EXPECT_EQ(c.cloud.last("createVolume").parameters.at("name"), "disk");
    EXPECT_FALSE(c.cloud.last("createVolume").parameters.contains("virtualmachineid"));
}

TEST(CloneCommands, FindsTheOneOfItsNameAgain) {
    Commands c;
    c.cloud.on("listVolumes", clone_of("snap", "Creating"))
        .on("listVolumes", clone_of("snap", "Creating"))
        .on("listVolumes", clone_of("snap", "Ready"));
    EXPECT_EQ(c.clones.create(a_clone, c.stop).state, "Ready");
    EXPECT_EQ(c.cloud.count("createVolume"), 0u);
}

TEST(CloneCommands, ReadsTheStateWhenTheAnswerOrTheJobWasLost) {
    Commands c;
    c.cloud.drop("createVolume").on("listVolumes", no_volume).on("listVolumes", clone_of("snap", "Ready"));
    EXPECT_EQ(c.clones.create(a_clone, c.stop).id, volume_id);
    EXPECT_EQ(c.cloud.count("createVolume"), 1u);
    Commands d;
    d.cloud.lost_job("createVolume").on("listVolumes", no_volume);
    const auto error = error_of([&] { d.clones.create(a_clone, d.stop); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(d.cloud.count("createVolume"), 1u) << "never repeated blindly";
}

TEST(CloneCommands, ReportsARefusalAsItIs) {
    Commands c;
    c.cloud.fail("createVolume", 535, "limit").on("listVolumes", no_volume);
    EXPECT_EQ(code_of([&] { c.clones.create(a_clone, c.stop); }), ErrorCode::exhausted);
    Commands d;
    d.cloud.failed_job("createVolume", 530, "no space").on("listVolumes", no_volume);
    EXPECT_EQ(error_of([&] { d.clones.create(a_clone, d.stop); }).native(), "530");
    EXPECT_EQ(d.cloud.count("createVolume"), 1u);
}

TEST(CloneCommands, MakesOneWithoutBytesAgain) {
    Commands c;
    c.cloud.job("createVolume").on("deleteVolume", {{"success", true}});
    c.cloud
        .on("listVolumes", clone_of("snap", "Allocated"))  // by name, settled, seen, settled to be deleted
        .on("listVolumes", clone_of("snap", "Allocated"))
        .on("listVolumes", clone_of("snap", "Allocated"))
        .on("listVolumes", clone_of("snap", "Allocated"))
        .on("listVolumes", no_volume)
        .on("listVolumes", clone_of("snap", "Ready"));
    EXPECT_EQ(c.clones.create(a_clone, c.stop).state, "Ready");
    EXPECT_EQ(c.cloud.count("deleteVolume"), 1u);
    EXPECT_EQ(c.cloud.count("createVolume"), 1u);
}

TEST(CloneCommands, TakesNoVolumeOfAnotherSnapshotAndDeletesNone) {
    Commands c;
    c.cloud.on("listVolumes", clone_of("other", "Ready"));
    EXPECT_EQ(code_of([&] { c.clones.create(a_clone, c.stop); }), ErrorCode::conflict);
    EXPECT_EQ(c.cloud.count("createVolume") + c.cloud.count("deleteVolume"), 0u);
}

TEST(SnapshotCommands, WaitsUntilBackedUp) {
    Commands c;
    c.cloud.job("createSnapshot").on("listVolumes", volume("Ready"));
    c.cloud.on("listSnapshots", no_snapshot)
        .on("listSnapshots", snapshot("BackingUp"))
        .on("listSnapshots", snapshot("BackedUp"));
    EXPECT_TRUE(c.snapshots.create(volume_id, "s", c.stop).revertable);
}

TEST(SnapshotCommands, SendsADeletionAgainThatWasLostBeforeItWasDone) {
    Commands c;
    c.cloud.lost_job("deleteSnapshot")
        .on("listSnapshots", snapshot("BackedUp"))
        .on("listSnapshots", snapshot("BackedUp"))
        .on("listSnapshots", no_snapshot);
    c.snapshots.remove(snapshot_id, c.stop);
    EXPECT_EQ(c.cloud.count("deleteSnapshot"), 2u);
}

/// What listSnapshots says while one snapshot is taken, ends in Error and is removed.
void takes_and_fails(ScriptedCloud& cloud) {
    cloud.on("listSnapshots", no_snapshot)
        .on("listSnapshots", snapshot("Error"))
        .on("listSnapshots", snapshot("Error"))
        .on("listSnapshots", no_snapshot);
}

TEST(SnapshotCommands, TakesASnapshotThatEndedInErrorOnceMore) {
    Commands c;
    c.cloud.failed_job("createSnapshot", 530, "failed").on("listVolumes", volume("Ready"));
    c.cloud.on("queryAsyncJobResult", {{"jobstatus", 1}}).on("deleteSnapshot", {{"jobid", "job-2"}});
    takes_and_fails(c.cloud);
    c.cloud.on("listSnapshots", no_snapshot).on("listSnapshots", snapshot("BackedUp"));
    EXPECT_EQ(c.snapshots.create(volume_id, "s", c.stop).state, "BackedUp");
    EXPECT_EQ(c.cloud.count("createSnapshot"), 2u);
    EXPECT_EQ(c.cloud.count("deleteSnapshot"), 1u);
}

TEST(SnapshotCommands, GivesUpASnapshotThatEndsInErrorAgain) {
    Commands c;
    c.cloud.job("createSnapshot").job("deleteSnapshot").on("listVolumes", volume("Ready"));
    takes_and_fails(c.cloud);
    takes_and_fails(c.cloud);
    const auto error = error_of([&] { c.snapshots.create(volume_id, "s", c.stop); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(c.cloud.count("createSnapshot"), 2u);
    EXPECT_EQ(c.cloud.count("deleteSnapshot"), 2u) << "nothing incomplete is left";
}

TEST(SnapshotCommands, SaysWhatASnapshotThatIsNotDeletedMayBeNeededFor) {
    Commands c;
    c.cloud.failed_job("deleteSnapshot", 530, "volumes depend on it").on("listSnapshots", snapshot("BackedUp"));
    const auto error = error_of([&] { c.snapshots.remove(snapshot_id, c.stop); });
    EXPECT_EQ(error.native(), "530");
    EXPECT_NE(error.advice().remedy.find("made from it"), std::string::npos);
}

TEST(SnapshotCommands, WorksOnDetachedVolumesOnly) {
    Commands c;
    c.cloud.on("listVolumes", volume("Ready", "vm-1"));
    EXPECT_EQ(code_of([&] { c.snapshots.create(volume_id, "s", c.stop); }), ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { c.snapshots.revert(snapshot_id, volume_id, c.stop); }), ErrorCode::conflict);
}

TEST(SnapshotCommands, RepeatsAFailedRevertUntilOneJobSucceeded) {
    Commands c;
    c.cloud.lost_job("revertSnapshot").on("queryAsyncJobResult", {{"jobstatus", 1}}).on("listVolumes", volume("Ready"));
    c.snapshots.revert(snapshot_id, volume_id, c.stop);
    EXPECT_EQ(c.cloud.count("revertSnapshot"), 2u);
    Commands d;
    d.cloud.failed_job("revertSnapshot", 530, "failed").on("listVolumes", volume("Ready"));
    EXPECT_EQ(error_of([&] { d.snapshots.revert(snapshot_id, volume_id, d.stop); }).native(), "530");
    EXPECT_EQ(d.cloud.count("revertSnapshot"), 3u);
}

TEST(MachineCommands, DeploysWithoutStarting) {
    Commands c;
    c.cloud.job("deployVirtualMachine")
        .on("listVirtualMachines", no_machine)
        .on("listVirtualMachines", machine("Stopped"));
    auto deploy = a_deploy();
    deploy.nics = {{"n1", "", ""}, {"n2", "", ""}};
    deploy.cpus = 2;
    deploy.memory_mib = 512;
    deploy.uefi = true;
    EXPECT_EQ(c.machines.deploy(deploy, c.stop).state, "Stopped");
    const auto& sent = c.cloud.last("deployVirtualMachine").parameters;
    EXPECT_EQ(sent.at("startvm"), "false");
    EXPECT_EQ(sent.at("networkids"), "n1,n2");
    EXPECT_EQ(sent.at("details[0].cpuNumber"), "2");
    EXPECT_EQ(sent.at("boottype"), "UEFI");
    EXPECT_EQ(sent.at("bootmode"), "LEGACY");
}

TEST(MachineCommands, SendsNeitherBootTypeNorDetailsWhenNotAsked) {
    Commands c;
    c.cloud.job("deployVirtualMachine")
        .on("listVirtualMachines", no_machine)
        .on("listVirtualMachines", machine("Stopped"));
    auto deploy = a_deploy();
    deploy.nics = {{"n1", "02:00:00:00:00:01", "10.0.0.5"}};
    c.machines.deploy(deploy, c.stop);
    const auto& sent = c.cloud.last("deployVirtualMachine").parameters;
    EXPECT_FALSE(sent.contains("boottype") || sent.contains("bootmode") || sent.contains("details[0].cpuNumber") ||
                 sent.contains("networkids"));
    EXPECT_EQ(sent.at("iptonetworklist[0].mac"), "02:00:00:00:00:01");
}

TEST(MachineCommands, StartsStopsAndDestroysByState) {
    Commands c;
    c.cloud.job("startVirtualMachine").job("stopVirtualMachine").job("destroyVirtualMachine");
    c.cloud.on("listVirtualMachines", machine("Stopped")).on("listVirtualMachines", machine("Running"));
    EXPECT_EQ(c.machines.start(vm_id, c.stop).state, "Running");
    c.cloud.on("listVirtualMachines", machine("Stopped")).on("listVirtualMachines", no_machine);
    EXPECT_EQ(c.machines.stop(vm_id, true, c.stop).state, "Stopped");
    EXPECT_EQ(c.cloud.last("stopVirtualMachine").parameters.at("forced"), "true");
    c.machines.destroy(vm_id, true, c.stop);
    EXPECT_EQ(c.cloud.count("startVirtualMachine"), 1u);
}

/// The management server died before it did anything: nothing would come of waiting.
TEST(MachineCommands, SendsAgainWhatWasLostBeforeItWasDone) {
    Commands c;
    c.cloud.lost_job("destroyVirtualMachine")
        .on("listVirtualMachines", machine("Stopped"))
        .on("listVirtualMachines", machine("Stopped"))
        .on("listVirtualMachines", machine("Stopped"))
        .on("listVirtualMachines", no_machine);
    c.machines.destroy(vm_id, true, c.stop);
    EXPECT_EQ(c.cloud.count("destroyVirtualMachine"), 2u);
}

TEST(MachineCommands, DoesNotSendAgainWhatWasDone) {
    Commands c;
    c.cloud.lost_job("stopVirtualMachine")
        .on("listVirtualMachines", machine("Running"))
        .on("listVirtualMachines", machine("Stopping"))
        .on("listVirtualMachines", machine("Stopped"));
    EXPECT_EQ(c.machines.stop(vm_id, true, c.stop).state, "Stopped");
    EXPECT_EQ(c.cloud.count("stopVirtualMachine"), 1u);
}

TEST(MachineCommands, ExpungesWhatWasDestroyedAlready) {
    Commands c;
    c.cloud.job("expungeVirtualMachine")
        .on("listVirtualMachines", machine("Destroyed"))
        .on("listVirtualMachines", machine("Destroyed"))
        .on("listVirtualMachines", no_machine);
    c.machines.destroy(vm_id, true, c.stop);
    EXPECT_EQ(c.cloud.count("destroyVirtualMachine"), 0u);
    EXPECT_EQ(c.cloud.count("expungeVirtualMachine"), 1u);
}

TEST(MachineCommands, ReportsAMachineThatDidNotStart) {
    Commands c;
    c.cloud.lost_job("startVirtualMachine").on("listVirtualMachines", machine("Stopped"));
    EXPECT_EQ(code_of([&] { c.machines.start(vm_id, c.stop); }), ErrorCode::external);
}

TEST(DiscoveryCommands, AsksOnlyWhatCloudStackKnows) {
    Commands c;
    const DiscoveryCommands discovery(c.client);
    c.cloud.on("listCapabilities",
               {{"capability", {{"cloudstackversion", "4.20.1.0"}, {"customdiskofferingmaxsize", 1024}}}});
    c.cloud.on("listZones", Json::object())
        .on("listServiceOfferings", Json::object())
        .on("listDiskOfferings", Json::object())
        .on("listNetworks", Json::object());
    c.cloud.on("listTemplates", {{"count", 2}, {"template", {{{"id", "t"}, {"isready", true}}, {{"id", "t"}}}}});
    c.cloud.on("listNics", {{"nic", {{{"id", "n"}, {"macaddress", "02:01"}}}}});
    EXPECT_EQ(discovery.capabilities(c.stop).largest_custom_gib, 1024u);
    EXPECT_EQ(discovery.templates("z", c.stop).size(), 1u);
    EXPECT_TRUE(discovery.zones(c.stop).empty() && discovery.service_offerings("z", c.stop).empty());
    EXPECT_TRUE(discovery.disk_offerings("z", c.stop).empty() && discovery.networks("z", c.stop).empty());
    EXPECT_EQ(c.machines.nics(vm_id, c.stop).size(), 1u);
}

TEST(DiscoveryCommands, FindsTheOwnMachineByMacBeforeUuid) {
    Commands c;
    const DiscoveryCommands discovery(c.client);
    c.cloud.on("listVirtualMachines",
               {{"count", 2},
                {"virtualmachine",
                 {{{"id", "aa-bb"}, {"name", "by-uuid"}},
                  {{"id", "cc"}, {"name", "by-mac"}, {"nic", {{{"macaddress", "02:AB:00:00:00:01"}}}}}}}});
    EXPECT_EQ(discovery.find_own_machine({{"02-ab-00-00-00-01"}, "AABB"}, c.stop)->name, "by-mac");
    EXPECT_EQ(discovery.find_own_machine({{}, "AABB"}, c.stop)->name, "by-uuid");
    EXPECT_FALSE(discovery.find_own_machine({{"02:00"}, ""}, c.stop));
}

}  // namespace
}  // namespace mk::cloudstack
