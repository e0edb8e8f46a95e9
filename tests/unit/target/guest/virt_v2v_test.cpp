#include "target/guest/virt_v2v.hpp"

#include <gtest/gtest.h>

#include "scripted_tool.hpp"
#include "support/error_of.hpp"
#include "target/guest/run_folder.hpp"

namespace mk::guest {
namespace {

using mk::test::error_of;
using mk::test::TemporaryFolder;
using test::runs_left;
using test::tools_with;

constexpr const char* says_drivers =
    R"(echo '{"type":"info","message":"This guest has virtio drivers installed."}' > $report)";

/// Two disks that can be opened for writing, and nothing more.
Conversion a_guest() {
    return {.guest_name = "web & <db>",
            .uefi = false,
            .memory_mb = 512,
            .cpus = 2,
            .disks = {{.device_path = "/dev/null", .bus = "scsi"}, {.device_path = "/dev/zero", .bus = "scsi"}}};
}

TEST(DomainXml, NamesTheDisksAsTheGuestKnewThem) {
    const auto xml = domain_xml(a_guest());
    EXPECT_NE(xml.find("<source dev='/dev/null'/><target dev='sda' bus='scsi'/>"), std::string::npos) << xml;
    EXPECT_NE(xml.find("<source dev='/dev/zero'/><target dev='sdb' bus='scsi'/>"), std::string::npos) << xml;
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

TEST(Convert, ReportsDriversAndLeavesNothingBehind) {
    const TemporaryFolder folder;
    const auto tools = tools_with(folder, std::string(says_drivers) + "; echo said");
    std::vector<std::string> lines;
    const auto outcome = convert(a_guest(), tools, [&](const std::string& text) { lines.push_back(text); }, {});
    EXPECT_TRUE(outcome.drivers_present);
    EXPECT_EQ(lines, std::vector<std::string>{"said"});
    EXPECT_EQ(runs_left(tools), 0U);
}

TEST(Convert, ExitCodeZeroIsNotSuccess) {
    const TemporaryFolder folder;
    const auto outcome = convert(a_guest(), tools_with(folder, "exit 0"), {}, {});
    EXPECT_FALSE(outcome.drivers_present);
}

TEST(Convert, TellsTheProgramsOwnMessageWhenItFails) {
    const TemporaryFolder folder;
    const auto tools =
        tools_with(folder, R"(echo '{"type":"error","message":"No root device found"}' > $report; exit 1)");
    const auto error = error_of([&] { convert(a_guest(), tools, {}, {}); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find("No root device found"), std::string::npos);
    EXPECT_EQ(runs_left(tools), 0U);
}

TEST(Convert, GivesTheToolItsOwnFolderAndItsLimits) {
    const TemporaryFolder folder;
    auto tools = tools_with(folder,
                            "echo \"tmp=$TMPDIR v2v=$VIRT_V2V_TMPDIR cache=$LIBGUESTFS_CACHEDIR\"\n"
                            "echo \"memory=$LIBGUESTFS_MEMSIZE space=$(ulimit -v) core=$(ulimit -c)\"\n"
                            "echo \"virtio=$VIRTIO_WIN tools=$VIRT_TOOLS_DATA_DIR stdin=$(cat | wc -c)\"");
    tools.memory_mib = 1024;
    tools.cache_folder = "/var/cache/some";
    std::vector<std::string> lines;
    convert(a_guest(), tools, [&](const std::string& text) { lines.push_back(text); }, {});
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_TRUE(lines[0].starts_with("tmp=" + tools.work_folder + "/migratekit-guest-")) << lines[0];
    EXPECT_NE(lines[0].find(" v2v=" + tools.work_folder), std::string::npos) << lines[0];
    EXPECT_TRUE(lines[0].ends_with(" cache=/var/cache/some")) << lines[0];
    // virt-v2v takes twice the memory for its appliance; 6 GiB beside it for QEMU itself.
    EXPECT_EQ(lines[1], "memory=1024 space=" + std::to_string((2 + 6) * 1024 * 1024) + " core=0");
    EXPECT_EQ(lines[2], "virtio=" + (folder / "virtio-win") + " tools=" + (folder / "virt-tools") + " stdin=0");
}

TEST(Convert, AProgramThatHangsIsStopped) {
    const TemporaryFolder folder;
    std::stop_source stop;
    const auto tools = tools_with(folder, "echo started; exec sleep 600");
    const auto error = error_of(
        [&] { convert(a_guest(), tools, [&](const std::string&) { stop.request_stop(); }, stop.get_token()); });
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
    EXPECT_EQ(runs_left(tools), 0U);
}

/// The mark as a script printed it: "NAME=VALUE".
std::vector<pid_t> processes_of(const std::string& mark) {
    const auto equals = mark.find('=');
    return marked_processes({mark.substr(0, equals), mark.substr(equals + 1)});
}

TEST(Convert, ADeafProgramAndItsDetachedChildAreKilled) {
    const TemporaryFolder folder;
    std::stop_source stop;
    // Both deaf to SIGTERM; the child is in a session of its own, which a signal to the group does not reach.
    const auto tools = tools_with(folder,
                                  "trap '' TERM\n"
                                  "setsid sh -c 'trap \"\" TERM; echo MIGRATEKIT_GUEST_RUN=$MIGRATEKIT_GUEST_RUN;"
                                  " while :; do sleep 600; done' &\n"
                                  "while :; do sleep 600; done");
    std::string mark;
    std::size_t were_there = 0;
    const auto error = error_of([&] {
        convert(
            a_guest(), tools,
            [&](const std::string& text) {
                mark = text;
                were_there = processes_of(mark).size();
                stop.request_stop();
            },
            stop.get_token());
    });
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
    EXPECT_GE(were_there, 2U);
    EXPECT_TRUE(processes_of(mark).empty());
    EXPECT_EQ(runs_left(tools), 0U);
}

TEST(Convert, TheTimeLimitEndsIt) {
    const TemporaryFolder folder;
    auto tools = tools_with(folder, "exec sleep 600");
    tools.limit = std::chrono::minutes{0};
    const auto error = error_of([&] { convert(a_guest(), tools, {}, {}); });
    EXPECT_EQ(error.code(), ErrorCode::timeout);
    EXPECT_NE(error.advice().remedy.find("guest.limit_minutes"), std::string::npos);
    EXPECT_EQ(runs_left(tools), 0U);
}

TEST(Convert, AChildThatOutlivesTheProgramIsEndedBeforeItReturns) {
    const TemporaryFolder folder;
    const auto tools = tools_with(folder, std::string(says_drivers) +
                                              "\nsetsid sleep 600 >/dev/null 2>&1 &\n"
                                              "echo \"MIGRATEKIT_GUEST_RUN=$MIGRATEKIT_GUEST_RUN\"");
    std::string line;
    const auto outcome = convert(a_guest(), tools, [&](const std::string& text) { line = text; }, {});
    EXPECT_TRUE(outcome.drivers_present);
    EXPECT_TRUE(line.starts_with("MIGRATEKIT_GUEST_RUN=/")) << line;
    EXPECT_TRUE(processes_of(line).empty());
}

TEST(Convert, OfALongTalkTheBeginningIsKeptWithANote) {
    const TemporaryFolder folder;
    auto tools = tools_with(
        folder, std::string(says_drivers) + "; i=0; while [ $i -lt 100 ]; do echo line-$i-line; i=$((i+1)); done");
    tools.log_limit = 100;
    std::vector<std::string> lines;
    convert(a_guest(), tools, [&](const std::string& text) { lines.push_back(text); }, {});
    ASSERT_EQ(lines.size(), 9U);  // eight lines of 12 bytes each, and the note
    EXPECT_EQ(lines[0], "line-0-line");
    EXPECT_NE(lines.back().find("92 more lines"), std::string::npos) << lines.back();
}

TEST(Convert, AFloodOfOutputEndsTheProgram) {
    const TemporaryFolder folder;
    auto tools = tools_with(folder, "exec yes flood");
    tools.output_limit = 100'000;
    Bytes heard = 0;
    const auto error =
        error_of([&] { convert(a_guest(), tools, [&](const std::string& text) { heard += text.size(); }, {}); });
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_LE(heard, tools.output_limit + 200);
    EXPECT_EQ(runs_left(tools), 0U);
}

TEST(Convert, AnEndBySignalIsTold) {
    const TemporaryFolder folder;
    const auto error = error_of([&] { convert(a_guest(), tools_with(folder, "kill -KILL $$"), {}, {}); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_NE(error.cause().find("signal 9"), std::string::npos) << error.cause();
}

TEST(Convert, SweepsWhatADeadRunLeft) {
    const TemporaryFolder folder;
    const auto tools = tools_with(folder, says_drivers);
    os::make_folders(tools.work_folder + "/migratekit-guest-999999999-1-deadbeef/v2v.abc");
    convert(a_guest(), tools, {}, {});
    EXPECT_EQ(runs_left(tools), 0U);
}

TEST(Convert, ADiskThatIsNotThereIsToldBeforeTheToolRuns) {
    const TemporaryFolder folder;
    auto guest = a_guest();
    guest.disks[1].device_path = folder / "nothing";
    const auto error = error_of([&] { convert(guest, tools_with(folder, "kill -KILL $$"), {}, {}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("nothing"), std::string::npos);
    guest.disks[1].device_path = folder.path();
    const auto unwritable = error_of([&] { convert(guest, tools_with(folder, "kill -KILL $$"), {}, {}); });
    EXPECT_EQ(unwritable.code(), ErrorCode::external);
    EXPECT_NE(unwritable.cause().find("cannot be written to"), std::string::npos);
}

TEST(Convert, AMissingProgramNamesItsPackage) {
    Tools tools;
    tools.program = "/nowhere/virt-v2v-in-place";
    const auto error = error_of([&] { convert(a_guest(), tools, {}, {}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.advice().remedy.find("virt-v2v"), std::string::npos);
}

}  // namespace
}  // namespace mk::guest
