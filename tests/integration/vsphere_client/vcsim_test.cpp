// Against the unmodified govmomi simulator: an inventory, property collector and session code that nobody here wrote.
#include <gmock/gmock.h>

#include "endpoint.hpp"
#include "source/vsphere/snapshots.hpp"

namespace mk::vsphere {
namespace {

class Vcsim : public ServerTest {
    std::string kind() const override { return "vcsim"; }
};

TEST_F(Vcsim, TellsItsIdentityAfterLogin) {
    const auto vcenter = connect();
    EXPECT_FALSE(vcenter->instance_uuid().empty());
    EXPECT_THAT(vcenter->version(), testing::HasSubstr("vCenter"));
}

TEST_F(Vcsim, RefusesAWrongPassword) {
    auto wrong = access();
    wrong.password = Secret("not <the> \"password\" & more");
    const auto error = error_of([&] { Vcenter::connect(wrong); });
    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    EXPECT_EQ(error.native(), "InvalidLogin");
}

TEST_F(Vcsim, ListsMachinesWithTheirPlacesDisksAndNetworks) {
    const auto vcenter = connect();
    const auto machines = vcenter->discover("", {});
    ASSERT_EQ(machines.size(), 4U);
    const auto machine = find(*vcenter, "DC0_H0_VM0");
    EXPECT_EQ(machine.path, "/DC0/vm/DC0_H0_VM0");
    EXPECT_EQ(machine.power_state, "poweredOn");
    EXPECT_FALSE(machine.instance_uuid.empty());
    ASSERT_EQ(machine.disks.size(), 1U);
    EXPECT_EQ(machine.disks[0].datastore, "LocalDS_0");
    EXPECT_EQ(machine.disks[0].capacity % 512, 0U);
    EXPECT_FALSE(machine.disks[0].controller.empty());
    ASSERT_EQ(machine.nics.size(), 1U);
    EXPECT_FALSE(machine.nics[0].network.empty());
    EXPECT_FALSE(machine.nics[0].mac.empty());
}

TEST_F(Vcsim, FiltersByPathIgnoringCase) {
    const auto machines = connect()->discover("rp0_vm1", {});
    ASSERT_EQ(machines.size(), 1U);
    EXPECT_EQ(machines[0].name, "DC0_C0_RP0_VM1");
}

TEST_F(Vcsim, KnowsAMachineByItsReference) {
    const auto vcenter = connect();
    const auto listed = find(*vcenter, "DC0_H0_VM1");
    EXPECT_EQ(vcenter->machine(listed.moref, {}).name, "DC0_H0_VM1");
    EXPECT_EQ(error_of([&] { vcenter->machine("vm-no-such", {}); }).code(), ErrorCode::not_found);
}

TEST_F(Vcsim, CreatesAndRemovesOnlyOurSnapshot) {
    const auto vcenter = connect();
    const auto vm = vm_reference(find(*vcenter, "DC0_H0_VM0").moref);
    const auto session = open_session();
    const auto foreign = create_snapshot(*session, vm, {"before upgrade", "somebody's", false}, {});
    const auto ours =
        create_snapshot(*session, vm, {"migratekit-job1", snapshot_description("job1", "appliance"), false}, {});
    EXPECT_EQ(list_snapshots(*session, vm, {}).size(), 2U);
    EXPECT_NE(ours.created, Instant{});

    EXPECT_THAT(vcenter->sweep_snapshots(vm.id, "another", {}).removed, testing::IsEmpty());
    const auto swept = vcenter->sweep_snapshots(vm.id, "appliance", {});

    EXPECT_THAT(swept.removed, testing::ElementsAre(ours.name));
    EXPECT_THAT(swept.remaining, testing::IsEmpty());
    const auto left = list_snapshots(*session, vm, {});
    ASSERT_EQ(left.size(), 1U);
    EXPECT_EQ(left[0].reference, foreign.reference);
    remove_snapshot(*session, vm, foreign.reference, {});
    EXPECT_THAT(list_snapshots(*session, vm, {}), testing::IsEmpty());
}

TEST_F(Vcsim, SwitchesPowerAndLeavesWhatIsAlreadySo) {
    const auto vcenter = connect();
    const auto moref = find(*vcenter, "DC0_C0_RP0_VM0").moref;
    vcenter->power_off(moref, {});
    EXPECT_EQ(vcenter->power(moref, {}).power_state, "poweredOff");
    vcenter->power_off(moref, {});
    vcenter->shut_down_guest(moref, {});
    vcenter->power_on(moref, {});
    EXPECT_EQ(vcenter->power(moref, {}).power_state, "poweredOn");
    vcenter->power_on(moref, {});
}

}  // namespace
}  // namespace mk::vsphere
