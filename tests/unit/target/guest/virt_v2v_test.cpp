#include "target/guest/virt_v2v.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "os/file.hpp"
#include "support/temporary_folder.hpp"

namespace mk::guest {
namespace {

Conversion a_guest() {
    return {.guest_name = "web & <db>",
            .uefi = false,
            .memory_mb = 512,
            .cpus = 2,
            .disks = {{.device_path = "/dev/loop1", .bus = "scsi"}, {.device_path = "/dev/loop2", .bus = "scsi"}}};
}

TEST(DomainXml, NamesTheDisksAsTheGuestKnewThem) {
    const auto xml = domain_xml(a_guest());
    EXPECT_NE(xml.find("<source dev='/dev/loop1'/><target dev='sda' bus='scsi'/>"), std::string::npos) << xml;
    EXPECT_NE(xml.find("<source dev='/dev/loop2'/><target dev='sdb' bus='scsi'/>"), std::string::npos) << xml;
    EXPECT_NE(xml.find("<name>web &amp; &lt;db&gt;</name>"), std::string::npos) << xml;
}

TEST(DomainXml, NamesNvmeDisksByController) {
    auto guest = a_guest();
    guest.uefi = true;
    guest.disks = {{.device_path = "/dev/a", .bus = "nvme"}, {.device_path = "/dev/b", .bus = "nvme"}};
    const auto xml = domain_xml(guest);
    EXPECT_NE(xml.find("dev='nvme0n1' bus='nvme'"), std::string::npos) << xml;
    EXPECT_NE(xml.find("dev='nvme1n1' bus='nvme'"), std::string::npos) << xml;
    EXPECT_NE(xml.find("firmware='efi'"), std::string::npos) << xml;
}

/// A program in place of virt-v2v-in-place; `body` may use $report, the file of --machine-readable.
Tools tools_with(const test::TemporaryFolder& folder, const std::string& body) {
    const auto path = folder / "fake-v2v";
    os::write_file_atomically(
        path,
        "#!/bin/sh\nfor a in \"$@\"; do case $a in --machine-readable=file:*) report=${a#*file:};; esac; done\n" +
            body + "\n",
        0700);
    Tools tools;
    tools.program = path;
    tools.work_folder = folder.path();
    return tools;
}

std::size_t folders_left(const test::TemporaryFolder& folder) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        count += entry.is_directory() ? 1U : 0U;
    }
    return count;
}

TEST(Convert, ReportsDriversAndLeavesNothingBehind) {
    const test::TemporaryFolder folder;
    const auto tools = tools_with(
        folder, R"(echo '{"type":"info","message":"This guest has virtio drivers installed."}' > $report; echo said)");
    std::vector<std::string> lines;
    const auto outcome = convert(a_guest(), tools, [&](const std::string& text) { lines.push_back(text); }, {});
    EXPECT_TRUE(outcome.drivers_present);
    EXPECT_EQ(lines, std::vector<std::string>{"said"});
    EXPECT_EQ(folders_left(folder), 0U);
}

TEST(Convert, ExitCodeZeroIsNotSuccess) {
    const test::TemporaryFolder folder;
    const auto outcome = convert(a_guest(), tools_with(folder, "exit 0"), {}, {});
    EXPECT_FALSE(outcome.drivers_present);
}

TEST(Convert, TellsTheProgramsOwnMessageWhenItFails) {
    const test::TemporaryFolder folder;
    const auto tools =
        tools_with(folder, R"(echo '{"type":"error","message":"No root device found"}' > $report; exit 1)");
    try {
        convert(a_guest(), tools, {}, {});
        FAIL() << "must throw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::conflict);
        EXPECT_NE(error.cause().find("No root device found"), std::string::npos);
    }
    EXPECT_EQ(folders_left(folder), 0U);
}

TEST(Convert, AProgramThatHangsIsStopped) {
    const test::TemporaryFolder folder;
    std::stop_source stop;
    const auto tools = tools_with(folder, "echo started; exec sleep 600");
    try {
        convert(a_guest(), tools, [&](const std::string&) { stop.request_stop(); }, stop.get_token());
        FAIL() << "must throw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    EXPECT_EQ(folders_left(folder), 0U);
}

TEST(Convert, AMissingProgramNamesItsPackage) {
    Tools tools;
    tools.program = "/nowhere/virt-v2v-in-place";
    try {
        convert(a_guest(), tools, {}, {});
        FAIL() << "must throw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::unavailable);
        EXPECT_NE(error.advice().remedy.find("virt-v2v"), std::string::npos);
    }
}

}  // namespace
}  // namespace mk::guest
