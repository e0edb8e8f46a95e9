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
                  "Check which disk boots"},
        KnownText{"Inspection field 'i_distro' was 'unknown'", ErrorCode::conflict, "by hand"},
        KnownText{"could not find bootloader mount point (/boot/efi/EFI)", ErrorCode::conflict, "/etc/fstab"},
        KnownText{"could not read key from user", ErrorCode::conflict, "encrypted"},
        KnownText{"filesystem was mounted read-only, even though we asked", ErrorCode::conflict, "fast start"},
        KnownText{"not enough free space for conversion on filesystem '/'", ErrorCode::exhausted, "Free some space"},
        KnownText{"mount: can't read superblock", ErrorCode::external, "cannot write"},
        KnownText{"One of rhsrvany.exe or pvvxsvc.exe is missing", ErrorCode::unavailable, "rhsrvany"},
        KnownText{"appliance closed the connection unexpectedly", ErrorCode::unavailable, "libguestfs"}));

TEST(ConversionReport, FallsBackToTheLastLineOfTheOutput) {
    const auto error = failure_of(3, "", "first line\nvirt-v2v: something new\n");
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_NE(error.cause().find("something new"), std::string::npos);
    EXPECT_EQ(error.native(), "3");
}

}  // namespace
}  // namespace mk::guest
