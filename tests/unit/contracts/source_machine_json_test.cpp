#include "contracts/source_machine_json.hpp"

#include "unit/contracts/wire.hpp"

namespace mk::contracts::test {
namespace {

TEST(SourceMachineJson, RoundTrip) {
    SourceMachine machine;
    machine.name = "web";
    machine.moref = "vm-1";
    machine.instance_uuid = "5000-1";
    machine.cpus = 2;
    machine.os_type = "unknown";
    machine.boot_order = {DiskId{"disk-2001"}};
    SourceDisk disk;
    disk.id = DiskId{"disk-2000"};
    disk.capacity = 3 * GiB + 512;
    disk.thin = true;
    machine.disks = {disk};
    SourceNic nic;
    nic.mac = "00:50:56:00:00:01";
    nic.addresses = {"10.0.0.1", "fe80::1"};
    machine.nics = {nic};
    machine.findings = {{Severity::blocker, "physical_rdm", "text", "remedy"}};
    const SourceMachine back = source_machine_from(wire(to_json(machine)));
    EXPECT_EQ(text(back), text(machine));
    EXPECT_EQ(to_json(machine).at("cpus"), 2);
    EXPECT_EQ(to_json(machine).at("os_type"), "unknown");
}

TEST(SourceMachineJson, IdentityMustBeThereTheRestNeedNot) {
    const Json identity{{"name", "web"}, {"moref", "vm-1"}, {"instance_uuid", "5000-1"}, {"novelty", true}};
    EXPECT_TRUE(source_machine_from(identity).disks.empty());
    for (const char* field : {"name", "moref", "instance_uuid"}) {
        Json json = identity;
        json.erase(field);
        EXPECT_THROW(source_machine_from(json), Error) << field;
    }
    Json json = identity;
    json["disks"] = Json::array({Json{{"label", "Hard disk 1"}}});
    EXPECT_THROW(source_machine_from(json), Error);
    json["disks"] = "none";
    EXPECT_THROW(source_machine_from(json), Error);
}

}  // namespace
}  // namespace mk::contracts::test
