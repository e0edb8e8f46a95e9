#include "os/process_input.hpp"

#include <csignal>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "base/retry.hpp"
#include "os/process.hpp"
#include "support/error_of.hpp"

namespace mk::os {
namespace {

using namespace std::chrono_literals;

constexpr auto plenty = 5min;

using Lines = std::vector<std::string>;

Child talking(const std::string& script, const std::string& input = "") {
    return Child::start({.argv = {"/bin/sh", "-c", script}, .input = input, .keeps_input_open = true});
}

TEST(ProcessInput, LinesFollowTheFirstInputWhileTheChildRuns) {
    Child child = talking("while read -r line; do echo \"got $line\"; done", "order\n");
    ProcessInput input = child.input();
    Lines lines;
    const Exit exit = child.wait(plenty, {}, [&](const std::string& line) {
        lines.push_back(line);
        if (lines.size() <= 2) {
            EXPECT_TRUE(input.write_line("line " + std::to_string(lines.size())));
        } else {
            input.close();
        }
    });
    EXPECT_EQ(lines, (Lines{"got order", "got line 1", "got line 2"}));
    EXPECT_TRUE(exit.ok());
}

TEST(ProcessInput, AnotherThreadMayWriteWhileTheOwnerWaits) {
    Child child = talking("echo ready; for i in 1 2 3 4; do read -r line; echo \"$line\"; done");
    ProcessInput input = child.input();
    Lines lines;
    std::vector<std::jthread> writers;
    child.wait(plenty, {}, [&](const std::string& line) {
        lines.push_back(line);
        if (line == "ready") {
            for (int i = 0; i < 4; ++i) {
                writers.emplace_back([&input] { EXPECT_TRUE(input.write_line("a line of its own")); });
            }
        }
    });
    EXPECT_EQ(lines,
              (Lines{"ready", "a line of its own", "a line of its own", "a line of its own", "a line of its own"}));
}

TEST(ProcessInput, AChildThatDoesNotReadBlocksNobodyAndEndsAsUsual) {
    Child child = talking("echo ready; exec sleep 1000", std::string(2 * MiB, 'x'));
    ProcessInput input = child.input();
    const std::string line(100 * KiB, 'y');
    int taken = 0;
    std::stop_source stop;
    const Exit exit = child.wait(plenty, stop.get_token(), [&](const std::string&) {
        EXPECT_FALSE(input.write_line(line)) << "more than 1 MiB is unread";
        ++taken;
        stop.request_stop();
    });
    EXPECT_EQ(taken, 1);
    EXPECT_TRUE(exit.stopped);
}

TEST(ProcessInput, WhatAChildNeverReadsIsBounded) {
    Child child = talking("exec sleep 1000");
    ProcessInput input = child.input();
    const std::string line(100 * KiB, 'y');
    int taken = 0;
    while (taken < 100 && input.write_line(line)) {
        ++taken;
    }
    EXPECT_EQ(taken, 10);
    child.stop();
}

TEST(ProcessInput, WritingToAChildThatClosedItsInputRaisesNothing) {
    const auto handler = std::signal(SIGPIPE, SIG_DFL);  // a SIGPIPE would end this test
    Child child = talking("exec <&-; exec sleep 1000");
    ProcessInput input = child.input();
    const auto is_refused = [&] {
        child.poll();
        return !input.write_line("nobody reads this");
    };
    wait_until(is_refused, 1ms, plenty, {}, "the end of its input");
    std::signal(SIGPIPE, handler);
    child.stop();
    EXPECT_EQ(child.poll()->signal, SIGTERM);
}

TEST(ProcessInput, OutlivesTheChild) {
    std::unique_ptr<ProcessInput> input;
    {
        Child child = talking("read -r line");
        input = std::make_unique<ProcessInput>(child.input());
        EXPECT_TRUE(input->write_line("go"));
        EXPECT_TRUE(child.wait(plenty, {}).ok());
    }
    EXPECT_FALSE(input->write_line("late"));
    input->close();
}

TEST(ProcessInput, MuchIsReadToItsEnd) {
    Child child = talking("wc -c", std::string(3 * MiB, 'x'));
    child.input().close();
    Lines lines;
    child.wait(plenty, {}, [&](const std::string& line) { lines.push_back(line); });
    EXPECT_EQ(lines, Lines{std::to_string(3 * MiB)});
}

TEST(ProcessInput, WithoutAnOpenInputEveryLineIsDropped) {
    Child child = Child::start({.argv = {"cat"}, .input = "given\n"});
    EXPECT_FALSE(child.input().write_line("more"));
    Lines lines;
    child.wait(plenty, {}, [&](const std::string& line) { lines.push_back(line); });
    EXPECT_EQ(lines, Lines{"given"});
}

TEST(ProcessInput, ALineIsOneLine) {
    Child child = talking("exec cat");
    EXPECT_EQ(test::code_of([&] { child.input().write_line("one\ntwo"); }), ErrorCode::internal);
    child.stop();
}

}  // namespace
}  // namespace mk::os
