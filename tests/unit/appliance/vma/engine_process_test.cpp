// A script stands for the engine: what it is given, what of its words is kept.
#include "appliance/vma/engine_process.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/secret.hpp"
#include "os/file.hpp"

namespace mk::vma {
namespace {

using testing::HasSubstr;
using testing::Not;

class EngineScript : public testing::Test {
  protected:
    EngineScript() : folder(std::filesystem::temp_directory_path() / ("mk-engine-" + random_hex(6))) {
        os::make_folders(folder);
        options.program = folder + "/engine";
        options.appliance_id = "site-1";
        options.log_folder = folder;
    }
    ~EngineScript() override { std::filesystem::remove_all(folder); }

    using OnLine = std::function<void(const std::string& line, const CommandLine& send)>;

    /// Runs `script` as the engine of job "7" and returns the lines of its stdout.
    std::vector<std::string> run(const std::string& script, const OnLine& on_line = {}) {
        os::write_file_atomically(options.program, "#!/bin/sh\n" + script, 0700);
        std::vector<std::string> lines;
        CommandLine send;
        const auto on_event = [&](const std::string& line) {
            lines.push_back(line);
            if (on_line) {
                on_line(line, send);
            }
        };
        exit = EngineProcess(options).run(
            task, {.on_start = [&](CommandLine to_engine) { send = std::move(to_engine); }, .on_event = on_event}, {});
        sender = send;
        return lines;
    }
    std::string log() const { return os::read_file(folder + "/7.log"); }

    std::string folder;
    EngineProcessOptions options;
    EngineTask task{.job = JobId{"7"}, .attempt = 1, .order = "order", .checkpoint_file = ""};
    EngineExit exit;
    CommandLine sender;  ///< of the engine that ran last
};

TEST_F(EngineScript, TheOrderIsReadFromStdinAndStandsInNoArgument) {
    task.order = "the password";
    const auto lines = run("read -r order; echo \"$order\"; printf '%s ' \"$@\"");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0], "the password");
    EXPECT_THAT(lines[1], testing::MatchesRegex("--parent [0-9]+ --appliance-id site-1 "));
    EXPECT_THAT(log(), Not(HasSubstr("password")));
}

TEST_F(EngineScript, TheFolderOfVddkIsHandedOn) {
    options.vddk_library_folder = "/opt/vddk 8";
    const auto lines = run("printf '%s\\n' \"$@\"");
    EXPECT_THAT(lines, testing::Contains("--vddk-library-folder"));
    EXPECT_EQ(lines.back(), "/opt/vddk 8");
}

TEST_F(EngineScript, CommandsReachItWhileItRuns) {
    const auto lines = run("read -r order; echo ready; read -r one; echo \"$one\"; read -r two; echo \"$two\"",
                           [](const std::string& line, const CommandLine& send) {
                               if (line == "ready") {
                                   EXPECT_TRUE(send("first"));
                                   EXPECT_TRUE(send("second"));
                               }
                           });
    EXPECT_EQ(lines, (std::vector<std::string>{"ready", "first", "second"}));
    EXPECT_FALSE(sender("after its end"));
}

TEST_F(EngineScript, AnEngineThatListensToNobodyEndsAsUsual) {
    run("exec <&-; echo ready; exit 3", [](const std::string&, const CommandLine& send) { send("unheard"); });
    EXPECT_EQ(exit.code, 3);
}

TEST_F(EngineScript, CheckpointAndTunnelAreNamedWhenThereAreAny) {
    EXPECT_THAT(run("printf '%s\\n' \"$@\""),
                Not(testing::AnyOf(testing::Contains("--checkpoint"), testing::Contains("--tunnel-folder"))));
    options.tunnel_folder = "/var/lib/tunnel x";
    task.checkpoint_file = "/state/checkpoints/50 00.jsonl";
    EXPECT_THAT(run("printf '%s\\n' \"$@\""),
                testing::IsSupersetOf(
                    {"--tunnel-folder", "/var/lib/tunnel x", "--checkpoint", "/state/checkpoints/50 00.jsonl"}));
}

TEST_F(EngineScript, TheLogOfTheAttemptBeforeIsKept) {
    run("echo first >&2");
    task.attempt = 2;
    run("echo second >&2");
    EXPECT_EQ(log(), "second\n");
    EXPECT_EQ(os::read_file(folder + "/7.log.1"), "first\n");
    task.attempt = 3;
    run("echo third >&2");
    EXPECT_EQ(log(), "third\n");
    EXPECT_EQ(os::read_file(folder + "/7.log.1"), "second\n");
}

TEST_F(EngineScript, ItsLogIsKeptForItsOwnerAndItsLastWordsForTheError) {
    run("echo first >&2; echo last >&2; exit 3");
    EXPECT_EQ(exit.code, 3);
    EXPECT_EQ(exit.last_output, "last");
    EXPECT_EQ(log(), "first\nlast\n");
    struct stat facts{};
    ASSERT_EQ(::stat((folder + "/7.log").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(EngineScript, ATalkativeEngineDoesNotFillTheDisk) {
    options.longest_log = 1000;
    run("for i in $(seq 500); do echo 0123456789 >&2; done; echo end >&2");
    EXPECT_LT(log().size(), 1100U);
    EXPECT_THAT(log(), HasSubstr("is not kept"));
    EXPECT_EQ(exit.last_output, "end");
}

TEST_F(EngineScript, ALogThatCannotBeWrittenDoesNotEndTheCopy) {
    os::make_folders(folder + "/7.log");
    EXPECT_EQ(run("echo said; echo x >&2").size(), 1U);
    EXPECT_EQ(exit.code, 0);
    EXPECT_EQ(exit.last_output, "x");
}

}  // namespace
}  // namespace mk::vma
