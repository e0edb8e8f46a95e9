#include "control/discovery/discovery_service.hpp"

#include "unit/control/control_plane.hpp"

namespace mk::discovery {
namespace {

class DiscoveryTest : public test::ControlPlane {
  protected:
    CredentialId add_vcenter(const std::string& password) {
        credentials::Credential entry;
        entry.name = "vc";
        entry.vcenter = "https://vc/sdk";
        entry.username = "u";
        return service.add_vcenter(entry, Secret(password), "test", {});
    }
    DiscoveryService service{credentials, machines, source};
};

TEST_F(DiscoveryTest, VcenterIsTriedBeforeItIsStored) {
    EXPECT_EQ(test::code_of([&] { add_vcenter("wrong"); }), ErrorCode::unauthenticated);
    EXPECT_TRUE(credentials.list().empty());
    add_vcenter("secret");
    EXPECT_EQ(credentials.require("vc").vcenter_uuid, "vc-1");
}

TEST_F(DiscoveryTest, ManagedMachinesAreMarked) {
    add_vcenter("secret");
    source.inventory = {test::a_machine("web-01", "uuid-1"), test::a_machine("web-02", "uuid-2")};
    const auto vm = service.add("vc", "/DC0/vm/web-02", {});
    const auto found = service.discover("vc", "", {});
    ASSERT_EQ(found.size(), 2U);
    EXPECT_FALSE(found[0].managed_as);
    EXPECT_EQ(found[1].managed_as, vm);
    EXPECT_EQ(test::code_of([&] { service.discover("other", "", {}); }), ErrorCode::not_found);
}

TEST_F(DiscoveryTest, WhatCannotBeAddedIsRefusedWithTheReason) {
    add_vcenter("secret");
    auto refused = test::a_machine("rdm", "uuid-3");
    refused.findings = {{Severity::blocker, "physical_rdm", "disk 2 is a physical RDM", "Convert it."}};
    auto twin = test::a_machine("web-01", "uuid-2");
    twin.path = "/DC0/vm/other/web-01";
    source.inventory = {test::a_machine(), twin, refused};
    const auto error = test::error_of([&] { service.add("vc", "rdm", {}); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "physical_rdm");
    EXPECT_EQ(error.advice().remedy, "Convert it.");
    EXPECT_EQ(test::code_of([&] { service.add("vc", "none", {}); }), ErrorCode::not_found);
    const auto ambiguous = test::error_of([&] { service.add("vc", "web-01", {}); });
    EXPECT_NE(ambiguous.cause().find("/DC0/vm/other/web-01"), std::string::npos);
    service.add("vc", "uuid-1", {});
    EXPECT_EQ(test::code_of([&] { service.add("vc", "uuid-1", {}); }), ErrorCode::conflict);
    EXPECT_EQ(machines.list().size(), 1U);
}

}  // namespace
}  // namespace mk::discovery
