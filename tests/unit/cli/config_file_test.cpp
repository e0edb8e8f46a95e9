#include "cli/config_file.hpp"

#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::cli {
namespace {

Environment environment_of(std::map<std::string, std::string> values) {
    return [values = std::move(values)](const char* name) {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
    };
}

Settings signed_in() {
    return {.url = "https://oma-1", .token = Secret("s\"e\\c\nret"), .certificate_sha256 = "AB:CD", .ca_file = {}};
}

TEST(ConfigFile, KeepsSettingsPrivately) {
    const test::TemporaryFolder folder;
    const auto path = folder / "deep/er/config.toml";

    save_settings(path, signed_in());
    const auto found = load_settings(path);

    EXPECT_EQ(found.url, "https://oma-1");
    EXPECT_EQ(found.token.reveal(), "s\"e\\c\nret");
    EXPECT_EQ(found.certificate_sha256, "AB:CD");
    struct stat facts{};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST(ConfigFile, IsEmptyWhenAbsent) {
    const test::TemporaryFolder folder;
    const auto found = load_settings(folder / "none.toml");
    EXPECT_TRUE(found.url.empty());
    EXPECT_EQ(test::code_of([&] { require_signed_in(found); }), ErrorCode::unauthenticated);
}

TEST(ConfigFile, RefusesAFileThatOthersCanRead) {
    const test::TemporaryFolder folder;
    const auto path = folder / "config.toml";
    save_settings(path, signed_in());
    std::filesystem::permissions(path, std::filesystem::perms::others_read, std::filesystem::perm_options::add);

    const auto error = test::error_of([&] { load_settings(path); });

    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.advice().remedy.find("chmod 600"), std::string::npos);
}

TEST(ConfigFile, RefusesKeysThatItDoesNotKnow) {
    const test::TemporaryFolder folder;
    const auto path = folder / "config.toml";
    save_settings(path, signed_in());
    std::ofstream(path, std::ios::app) << "tokn = \"x\"\n";
    EXPECT_EQ(test::code_of([&] { load_settings(path); }), ErrorCode::invalid);
}

TEST(ConfigFile, IsFoundByTheEnvironment) {
    EXPECT_EQ(config_path(environment_of({{"MIGRATEKIT_CONFIG", "/x/c.toml"}, {"HOME", "/h"}})), "/x/c.toml");
    EXPECT_EQ(config_path(environment_of({{"HOME", "/h"}})), "/h/.config/migratekit/config.toml");
    EXPECT_EQ(config_path(environment_of({{"HOME", "/h"}, {"XDG_CONFIG_HOME", "/c"}})), "/c/migratekit/config.toml");
    EXPECT_EQ(test::code_of([] { config_path(environment_of({})); }), ErrorCode::invalid);
}

TEST(ConfigFile, NeverUsesTheStoredTokenForAnotherAddress) {
    const auto other = with_environment(signed_in(), environment_of({{"MIGRATEKIT_URL", "https://elsewhere/"}}));
    EXPECT_EQ(other.url, "https://elsewhere");
    EXPECT_TRUE(other.token.empty());
    EXPECT_TRUE(other.certificate_sha256.empty());

    const auto same = with_environment(signed_in(), environment_of({{"MIGRATEKIT_URL", "https://oma-1/"}}));
    EXPECT_FALSE(same.token.empty());
    EXPECT_EQ(same.certificate_sha256, "AB:CD");
}

TEST(ConfigFile, LetsTheEnvironmentWin) {
    const auto found = with_environment(
        signed_in(), environment_of({{"MIGRATEKIT_TOKEN", "t2"}, {"MIGRATEKIT_CERTIFICATE_SHA256", "EF"}}));
    EXPECT_EQ(found.url, "https://oma-1");
    EXPECT_EQ(found.token.reveal(), "t2");
    EXPECT_EQ(found.certificate_sha256, "EF");
}

TEST(ConfigFile, IsNotNeededWhereTheEnvironmentSaysAll) {
    const auto found = current_settings(environment_of({{"MIGRATEKIT_URL", "http://oma"}, {"MIGRATEKIT_TOKEN", "t"}}));
    EXPECT_EQ(found.url, "http://oma");
    EXPECT_NO_THROW(require_signed_in(found));
}

TEST(ConfigFile, KnowsAnAddressWhenItSeesOne) {
    EXPECT_EQ(normal_url("http://127.0.0.1:8080//"), "http://127.0.0.1:8080");
    for (const auto* url :
         {"", "oma-1", "ftp://oma-1", "https://", "https://user:pw@oma-1", "https://oma-1?x=1", "https://a b"}) {
        EXPECT_EQ(test::code_of([&] { normal_url(url); }), ErrorCode::invalid) << url;
    }
}

}  // namespace
}  // namespace mk::cli
