#include "oma-api/guest_preparation.hpp"

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "support/error_of.hpp"
#include "unit/target/guest/guests.hpp"
#include "unit/target/guest/scripted_tool.hpp"

namespace mk::oma {
namespace {

using test::error_of;
using test::TemporaryFolder;

guest::Tools settings(const std::string& text) {
    return guest_tools(Config::from_text("[guest]\n" + text, guest_keys()));
}

const std::vector<failover::GuestDisk> two_disks = {{.device_path = "/dev/null", .source_bus = "scsi"},
                                                    {.device_path = "/dev/zero", .source_bus = "nvme"}};

TEST(GuestSettings, HaveDefaultsThatWork) {
    const auto tools = settings("");
    EXPECT_EQ(tools.program, "virt-v2v-in-place");
    EXPECT_TRUE(tools.inspector.starts_with("/")) << tools.inspector;
    EXPECT_TRUE(tools.inspector.ends_with("/migratekit-inspect")) << tools.inspector;
    EXPECT_FALSE(tools.force_emulation);
    EXPECT_EQ(tools.memory_mib, 1280);
    EXPECT_EQ(tools.limit, std::chrono::minutes{60});
}

TEST(GuestSettings, AreTakenFromTheConfiguration) {
    const auto tools = settings(
        "virtio_win = \"/v\"\nvirt_tools = \"/t\"\ninspector = \"/i\"\nforce_emulation = true\nlimit_minutes = 5\n"
        "inspection_limit_seconds = 60\nmemory_mib = 2048\nlog_kib = 8\nwork_folder = \"/w\"\ncache_folder = \"/c\"");
    EXPECT_EQ(tools.virtio_win, "/v");
    EXPECT_EQ(tools.virt_tools, "/t");
    EXPECT_EQ(tools.inspector, "/i");
    EXPECT_TRUE(tools.force_emulation);
    EXPECT_EQ(tools.limit, std::chrono::minutes{5});
    EXPECT_EQ(tools.inspection_limit, std::chrono::seconds{60});
    EXPECT_EQ(tools.memory_mib, 2048);
    EXPECT_EQ(tools.log_limit, 8 * KiB);
    EXPECT_EQ(tools.work_folder, "/w");
    EXPECT_EQ(tools.cache_folder, "/c");
}

TEST(GuestSettings, RefuseWhatMakesNoSense) {
    for (const std::string text :
         {"memory_mib = 100", "limit_minutes = 0", "inspection_limit_seconds = 1", "force_emulation = \"yes\""}) {
        EXPECT_EQ(test::code_of([&] { settings(text); }), ErrorCode::invalid) << text;
    }
}

TEST(GuestPreparation, InspectionTellsSystemBootDiskAndFindings) {
    const TemporaryFolder folder;
    auto facts = guest::test::a_uefi_linux();
    facts.disks.insert(facts.disks.begin(), guest::DiskFacts{});
    for (auto& partition : facts.partitions) {
        partition.disk = 1;
    }
    facts.filesystems[0].free_bytes = 0;
    const auto script = "cat <<'END'\n" + json::dump(guest::to_json(facts)) + "\nEND";
    VirtV2vPreparation preparation(guest::test::tools_with(folder, script));
    const auto seen = preparation.inspect(two_disks, SourceMachine{}, {});
    EXPECT_TRUE(seen.has_system);
    EXPECT_EQ(seen.family, "linux");
    EXPECT_EQ(seen.product, "Debian GNU/Linux 12 (bookworm)");
    EXPECT_EQ(seen.architecture, "x86_64");
    EXPECT_EQ(seen.boot_disk, 1);
    EXPECT_TRUE(seen.needs_uefi);
    ASSERT_EQ(seen.findings.size(), 1U);
    EXPECT_EQ(seen.findings[0].code, "guest_space");
}

TEST(GuestPreparation, DisksWithoutASystemAreAnAnswerToo) {
    const TemporaryFolder folder;
    guest::GuestFacts facts;
    facts.disks.resize(2);
    const auto script = "cat <<'END'\n" + json::dump(guest::to_json(facts)) + "\nEND";
    VirtV2vPreparation preparation(guest::test::tools_with(folder, script));
    const auto seen = preparation.inspect(two_disks, SourceMachine{}, {});
    EXPECT_FALSE(seen.has_system);
    EXPECT_EQ(seen.boot_disk, -1);
    ASSERT_EQ(seen.findings.size(), 1U);
    EXPECT_EQ(seen.findings[0].severity, Severity::blocker);
}

TEST(GuestPreparation, BothProgramsMustBeThere) {
    const TemporaryFolder folder;
    auto tools = guest::test::tools_with(folder, "exit 0");
    EXPECT_NO_THROW(VirtV2vPreparation(tools).check());
    tools.inspector = "/nowhere/migratekit-inspect";
    EXPECT_EQ(error_of([&] { VirtV2vPreparation(tools).check(); }).code(), ErrorCode::unavailable);
    tools = guest::test::tools_with(folder, "exit 0");
    tools.program = "/nowhere/virt-v2v-in-place";
    EXPECT_EQ(error_of([&] { VirtV2vPreparation(tools).check(); }).code(), ErrorCode::unavailable);
}

TEST(GuestPreparation, BeginsWithCleaningUpAfterACrash) {
    const TemporaryFolder folder;
    const auto tools = guest::test::tools_with(folder, "exit 0");
    os::make_folders(tools.work_folder + "/migratekit-guest-999999999-1-deadbeef");
    const VirtV2vPreparation preparation(tools);
    EXPECT_EQ(guest::test::runs_left(tools), 0U);
}

TEST(GuestPreparation, WarningsOfTheConversionReachTheLog) {
    const TemporaryFolder folder;
    VirtV2vPreparation preparation(guest::test::tools_with(
        folder, R"(echo '{"type":"warning","message":"no agent"}' > $report)"
                "\n"
                R"(echo '{"type":"info","message":"This guest has virtio drivers installed."}' >> $report)"));
    std::vector<std::string> lines;
    const auto done =
        preparation.prepare(two_disks, SourceMachine{}, [&](const std::string& line) { lines.push_back(line); }, {});
    EXPECT_TRUE(done.ready);
    EXPECT_EQ(lines, std::vector<std::string>{"virt-v2v warns: no agent"});
}

}  // namespace
}  // namespace mk::oma
