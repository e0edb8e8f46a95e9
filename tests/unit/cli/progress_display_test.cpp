#include "cli/progress_display.hpp"

#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"

namespace mk::cli {
namespace {

Json step(int order, const char* name, const char* status, const Json& detail = nullptr) {
    const bool ended = std::string(status) != "running" && std::string(status) != "pending";
    return {{"order", order},
            {"name", name},
            {"title", std::string("Do ") + name},
            {"status", status},
            {"detail", detail},
            {"error", nullptr},
            {"started_at", std::string(status) == "pending" ? Json(nullptr) : Json("2026-01-01T00:00:00.000Z")},
            {"completed_at", ended ? Json("2026-01-01T00:00:05.000Z") : Json(nullptr)}};
}

Json job(const Json& first, const Json& second, Bytes done = 0) {
    return {{"job_id", "j"},
            {"machine", "app"},
            {"status", "running"},
            {"steps", {first, second}},
            {"replication", {{"bytes_total", 100 * MiB}, {"bytes_done", done}, {"disks", Json::array()}}}};
}

struct Screen {
    explicit Screen(Format format, bool redraws)
        : session({.format = format,
                   .terminal = {.error_is_terminal = redraws, .width = 60},
                   .environment = [](const char*) { return std::optional<std::string>(); }},
                  out, messages),
          display(make_progress_display(session)) {}
    std::ostringstream out;
    std::ostringstream messages;
    Session session;
    std::unique_ptr<ProgressDisplay> display;
};

TEST(ProgressDisplay, WritesOneLinePerStageAndTenthWithoutATerminal) {
    Screen screen(Format::table, false);
    screen.display->update({job(step(1, "prepare", "running"), step(2, "copy", "pending"))});
    screen.display->update({job(step(1, "prepare", "running"), step(2, "copy", "pending"))});
    for (const Bytes percent : {1U, 9U, 10U, 11U, 19U, 35U, 36U}) {
        screen.display->update(
            {job(step(1, "prepare", "completed"), step(2, "copy", "running", "Copying"), percent * MiB)});
    }

    EXPECT_EQ(screen.messages.str(),
              "[1/2] Do prepare\n"
              "[1/2] Do prepare                    5 s\n"
              "[2/2] Do copy                       Copying\n"
              "app        [##------------------]  10%  10.0/100.0 MiB\n"
              "app        [#######-------------]  35%  35.0/100.0 MiB\n");
    EXPECT_EQ(screen.out.str(), "");
}

TEST(ProgressDisplay, RedrawsOnATerminalAndLeavesFinishedStepsStanding) {
    Screen screen(Format::table, true);
    screen.display->update({job(step(1, "prepare", "completed"), step(2, "copy", "running"), 50 * MiB)});
    screen.messages.str("");
    screen.display->update({job(step(1, "prepare", "completed"), step(2, "copy", "running"), 60 * MiB)});
    EXPECT_EQ(screen.messages.str(), "\x1b[1A\x1b[2K\rapp        [############--------]  60%  60.0/100.0 MiB\n");
    screen.messages.str("");
    screen.display->finish();
    EXPECT_EQ(screen.messages.str(), "\x1b[1A\x1b[2K\r");
}

TEST(ProgressDisplay, NeverWrapsALine) {
    Screen screen(Format::table, true);
    screen.display->update({job(step(1, "prepare", "running", std::string(200, 'x')), step(2, "copy", "pending"))});
    std::istringstream lines(screen.messages.str());
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LT(line.size(), 61U);
    }
}

TEST(ProgressDisplay, WritesChangesAsJsonLines) {
    Screen screen(Format::json, true);
    const auto seen = job(step(1, "prepare", "running"), step(2, "copy", "pending"));
    screen.display->update({seen});
    screen.display->update({seen});
    screen.display->note("silence");

    EXPECT_EQ(screen.messages.str(), "");
    std::istringstream lines(screen.out.str());
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(json::parse(line), (Json{{"type", "progress"}, {"job", seen}}));
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(json::parse(line), (Json{{"type", "note"}, {"message", "silence"}}));
    EXPECT_FALSE(std::getline(lines, line));
}

}  // namespace
}  // namespace mk::cli
