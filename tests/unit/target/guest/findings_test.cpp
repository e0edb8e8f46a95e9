#include "target/guest/findings.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "guests.hpp"

namespace mk::guest {
namespace {

using test::a_bios_linux;
using test::a_uefi_linux;
using test::a_windows;

/// An appliance that has all that Windows guests need.
WindowsSupport full_support() {
    return {.virtio_win = "/usr/share/virtio-win",
            .has_virtio_win = true,
            .drivers = {"/viostor/2k22/amd64/viostor.sys", "/netkvm/2k22/amd64/netkvm.inf",
                        "/guest-agent/qemu-ga-x86_64.msi"},
            .has_service_program = true,
            .virt_tools = "/usr/share/virt-tools"};
}

std::vector<std::string> codes_of(const std::vector<Finding>& findings) {
    std::vector<std::string> codes;
    for (const auto& finding : findings) {
        codes.push_back(finding.code);
    }
    return codes;
}

std::vector<std::string> codes(const GuestFacts& facts) {
    return codes_of(findings_of(facts, full_support()));
}

Finding only(const GuestFacts& facts, const WindowsSupport& support = full_support()) {
    const auto findings = findings_of(facts, support);
    EXPECT_EQ(findings.size(), 1U) << ::testing::PrintToString(codes_of(findings));
    return findings.empty() ? Finding{} : findings.front();
}

using Codes = std::vector<std::string>;

TEST(Findings, AHealthyGuestHasNone) {
    EXPECT_EQ(codes(a_bios_linux()), Codes{});
    EXPECT_EQ(codes(a_uefi_linux()), Codes{});
    EXPECT_EQ(codes(a_windows()), Codes{});
}

TEST(Findings, DisksWithoutASystemAreABlocker) {
    GuestFacts facts;
    facts.disks.resize(1);
    const auto finding = only(facts);
    EXPECT_EQ(finding.code, "no_system");
    EXPECT_EQ(finding.severity, Severity::blocker);
    EXPECT_FALSE(finding.remedy.empty());
}

TEST(Findings, EveryEncryptedPartitionIsNamed) {
    auto facts = a_bios_linux();
    facts.partitions.push_back({.device = "/dev/sdb2", .disk = 1, .number = 2, .type = "crypto_LUKS"});
    facts.partitions.push_back({.device = "/dev/sdb3", .disk = 1, .number = 3, .type = "BitLocker"});
    const auto findings = findings_of(facts, full_support());
    EXPECT_EQ(codes_of(findings), (Codes{"disk_encrypted", "disk_encrypted"}));
    EXPECT_NE(findings[0].text.find("partition 2 of disk 2 is encrypted (LUKS)"), std::string::npos);
    EXPECT_NE(findings[1].text.find("BitLocker"), std::string::npos);
    EXPECT_NE(findings[1].remedy.find("manage-bde"), std::string::npos);
    EXPECT_EQ(findings[0].severity, Severity::blocker);
}

TEST(Findings, AHibernatedWindowsIsABlocker) {
    auto facts = a_windows();
    facts.is_hibernated = true;
    const auto finding = only(facts);
    EXPECT_EQ(finding.code, "hibernated");
    EXPECT_EQ(finding.severity, Severity::blocker);
    EXPECT_NE(finding.remedy.find("powercfg"), std::string::npos);
}

struct SpaceCase {
    const char* name;
    const char* mount_point;
    bool has_boot;
    bool is_windows;
    Bytes needed;
};

class FreeSpace : public testing::TestWithParam<SpaceCase> {};

TEST_P(FreeSpace, IsWhatVirtV2vWants) {
    const auto& expected = GetParam();
    auto facts = expected.is_windows ? a_windows() : a_bios_linux();
    if (expected.has_boot) {
        facts.filesystems.push_back({.mount_point = "/boot", .type = "ext4", .bytes = GiB, .free_bytes = GiB});
    }
    if (std::string(expected.mount_point) != "/" && std::string(expected.mount_point) != "/boot") {
        facts.filesystems.push_back({.mount_point = expected.mount_point, .type = "ext4", .bytes = GiB});
    }
    auto& filesystem = *std::find_if(facts.filesystems.begin(), facts.filesystems.end(), [&](const auto& candidate) {
        return candidate.mount_point == expected.mount_point;
    });
    filesystem.free_bytes = expected.needed;
    EXPECT_EQ(codes(facts), Codes{});
    filesystem.free_bytes = expected.needed - 1;
    const auto finding = only(facts);
    EXPECT_EQ(finding.code, "guest_space");
    EXPECT_EQ(finding.severity, Severity::blocker);
    EXPECT_NE(finding.text.find(expected.mount_point), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Table, FreeSpace,
                         testing::Values(SpaceCase{"LinuxRootWithoutBoot", "/", false, false, 50 * MiB},
                                         SpaceCase{"LinuxRootWithBoot", "/", true, false, 100 * MiB},
                                         SpaceCase{"LinuxBoot", "/boot", true, false, 10 * MiB},
                                         SpaceCase{"LinuxOther", "/var", false, false, 10 * MiB},
                                         SpaceCase{"Windows", "/", false, true, 100 * MiB}),
                         [](const auto& test_case) { return test_case.param.name; });

TEST(Findings, HundredInodesMustBeLeft) {
    auto facts = a_bios_linux();
    facts.filesystems[0].free_inodes = 100;
    EXPECT_EQ(codes(facts), Codes{});
    facts.filesystems[0].free_inodes = 99;
    EXPECT_EQ(only(facts).code, "guest_inodes");
    facts.filesystems[0].inodes = 0;  // a file system without inodes
    EXPECT_EQ(codes(facts), Codes{});
}

TEST(Findings, AFileSystemThatDoesNotMountIsAWarning) {
    auto facts = a_bios_linux();
    facts.filesystems.push_back({.mount_point = "/data", .problem = "wrong fs type"});
    const auto finding = only(facts);
    EXPECT_EQ(finding.code, "filesystem_not_mounted");
    EXPECT_EQ(finding.severity, Severity::warning);
}

TEST(Findings, SeveralSystemsAreAWarning) {
    auto facts = a_bios_linux();
    facts.systems.push_back(a_windows().systems[0]);
    const auto finding = only(facts);
    EXPECT_EQ(finding.code, "several_systems");
    EXPECT_EQ(finding.severity, Severity::warning);
    EXPECT_NE(finding.text.find("Windows Server 2022"), std::string::npos);
}

TEST(Findings, WhatVirtV2vDoesNotKnowIsABlocker) {
    auto facts = a_bios_linux();
    facts.systems[0].distribution = "unknown";
    EXPECT_EQ(only(facts).code, "unknown_distribution");
    facts.systems[0].family = "freebsd";
    EXPECT_EQ(only(facts).code, "unsupported_system");
    EXPECT_EQ(only(facts).severity, Severity::blocker);
}

TEST(Findings, AnEfiSystemPartitionThatIsNotMountedIsABlocker) {
    auto facts = a_uefi_linux();
    facts.has_efi_folder = false;
    EXPECT_EQ(only(facts).code, "efi_not_mounted");
}

TEST(Findings, ASystemWithoutABootLoaderIsAWarning) {
    auto facts = a_bios_linux();
    facts.disks[0].has_boot_code = false;
    EXPECT_EQ(only(facts).code, "boot_loader_not_found");
    EXPECT_EQ(only(facts).severity, Severity::warning);
}

TEST(WindowsFindings, DriversForAnotherVersionDoNotHelp) {
    auto support = full_support();
    support.drivers = {"/viostor/2k19/amd64/viostor.sys", "/netkvm/2k19/amd64/netkvm.inf",
                       "/guest-agent/qemu-ga-x86_64.msi"};
    const auto finding = only(a_windows(), support);
    EXPECT_EQ(finding.code, "appliance_virtio_win");
    EXPECT_EQ(finding.severity, Severity::blocker);
    EXPECT_NE(finding.remedy.find("viostor/2k22/amd64/viostor.sys"), std::string::npos) << finding.remedy;
}

TEST(WindowsFindings, AnApplianceWithoutDriversIsABlocker) {
    auto support = full_support();
    support.has_virtio_win = false;
    support.drivers.clear();
    EXPECT_EQ(codes_of(findings_of(a_windows(), support)), (Codes{"appliance_virtio_win", "appliance_guest_agent"}));
}

TEST(WindowsFindings, AMissingNetworkDriverIsAWarning) {
    auto support = full_support();
    support.drivers.erase(support.drivers.begin() + 1);
    const auto finding = only(a_windows(), support);
    EXPECT_EQ(finding.code, "appliance_virtio_win_network");
    EXPECT_EQ(finding.severity, Severity::warning);
}

TEST(WindowsFindings, WithoutRhsrvanyNothingGoes) {
    auto support = full_support();
    support.has_service_program = false;
    const auto finding = only(a_windows(), support);
    EXPECT_EQ(finding.code, "appliance_rhsrvany");
    EXPECT_EQ(finding.severity, Severity::blocker);
}

TEST(WindowsFindings, AreNotLookedForInLinux) {
    EXPECT_EQ(codes_of(findings_of(a_bios_linux(), WindowsSupport{})), Codes{});
}

}  // namespace
}  // namespace mk::guest
