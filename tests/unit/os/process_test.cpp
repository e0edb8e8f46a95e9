#include "os/process.hpp"

#include <cerrno>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.hpp"
#include "os/signals.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::os {
namespace {

using namespace std::chrono_literals;
using test::error_of;

constexpr auto plenty = 5min;

Command shell(const std::string& script) {
    return {.argv = {"/bin/sh", "-c", script}};
}

struct Captured {
    Exit exit;
    std::vector<std::string> out;
    std::vector<std::string> err;
};

Captured capture(const Command& command) {
    Captured captured;
    captured.exit = run(
        command, plenty, {}, [&](const std::string& line) { captured.out.push_back(line); },
        [&](const std::string& line) { captured.err.push_back(line); });
    return captured;
}

using Lines = std::vector<std::string>;

TEST(Process, BothOutputsArriveLineByLineAndTheStatusIsKnown) {
    const Captured captured = capture(shell("echo one; echo two >&2; printf three; exit 7"));
    EXPECT_EQ(captured.out, (Lines{"one", "three"}));
    EXPECT_EQ(captured.err, Lines{"two"});
    EXPECT_EQ(captured.exit.code, 7);
    EXPECT_FALSE(captured.exit.ok());
    EXPECT_FALSE(captured.exit.stopped);
    EXPECT_NE(captured.exit.output.find("two"), std::string::npos);
    EXPECT_TRUE(run(shell("exit 0"), plenty).ok());
}

TEST(Process, ArgumentsAreNotInterpreted) {
    EXPECT_EQ(capture({.argv = {"printf", "%s\\n", "a b", "$HOME", "*;'\""}}).out, (Lines{"a b", "$HOME", "*;'\""}));
}

TEST(Process, MissingProgramIsNotFoundAndNamed) {
    const Error error = error_of([] { run({.argv = {"mk-no-such-program"}}, plenty); });
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.cause().find("mk-no-such-program"), std::string::npos);
    EXPECT_FALSE(error.advice().remedy.empty());
    EXPECT_EQ(test::code_of([] { run({.argv = {"/etc/passwd"}}, plenty); }), ErrorCode::forbidden);
    EXPECT_EQ(test::code_of([] { run({}, plenty); }), ErrorCode::internal);
}

TEST(Process, InputIsReadToItsEnd) {
    EXPECT_EQ(capture({.argv = {"cat"}, .input = "one\ntwo\n"}).out, (Lines{"one", "two"}));
    EXPECT_EQ(capture({.argv = {"cat"}}).out, Lines{});
    const std::string much(3 * MiB, 'x');
    EXPECT_EQ(capture({.argv = {"wc", "-c"}, .input = much}).out, Lines{std::to_string(much.size())});
    EXPECT_TRUE(run({.argv = {"true"}, .input = much}, plenty).ok());
}

TEST(Process, FolderAndEnvironmentAreGiven) {
    const test::TemporaryFolder folder;
    Command command = shell("pwd; echo \"$MK_ADDED $PATH\"");
    command.folder = folder.path();
    command.environment = {{"MK_ADDED", "a b"}, {"PATH", "/bin"}};
    EXPECT_EQ(capture(command).out, (Lines{folder.path(), "a b /bin"}));
}

TEST(Process, ChildSeesOnlyItsThreeDescriptors) {
    const test::TemporaryFolder folder;
    const int leaking = ::open(folder.path().c_str(), O_RDONLY);  // without O_CLOEXEC, as a library might
    ASSERT_GE(leaking, 3);
    const Captured captured = capture({.argv = {"/bin/sh", "-c", "test -e /proc/self/fd/" + std::to_string(leaking)}});
    ::close(leaking);
    EXPECT_EQ(captured.exit.code, 1);
}

TEST(Process, ChildDoesNotInheritBlockedOrIgnoredSignals) {
    sigset_t before;
    ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
    block_termination_signals();
    const Captured captured = capture({.argv = {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}});
    EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
    ASSERT_EQ(captured.out.size(), 2U);
    for (const std::string& line : captured.out) {
        // 32 and 33 belong to the C library, which ignores them in every program that it spawns.
        const auto signals = std::stoull(line.substr(line.find('\t')), nullptr, 16);
        EXPECT_EQ(signals & 0x7fffffff, 0U) << line;
    }
}

