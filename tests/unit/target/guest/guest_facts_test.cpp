#include "target/guest/guest_facts.hpp"

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "guests.hpp"
#include "support/error_of.hpp"

namespace mk::guest {
namespace {

using mk::test::code_of;
using test::a_bios_linux;
using test::a_uefi_linux;
using test::a_windows;
using test::bios_boot_partition;
using test::efi_system_partition;

TEST(GuestFacts, TravelAsJson) {
    auto facts = a_windows();
    facts.is_hibernated = true;
    facts.iso_drivers = {"viostor/2k22/amd64/viostor.sys"};
    const auto copy = facts_from(json::parse(json::dump(to_json(facts))));
    EXPECT_EQ(to_json(copy), to_json(facts));
    ASSERT_EQ(copy.systems.size(), 1U);
    EXPECT_EQ(copy.systems[0].osinfo, "win2k22");
    EXPECT_EQ(copy.filesystems[0].free_bytes, facts.filesystems[0].free_bytes);
    EXPECT_TRUE(copy.is_hibernated);
    EXPECT_EQ(copy.iso_drivers, facts.iso_drivers);
}

TEST(GuestFacts, NothingOnTheDisksTravelsToo) {
    GuestFacts facts;
    facts.disks.resize(1);
    const auto copy = facts_from(json::parse(json::dump(to_json(facts))));
    EXPECT_EQ(copy.disks.size(), 1U);
    EXPECT_TRUE(copy.systems.empty());
    EXPECT_FALSE(copy.iso_drivers.has_value());
}

TEST(GuestFacts, RefuseAnotherForm) {
    auto json = to_json(a_bios_linux());
    json.erase("disks");
    EXPECT_EQ(code_of([&] { facts_from(json); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([&] { facts_from(Json::array()); }), ErrorCode::invalid);
    auto wrong = to_json(a_bios_linux());
    wrong["disks"][0]["bytes"] = -1;
    EXPECT_EQ(code_of([&] { facts_from(wrong); }), ErrorCode::invalid);
}

TEST(Firmware, AnEfiSystemPartitionMeansUefi) {
    EXPECT_TRUE(needs_uefi(a_uefi_linux()));
    EXPECT_FALSE(needs_uefi(a_bios_linux()));
}

TEST(Firmware, ABiosBootPartitionBesideItMeansBios) {
    auto facts = a_uefi_linux();
    facts.partitions.push_back({.device = "/dev/sda3", .disk = 0, .number = 3, .gpt_type = bios_boot_partition});
    EXPECT_FALSE(needs_uefi(facts));
}

TEST(BootDisk, OfUefiIsWhereTheEfiSystemPartitionIs) {
    auto facts = a_uefi_linux();
    EXPECT_EQ(boot_disk_of(facts), 0);
    facts.disks.resize(2);
    for (auto& partition : facts.partitions) {
        partition.disk = 1;
    }
    EXPECT_EQ(boot_disk_of(facts), 1);
}

TEST(BootDisk, OfTwoEfiSystemPartitionsIsThatOfTheSystem) {
    auto facts = a_uefi_linux();
    facts.disks.resize(2);
    facts.partitions.push_back({.device = "/dev/sdb1", .disk = 1, .number = 1, .gpt_type = efi_system_partition});
    facts.systems[0].disk = 1;
    EXPECT_EQ(boot_disk_of(facts), 1);
}

TEST(BootDisk, OfBiosIsWhereGrubIs) {
    auto facts = a_bios_linux();
    facts.disks.insert(facts.disks.begin(), {.bytes = GiB, .scheme = "msdos", .has_boot_code = true});
    for (auto& partition : facts.partitions) {
        partition.disk = 1;
    }
    EXPECT_EQ(boot_disk_of(facts), 1);
}

TEST(BootDisk, AnActivePartitionOutweighsBareBootCode) {
    GuestFacts facts;
    facts.disks = {{.bytes = GiB, .scheme = "msdos", .has_boot_code = true},
                   {.bytes = GiB, .scheme = "msdos", .has_boot_code = true}};
    EXPECT_EQ(boot_disk_of(facts), 0);
    facts.partitions = {{.device = "/dev/sdb1", .disk = 1, .number = 1, .is_active = true}};
    EXPECT_EQ(boot_disk_of(facts), 1);
}

TEST(BootDisk, IsUnknownWithoutBootCode) {
    GuestFacts facts;
    EXPECT_EQ(boot_disk_of(facts), -1);
    facts.disks.resize(2);
    EXPECT_EQ(boot_disk_of(facts), -1);
}

TEST(Title, IsTheProductsNameOrMadeFromWhatIsKnown) {
    EXPECT_EQ(title_of({.product = "Windows Server 2022 Standard"}), "Windows Server 2022 Standard");
    EXPECT_EQ(title_of({.family = "linux", .distribution = "debian", .product = "12.0"}), "Debian 12.0");
    EXPECT_EQ(title_of({.family = "linux", .distribution = "debian", .product = "unknown"}), "Debian");
    EXPECT_EQ(title_of({.family = "linux", .distribution = "unknown"}), "Linux");
    EXPECT_EQ(title_of({}), "");
}

TEST(Place, IsToldForPeople) {
    EXPECT_EQ(place_of({.device = "/dev/sdb3", .disk = 1, .number = 3}), "partition 3 of disk 2");
    EXPECT_EQ(place_of({.device = "/dev/sdb", .disk = 1, .number = -1}), "disk 2");
    EXPECT_EQ(place_of({.device = "/dev/vg/root", .disk = -1}), "the logical volume /dev/vg/root");
}

}  // namespace
}  // namespace mk::guest
