#include "target/guest/inspection.hpp"

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "guests.hpp"
#include "scripted_tool.hpp"
#include "support/error_of.hpp"
#include "target/guest/run_folder.hpp"

namespace mk::guest {
namespace {

using mk::test::error_of;
using mk::test::TemporaryFolder;
using test::runs_left;
using test::tools_with;

const std::vector<std::string> two_disks = {"/dev/loop1", "/dev/loop2"};

/// A tool that answers with what the given guest looks like.
std::string answering(const GuestFacts& facts) {
    return "cat <<'END'\n" + json::dump(to_json(facts)) + "\nEND";
}

TEST(Inspect, GivesFactsAndFindings) {
    const TemporaryFolder folder;
    auto facts = test::a_windows();
    facts.is_hibernated = true;
    const auto tools = tools_with(folder, answering(facts));
    const auto seen = inspect(two_disks, tools, {});
    EXPECT_EQ(to_json(seen.facts), to_json(facts));
    ASSERT_FALSE(seen.findings.empty());
    EXPECT_EQ(seen.findings[0].code, "hibernated");
    EXPECT_EQ(runs_left(tools), 0U);
}

TEST(Inspect, AnAnswerLongerThanALineIsReadWhole) {
    const TemporaryFolder folder;
    auto facts = test::a_bios_linux();
    for (int i = 0; i < 1000; ++i) {
        facts.filesystems.push_back({.mount_point = "/mnt/" + std::to_string(i), .free_bytes = GiB});
    }
    const auto seen = inspect(two_disks, tools_with(folder, answering(facts)), {});
    EXPECT_EQ(seen.facts.filesystems.size(), 1001U);
}

TEST(Inspect, OrdersTheDisksAsGivenAndLimitsTheAppliance) {
    const TemporaryFolder folder;
    auto tools = tools_with(folder, "echo \"$*\" >&2; exit 1");
    tools.memory_mib = 900;
    const auto error = error_of([&] { inspect(two_disks, tools, {}); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_NE(error.cause().find("--memory-mib 900 -- /dev/loop1 /dev/loop2"), std::string::npos) << error.cause();
}

TEST(Inspect, AnIsoWithDriversIsGivenToo) {
    const TemporaryFolder folder;
    auto tools = tools_with(folder, "echo \"$*\" >&2; exit 1");
    tools.virtio_win = folder / "virtio-win.iso";
    os::write_file_atomically(tools.virtio_win, "x");
    const auto error = error_of([&] { inspect(two_disks, tools, {}); });
    EXPECT_NE(error.cause().find("--virtio-win-iso " + tools.virtio_win + " -- "), std::string::npos) << error.cause();
}

struct ExitCase {
    const char* name;
    const char* script;
    ErrorCode code;
    const char* told;
};

class InspectorEnds : public testing::TestWithParam<ExitCase> {};

TEST_P(InspectorEnds, AreToldApart) {
    const TemporaryFolder folder;
    const auto tools = tools_with(folder, GetParam().script);
    const auto error = error_of([&] { inspect(two_disks, tools, {}); });
    EXPECT_EQ(error.code(), GetParam().code);
    EXPECT_NE(error.full_text().find(GetParam().told), std::string::npos) << error.full_text();
    EXPECT_FALSE(error.advice().consequence.empty());
    EXPECT_EQ(runs_left(tools), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Table, InspectorEnds,
    testing::Values(ExitCase{"DiskNotOpened", "echo '/dev/loop1: no such device' >&2; exit 3", ErrorCode::external,
                             "/dev/loop1: no such device"},
                    ExitCase{"ApplianceNotStarted", "echo 'qemu exited' >&2; exit 4", ErrorCode::unavailable,
                             "guest.force_emulation"},
                    ExitCase{"Failed", "echo first; echo 'last words' >&2; exit 1", ErrorCode::external, "last words"},
                    ExitCase{"Silent", "exit 9", ErrorCode::external, "it said nothing"},
                    ExitCase{"Killed", "kill -SEGV $$", ErrorCode::external, "signal 11"},
                    ExitCase{"NoJson", "echo nonsense", ErrorCode::corrupt, "same version"},
                    ExitCase{"OtherJson", "echo '{}'", ErrorCode::corrupt, "same version"},
                    ExitCase{"Nothing", "exit 0", ErrorCode::corrupt, "same version"},
                    ExitCase{"Flood", "exec yes flood", ErrorCode::corrupt, "more than it can mean"},
                    ExitCase{"FloodOfErrors", "exec yes flood >&2", ErrorCode::corrupt, "more than it can mean"}),
    [](const auto& test_case) { return test_case.param.name; });

TEST(Inspect, StopsAtItsTimeLimit) {
    const TemporaryFolder folder;
    auto tools = tools_with(folder, "exec sleep 600");
    tools.inspection_limit = std::chrono::seconds{0};
    const auto error = error_of([&] { inspect(two_disks, tools, {}); });
    EXPECT_EQ(error.code(), ErrorCode::timeout);
    EXPECT_NE(error.advice().remedy.find("guest.inspection_limit_seconds"), std::string::npos);
}

TEST(Inspect, StopsWhenAsked) {
    const TemporaryFolder folder;
    std::stop_source stop;
    stop.request_stop();
    const auto error = error_of([&] { inspect(two_disks, tools_with(folder, "exec sleep 600"), stop.get_token()); });
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
}

TEST(Inspect, WithoutDisksIsRefused) {
    EXPECT_EQ(error_of([] { inspect({}, Tools{}, {}); }).code(), ErrorCode::invalid);
}

TEST(Inspect, AMissingInspectorIsNamed) {
    Tools tools;
    tools.inspector = "/nowhere/migratekit-inspect";
    const auto error = error_of([&] { inspect(two_disks, tools, {}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.advice().remedy.find("guest.inspector"), std::string::npos);
}

}  // namespace
}  // namespace mk::guest