TEST(Process, MuchOutputIsReadAndOnlyItsEndKept) {
    std::size_t lines = 0;
    const Exit exit = run(shell("i=0; while [ $i -lt 20000 ]; do echo \"line $i 0123456789\"; i=$((i+1)); done"),
                          plenty, {}, [&](const std::string&) { ++lines; });
    EXPECT_EQ(lines, 20'000U);
    EXPECT_LE(exit.output.size(), 64 * KiB);
    EXPECT_TRUE(exit.output.ends_with("line 19999 0123456789\n"));
}

TEST(Process, SignalThatEndedItIsKnown) {
    const Exit exit = run(shell("kill -9 $$"), plenty);
    EXPECT_EQ(exit.code, -1);
    EXPECT_EQ(exit.signal, SIGKILL);
    EXPECT_FALSE(exit.stopped);
}

TEST(Process, TimeLimitStopsIt) {
    const Exit exit = run({.argv = {"sleep", "1000"}}, 1ms);
    EXPECT_TRUE(exit.stopped);
    EXPECT_TRUE(exit.timed_out);
    EXPECT_EQ(exit.signal, SIGTERM);
    EXPECT_FALSE(exit.ok());
}

TEST(Process, StopRequestStopsItAndEverythingItStarted) {
    const test::TemporaryFolder folder;
    const std::string held = folder / "held";  // whoever lives has its writing end open
    ASSERT_EQ(::mkfifo(held.c_str(), 0600), 0);
    const Descriptor reader = open_file(held, O_RDONLY | O_NONBLOCK);
    std::stop_source source;
    const Exit exit = run(shell("exec 3>'" + held + "'; sleep 1000 & echo ready; wait"), plenty, source.get_token(),
                          [&](const std::string&) { source.request_stop(); });
    EXPECT_TRUE(exit.stopped);
    EXPECT_FALSE(exit.timed_out);
    pollfd event{reader.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&event, 1, 60'000), 1);
    EXPECT_EQ(event.revents, POLLHUP);
}

TEST(Process, StopWorksFromAnotherThread) {
    std::stop_source source;
    std::jthread stopper;
    const Exit exit = run(shell("echo ready; exec sleep 1000"), plenty, source.get_token(),
                          [&](const std::string&) { stopper = std::jthread([&] { source.request_stop(); }); });
    EXPECT_TRUE(exit.stopped);
}

TEST(Process, StubbornChildIsKilled) {
    Child child = Child::start(shell("trap '' TERM; echo ready; while :; do sleep 1000; done"));
    std::stop_source source;
    EXPECT_THROW(child.wait(plenty, source.get_token(), [](const std::string&) { throw std::runtime_error("ready"); }),
                 std::runtime_error);
    child.stop(1ms);
    const auto exit = child.poll();
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->signal, SIGKILL);
    EXPECT_TRUE(exit->stopped);
}

TEST(Process, DestructionEndsTheChild) {
    int pid = 0;
    {
        const Child child = Child::start({.argv = {"sleep", "1000"}});
        pid = child.pid();
        EXPECT_EQ(::getpgid(pid), pid);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST(Process, AssignmentEndsTheChildThatIsReplaced) {
    Child child = Child::start({.argv = {"sleep", "1000"}});
    const int first = child.pid();
    child = Child::start({.argv = {"true"}});
    EXPECT_EQ(::kill(first, 0), -1);
    EXPECT_TRUE(child.wait(plenty, {}).ok());
    EXPECT_TRUE(child.wait(plenty, {}).ok());
}

TEST(Process, PollTellsWhetherItRuns) {
    Child child = Child::start({.argv = {"sleep", "1000"}});
    EXPECT_EQ(child.poll(), std::nullopt);
    child.stop();
    ASSERT_TRUE(child.poll());
    EXPECT_TRUE(child.poll()->stopped);
}

TEST(Process, DaemonThatKeepsTheOutputOpenDoesNotDelayTheEnd) {
    const Captured captured = capture(shell("setsid sleep 1000 & echo $!"));
    EXPECT_TRUE(captured.exit.ok());
    ASSERT_EQ(captured.out.size(), 1U);
    EXPECT_EQ(::kill(std::stoi(captured.out.front()), SIGKILL), 0);
}

TEST(Process, InstalledProgramsAreFoundInPath) {
    EXPECT_TRUE(is_installed("sh"));
    EXPECT_TRUE(is_installed("/bin/sh"));
    EXPECT_FALSE(is_installed("mk-no-such-program"));
    EXPECT_FALSE(is_installed("/etc/passwd"));
    EXPECT_FALSE(is_installed("/bin"));
}

}  // namespace
}  // namespace mk::os
