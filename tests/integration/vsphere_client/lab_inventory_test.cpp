// Discovery, access and power against the lab's vCenter.
#include <algorithm>

#include <gmock/gmock.h>

#include "endpoint.hpp"

namespace mk::vsphere {
namespace {

using testing::Contains;
using testing::HasSubstr;

class LabInventory : public LabTest {};

std::vector<std::string> blockers_of(const SourceMachine& machine) {
    std::vector<std::string> codes;
    for (const auto& finding : machine.findings) {
        if (finding.severity == Severity::blocker) {
            codes.push_back(finding.code);
        }
    }
    return codes;
}

TEST_F(LabInventory, RefusesAWrongPasswordOnce) {
    auto wrong = access();
    wrong.password = Secret("wrong");
    const auto error = error_of([&] { Vcenter::connect(wrong); });
    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    EXPECT_EQ(error.native(), "InvalidLogin");
    EXPECT_FALSE(error.advice().remedy.empty());
}

TEST_F(LabInventory, RefusesAnotherCertificateBeforeAnythingIsSent) {
    auto wrong = access();
    wrong.certificate_sha256 = std::string(64, 'a');
    const auto error = error_of([&] { Vcenter::connect(wrong); });
    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    EXPECT_THAT(error.cause(), HasSubstr("certificate"));
    EXPECT_THAT(error.advice().consequence, HasSubstr("Nothing was sent"));
}

TEST_F(LabInventory, LogsOutWhenTheLastUserGoes) {
    const auto sessions = [] { return LabControl::request("GET", "/state").at("sessions").size(); };
    const auto before = sessions();
    auto vcenter = connect();
    EXPECT_EQ(sessions(), before + 1);
    vcenter.reset();
    EXPECT_EQ(sessions(), before);
}

TEST_F(LabInventory, DescribesTheRunningMachine) {
    const auto machine = find(*connect(), "beacon");
    EXPECT_EQ(machine.path, "/Europe/Lab-DC/vm/Linux/Web/beacon");
    EXPECT_EQ(machine.power_state, "poweredOn");
    EXPECT_EQ(machine.firmware, "bios");
    EXPECT_TRUE(machine.tools_running);
    ASSERT_EQ(machine.disks.size(), 2U);
    EXPECT_EQ(machine.disks[0].id, disk_id_from_key(2000));
    EXPECT_EQ(machine.disks[0].controller, "pvscsi");
    EXPECT_EQ(machine.disks[0].datastore, "vmfs-fast");
    ASSERT_EQ(machine.nics.size(), 1U);
    EXPECT_EQ(machine.nics[0].adapter, "vmxnet3");
    EXPECT_EQ(machine.nics[0].network, "Production");
    EXPECT_EQ(machine.nics[0].mac, "00:50:56:b0:00:11");
    EXPECT_TRUE(machine.is_replicable()) << testing::PrintToString(blockers_of(machine));
    EXPECT_GT(machine.used, 0U);
}

TEST_F(LabInventory, ResolvesUefiNvmeAndDistributedPortgroups) {
    const auto machine = find(*connect(), "beacon-uefi");
    EXPECT_EQ(machine.firmware, "uefi");
    EXPECT_EQ(machine.disks.at(0).controller, "nvme");
    EXPECT_EQ(machine.nics.at(0).network, "dv-Application");
    EXPECT_TRUE(machine.is_replicable()) << testing::PrintToString(blockers_of(machine));
}

TEST_F(LabInventory, SaysWhyTheRefusedMachineIsRefused) {
    const auto vcenter = connect();
    const auto machine = find(*vcenter, "refused");
    EXPECT_FALSE(machine.is_replicable());
    EXPECT_THAT(blockers_of(machine),
                testing::UnorderedElementsAre("independent_disk", "physical_rdm", "foreign_snapshot_without_cbt"));
    EXPECT_THAT(machine.path, HasSubstr("Legacy%2fOld"));

    const auto before = LabControl::machine("refused");
    const auto error = error_of([&] { vcenter->freeze(machine.moref, {.job_id = "j", .appliance_id = "a"}, {}); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_THAT(error.full_text(), HasSubstr("No snapshot was taken"));
    EXPECT_EQ(LabControl::machine("refused").at("snapshots"), before.at("snapshots"));
    EXPECT_EQ(LabControl::machine("refused").at("cbt_enabled"), before.at("cbt_enabled"));
}

TEST_F(LabInventory, SurvivesALostSession) {
    const auto vcenter = connect();
    LabControl::fault({{"name", "session_expire"}});
    EXPECT_EQ(find(*vcenter, "off-one").name, "off-one");
    LabControl::fault({{"name", "session_expire"}, {"after_calls", "3"}});
    EXPECT_EQ(find(*vcenter, "off-one").name, "off-one");
}

TEST_F(LabInventory, WaitsOutAServerThatIsBusy) {
    const auto vcenter = connect();
    LabControl::fault({{"name", "http_status"}, {"status", "503"}, {"times", "2"}});
    EXPECT_EQ(find(*vcenter, "off-one").name, "off-one");
    LabControl::fault({{"name", "drop_connection"}, {"method", "RetrievePropertiesEx"}, {"when", "after"}});
    EXPECT_EQ(find(*vcenter, "off-one").name, "off-one");
}

TEST_F(LabInventory, NamesAMissingPrivilege) {
    const auto vcenter = connect();
    const auto moref = find(*vcenter, "off-one").moref;
    LabControl::fault({{"name", "method_fault"},
                       {"method", "PowerOnVM_Task"},
                       {"fault", "NoPermission"},
                       {"privilege", "VirtualMachine.Interact.PowerOn"}});
    const auto error = error_of([&] { vcenter->power_on(moref, {}); });
    EXPECT_EQ(error.code(), ErrorCode::forbidden);
    EXPECT_THAT(error.cause(), HasSubstr("VirtualMachine.Interact.PowerOn"));
    EXPECT_EQ(vcenter->power(moref, {}).power_state, "poweredOff");
}

TEST_F(LabInventory, SwitchesPowerThroughLostSessionsAndAnswers) {
    const auto vcenter = connect();
    const auto moref = find(*vcenter, "off-one").moref;
    LabControl::fault({{"name", "drop_connection"}, {"method", "PowerOnVM_Task"}, {"when", "after"}});
    vcenter->power_on(moref, {});
    EXPECT_EQ(vcenter->power(moref, {}).power_state, "poweredOn");
    LabControl::fault({{"name", "session_expire"}, {"after_calls", "1"}});
    vcenter->power_off(moref, {});
    EXPECT_EQ(LabControl::machine("off-one").at("power"), "poweredOff");
    vcenter->shut_down_guest(moref, {});
}

TEST_F(LabInventory, TellsThatToolsAreNeededToShutDown) {
    const auto vcenter = connect();
    const auto moref = find(*vcenter, "off-one").moref;
    vcenter->power_on(moref, {});
    LabControl::fault({{"name", "tools_not_running"}, {"machine", "off-one"}});
    EXPECT_FALSE(vcenter->power(moref, {}).tools_running);
    const auto error = error_of([&] { vcenter->shut_down_guest(moref, {}); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "ToolsUnavailable");
    vcenter->power_off(moref, {});
}

}  // namespace
}  // namespace mk::vsphere
