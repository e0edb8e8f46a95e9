#include "target/guest/conversion_report.hpp"

#include <gtest/gtest.h>

namespace mk::guest {
namespace {

std::string line(const std::string& type, const std::string& message) {
    return R"({"message":")" + message + R"(","timestamp":"2026-01-31T12:00:00+00:00","type":")" + type + "\"}\n";
}

TEST(ConversionReport, SaysThatDriversAreThereOnlyWhenVirtV2vSaidSo) {
    EXPECT_TRUE(outcome_of(line("info", "This guest has virtio drivers installed.")).drivers_present);
    EXPECT_FALSE(outcome_of(line("info", "This guest does not have virtio drivers installed.")).drivers_present);
    EXPECT_FALSE(outcome_of("").drivers_present);
}

TEST(ConversionReport, ReadsTheNeedForUefi) {
    EXPECT_TRUE(outcome_of(line("info", "This guest requires UEFI on the target to boot.")).needs_uefi);
    EXPECT_FALSE(outcome_of(line("info", "This guest has virtio drivers installed.")).needs_uefi);
}

TEST(ConversionReport, ShowsTheLastWarningWhenDriversAreMissing) {
    const auto outcome =
        outcome_of(line("warning", "there are no virtio drivers available for this version of Windows") +
                   line("info", "This guest does not have virtio drivers installed."));
    EXPECT_FALSE(outcome.drivers_present);
    EXPECT_NE(outcome.text.find("this version of Windows"), std::string::npos);
}

TEST(ConversionReport, TellsWhereMissingWindowsDriversBelong) {
    const auto outcome = outcome_of(
        line("warning",
             "there are no virtio drivers available for this version of Windows (10.0 x86_64 Server win2k22).") +
        line("warning", "QEMU Guest Agent MSI not found on tools ISO/directory.") +
        line("info", "This guest does not have virtio drivers installed."));
    EXPECT_FALSE(outcome.drivers_present);
    EXPECT_NE(outcome.text.find("win2k22"), std::string::npos) << outcome.text;
    EXPECT_NE(outcome.text.find("guest.virtio_win"), std::string::npos) << outcome.text;
    EXPECT_EQ(outcome.warnings.size(), 2U);
}

TEST(ConversionReport, AMissingAgentIsAWarningOnly) {
    const auto outcome = outcome_of(line("warning", "QEMU Guest Agent MSI not found on tools ISO/directory.") +
                                    line("info", "This guest has virtio drivers installed."));
    EXPECT_TRUE(outcome.drivers_present);
    EXPECT_EQ(outcome.warnings.size(), 1U);
}

TEST(ConversionReport, AnErrorOutweighsWhatWasSaidBefore) {
    const auto outcome =
        outcome_of(line("info", "This guest has virtio drivers installed.") + line("error", "write error on /dev/sda"));
    EXPECT_FALSE(outcome.drivers_present);
    EXPECT_NE(outcome.text.find("write error"), std::string::npos);
}

TEST(ConversionReport, IgnoresALineThatWasCutOff) {
    EXPECT_TRUE(
        outcome_of(line("info", "This guest has virtio drivers installed.") + R"({"message":"cut)").drivers_present);
}

struct KnownText {
    const char* text;
    ErrorCode code;
    const char* remedy_part;
};

class KnownFailures : public testing::TestWithParam<KnownText> {};

TEST_P(KnownFailures, CarryTheirRemedy) {
    const auto error = failure_of(1, line("error", GetParam().text), "");
    EXPECT_EQ(error.code(), GetParam().code);
    EXPECT_NE(error.cause().find(GetParam().text), std::string::npos);
    EXPECT_NE(error.advice().remedy.find(GetParam().remedy_part), std::string::npos) << error.advice().remedy;
    EXPECT_FALSE(error.advice().consequence.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, KnownFailures,
    testing::Values(
        KnownText{"inspection could not detect the source guest. No root device found", ErrorCode::conflict,
                  "which one the source boots from"},
        KnownText{"Inspection field 'i_distro' was 'unknown'", ErrorCode::conflict, "by hand"},
        KnownText{"virt-v2v is unable to convert this guest type (freebsd/freebsd)", ErrorCode::conflict, "by hand"},
        KnownText{"could not find bootloader mount point (/boot/efi/EFI)", ErrorCode::conflict, "/etc/fstab"},
        KnownText{"could not read key from user", ErrorCode::conflict, "by hand"},
        KnownText{"could not find key to open LUKS encrypted /dev/sda1", ErrorCode::conflict, "by hand"},
        KnownText{"filesystem was mounted read-only, even though we asked", ErrorCode::conflict, "fast start"},
        KnownText{"unable to mount the disk image for writing", ErrorCode::conflict, "fast start"},
        KnownText{"not enough free space for conversion on filesystem '/'", ErrorCode::exhausted, "Free some space"},
        KnownText{"not enough available inodes for conversion on filesystem '/'", ErrorCode::exhausted, "Remove some"},
        KnownText{"insufficient free space in the conversion server temporary directory /x", ErrorCode::exhausted,
                  "guest.work_folder"},
        KnownText{"mount: can't read superblock", ErrorCode::external, "read-only"},
        KnownText{"access: /dev/vdx: access: No such file or directory", ErrorCode::unavailable, "attached"},
        KnownText{"nbdkit did not start up. There may be errors printed by nbdkit above.", ErrorCode::unavailable,
                  "attached"},
        KnownText{"One of rhsrvany.exe or pvvxsvc.exe is missing", ErrorCode::unavailable, "rhsrvany"},
        KnownText{"/x.iso: cannot open virtio-win ISO file: no", ErrorCode::unavailable, "guest.virtio_win"},
        KnownText{"appliance closed the connection unexpectedly", ErrorCode::unavailable, "guest.memory_mib"},
        KnownText{"qemu: killed by signal 9 (Killed)", ErrorCode::unavailable, "memory"}));

TEST(ConversionReport, FallsBackToTheLastLineOfTheOutput) {
    const auto error = failure_of(3, "", "first line\nvirt-v2v: something new\n");
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_NE(error.cause().find("something new"), std::string::npos);
    EXPECT_EQ(error.native(), "3");
}

TEST(ConversionReport, AnEndlessMessageIsShortened) {
    const auto error = failure_of(1, line("error", "No root device found " + std::string(100'000, 'x')), "");
    EXPECT_LT(error.cause().size(), 2000U);
}

}  // namespace
}  // namespace mk::guest
