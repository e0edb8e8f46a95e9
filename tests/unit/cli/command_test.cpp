#include "cli/command.hpp"

#include <set>

#include <gtest/gtest.h>

#include "cli/commands.hpp"
#include "support/error_of.hpp"

namespace mk::cli {
namespace {

TEST(Commands, AreDescribedWhole) {
    std::set<std::string> words;
    for (const auto& command : all_commands()) {
        EXPECT_TRUE(words.insert(command.words).second) << command.words << " is there twice";
        EXPECT_TRUE(command.run) << command.words;
        EXPECT_TRUE(command.summary.ends_with('.')) << command.words;
        EXPECT_TRUE(command.example.starts_with("migratekit " + command.words)) << command.words;
        for (const auto& option : command.options) {
            EXPECT_TRUE(option.key().starts_with("--")) << command.words << " " << option.names;
            EXPECT_FALSE(option.help.empty()) << command.words << " " << option.names;
        }
    }
}

TEST(Commands, TakeNoSecretsAsArguments) {
    for (const auto& command : all_commands()) {
        for (const auto& option : command.options) {
            const auto key = option.key();
            const bool is_secret = key.find("password") != std::string::npos || key.find("key") != std::string::npos ||
                                   key.find("token") != std::string::npos;
            EXPECT_TRUE(!is_secret || option.value == "FILE" || option.value.empty()) << command.words << " " << key;
        }
    }
}

TEST(Commands, HaveNounsWithVerbs) {
    std::set<std::string> used;
    for (const auto& command : all_commands()) {
        if (const auto space = command.words.find(' '); space != std::string::npos) {
            used.insert(command.words.substr(0, space));
        }
    }
    std::set<std::string> described;
    for (const auto& noun : all_nouns()) {
        described.insert(noun.word);
    }
    EXPECT_EQ(used, described);
}

TEST(Help, BeginsWithAnExampleEverywhere) {
    const auto commands = all_commands();
    for (const auto& command : commands) {
        EXPECT_TRUE(help_text(commands, all_nouns(), command.words).starts_with("Example: " + command.example))
            << command.words;
    }
    for (const auto& noun : all_nouns()) {
        EXPECT_TRUE(help_text(commands, all_nouns(), noun.word).starts_with("Example: migratekit " + noun.word))
            << noun.word;
    }
    EXPECT_TRUE(help_text(commands, all_nouns(), "").starts_with("Example: "));
}

TEST(Help, NamesArgumentsAndOptions) {
    const auto text = help_text(all_commands(), all_nouns(), "failover finish");
    EXPECT_NE(text.find("Usage: migratekit failover finish VM --verdict VERDICT [options]"), std::string::npos) << text;
    EXPECT_NE(text.find("--note TEXT"), std::string::npos) << text;
    EXPECT_NE(text.find("--timeout TIME"), std::string::npos) << text;
}

TEST(Input, RefusesWhatTheCommandDoesNotDeclare) {
    Input input;
    input.set("--here", {});
    EXPECT_FALSE(input.has("--here"));
    EXPECT_EQ(input.text("--here"), "");
    EXPECT_EQ(test::code_of([&] { input.has("--there"); }), ErrorCode::internal);
}

}  // namespace
}  // namespace mk::cli
