#include "target/guest/run_folder.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.hpp"
#include "os/process.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::guest {
namespace {

using mk::test::TemporaryFolder;

bool exists(const std::string& path) {
    return std::filesystem::exists(std::filesystem::symlink_status(path));
}

/// The processes that carry the mark, once there is one: a program that is just being started has no environment yet.
std::vector<pid_t> await_marked(const std::pair<std::string, std::string>& mark) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    auto found = marked_processes(mark);
    while (found.empty() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
        found = marked_processes(mark);
    }
    return found;
}

/// A run as a process leaves it that was killed: no process has such a number.
std::string a_dead_run(const TemporaryFolder& parent) {
    const auto path = parent / "migratekit-guest-999999999-12345-deadbeef";
    os::make_folders(path + "/libguestfs");
    return path;
}

TEST(RunFolder, IsPrivateAndGoneAfterwards) {
    const TemporaryFolder parent;
    std::string path;
    {
        const RunFolder folder(parent.path());
        path = folder.path();
        struct stat info{};
        ASSERT_EQ(::stat(path.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777U, 0700U);
        os::write_file_atomically(path + "/something", "left");
    }
    EXPECT_FALSE(exists(path));
}

TEST(RunFolder, APathWithoutRoomForSocketsIsRefused) {
    const TemporaryFolder parent;
    const auto error = mk::test::error_of([&] { const RunFolder folder(parent / std::string(100, 'x')); });
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.advice().remedy.find("guest.work_folder"), std::string::npos);
}

TEST(RunFolder, TwoRunsDoNotMeet) {
    const TemporaryFolder parent;
    const RunFolder first(parent.path());
    const RunFolder second(parent.path());
    EXPECT_NE(first.path(), second.path());
}

TEST(RunFolder, EndsProcessesThatCarryItsMark) {
    const TemporaryFolder parent;
    os::Command command;
    command.argv = {"sleep", "600"};
    std::optional<os::Child> child;
    {
        const RunFolder folder(parent.path());
        command.environment = {folder.mark()};
        child.emplace(os::Child::start(command));
        EXPECT_EQ(await_marked(folder.mark()), std::vector<pid_t>{child->pid()});
    }
    const auto exit = child->wait(std::chrono::seconds{60}, {});
    EXPECT_EQ(exit.signal, SIGKILL);
    EXPECT_FALSE(exit.timed_out);
}

TEST(RunFolder, SparesProcessesWithoutItsMark) {
    const TemporaryFolder parent;
    os::Command command;
    command.argv = {"sleep", "600"};
    command.environment = {{"MIGRATEKIT_GUEST_RUN", parent / "another"}};
    auto child = os::Child::start(command);
    {
        const RunFolder folder(parent.path());
    }
    EXPECT_EQ(await_marked(command.environment.front()), std::vector<pid_t>{child.pid()});
}

TEST(RunFolder, RemovesTheSocketsOfItsOwnQemuOnly) {
    const TemporaryFolder parent;
    std::string own = "/tmp/libguestfsXXXXXX";
    std::string others = "/tmp/libguestfsXXXXXX";
    ASSERT_NE(::mkdtemp(own.data()), nullptr);
    ASSERT_NE(::mkdtemp(others.data()), nullptr);
    {
        const RunFolder folder(parent.path());
        os::Command command;
        // The words of QEMU's command line; a shell that waits bears them.
        command.argv = {"sh", "-c", "echo ready; sleep 600; :", "socket,path=" + own + "/guestfsd.sock,id=channel0"};
        command.environment = {folder.mark()};
        auto child = os::Child::start(command);
        std::stop_source stop;
        child.wait(std::chrono::seconds{60}, stop.get_token(), [&](const std::string&) {
            folder.note_sockets();
            stop.request_stop();
        });
    }
    EXPECT_FALSE(exists(own));
    EXPECT_TRUE(exists(others));
    std::filesystem::remove_all(own);
    std::filesystem::remove_all(others);
}

TEST(Sweep, RemovesRunsOfDeadOwnersWithTheirProcesses) {
    const TemporaryFolder parent;
    const auto path = a_dead_run(parent);
    os::Command command;
    command.argv = {"setsid", "--wait", "sleep", "600"};
    command.environment = {{"MIGRATEKIT_GUEST_RUN", path}};
    auto child = os::Child::start(command);
    ASSERT_FALSE(await_marked(command.environment.front()).empty());
    EXPECT_EQ(sweep(parent.path()), 1U);
    EXPECT_FALSE(exists(path));
    EXPECT_FALSE(child.wait(std::chrono::seconds{60}, {}).timed_out);
}

TEST(Sweep, SparesRunsOfLivingOwners) {
    const TemporaryFolder parent;
    const RunFolder living(parent.path());
    EXPECT_EQ(sweep(parent.path()), 0U);
    EXPECT_TRUE(exists(living.path()));
}

TEST(Sweep, AProcessIdThatWasUsedAgainIsNotTheOwner) {
    const TemporaryFolder parent;
    os::make_folders(parent / ("migratekit-guest-" + std::to_string(::getpid()) + "-1-deadbeef"));
    EXPECT_EQ(sweep(parent.path()), 1U);
}

TEST(Sweep, TouchesNothingElse) {
    const TemporaryFolder parent;
    os::make_folders(parent / "libguestfsAbCdEf");
    os::make_folders(parent / "migratekit-guest-notes");
    os::write_file_atomically(parent / "migratekit-guest-999999999-1-deadbeef", "a file");
    std::filesystem::create_directory_symlink("/nowhere", parent / "migratekit-guest-999999999-2-deadbeef");
    EXPECT_EQ(sweep(parent.path()), 0U);
    EXPECT_TRUE(exists(parent / "libguestfsAbCdEf"));
    EXPECT_TRUE(exists(parent / "migratekit-guest-notes"));
    EXPECT_TRUE(exists(parent / "migratekit-guest-999999999-1-deadbeef"));
    EXPECT_TRUE(exists(parent / "migratekit-guest-999999999-2-deadbeef"));
}

TEST(Sweep, RemovesNotedSocketsOnlyWhereLibguestfsKeepsThem) {
    const TemporaryFolder parent;
    const auto path = a_dead_run(parent);
    const auto precious = parent / "precious";
    os::make_folders(precious);
    std::string sockets = "/tmp/libguestfsXXXXXX";
    ASSERT_NE(::mkdtemp(sockets.data()), nullptr);
    os::write_file_atomically(path + "/sockets", sockets + "\n" + precious + "\n/tmp/libguestfs/../..\n");
    EXPECT_EQ(sweep(parent.path()), 1U);
    EXPECT_FALSE(exists(sockets));
    EXPECT_TRUE(exists(precious));
}

TEST(Sweep, AMissingFolderHasNothingToSweep) {
    EXPECT_EQ(sweep("/nowhere/at/all"), 0U);
}

}  // namespace
}  // namespace mk::guest
