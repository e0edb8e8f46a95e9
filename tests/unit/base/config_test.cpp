#include "base/config.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk {
namespace {

using test::code_of;
using test::error_of;

const std::set<std::string> known{"name", "http.port", "http.tls.on", "ratio"};

TEST(Config, SectionsBecomeDottedKeys) {
    const Config config = Config::from_text("name = 'a'\nratio = 0.5\n[http]\nport = 8082\ntls.on = true\n", known);
    EXPECT_EQ(config.require("name"), "a");
    EXPECT_EQ(config.require("ratio"), "0.5");
    EXPECT_EQ(config.number("http.port", 0, 1, 65535), 8082);
    EXPECT_EQ(config.get("http.tls.on", ""), "true");
}

TEST(Config, AbsentKeysGiveTheFallback) {
    const Config config = Config::from_text("", known);
    EXPECT_EQ(config.find("name"), std::nullopt);
    EXPECT_EQ(config.get("name", "b"), "b");
    EXPECT_EQ(config.number("http.port", 80, 1, 65535), 80);
}

TEST(Config, MissingRequiredKeyIsNamedWithTheFile) {
    const Error error = error_of([] { Config::from_text("", known, "oma.toml").require("name"); });
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.cause().find("oma.toml"), std::string::npos);
    EXPECT_NE(error.cause().find("'name'"), std::string::npos);
}

TEST(Config, AllUnknownKeysAreNamedWithTheirLines) {
    const Error error =
        error_of([] { Config::from_text("nmae = 'a'\n[http]\nprot = 1\nport = 2\n", known, "oma.toml"); });
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.cause().find("'nmae' (line 1)"), std::string::npos) << error.cause();
    EXPECT_NE(error.cause().find("'http.prot' (line 3)"), std::string::npos) << error.cause();
    EXPECT_EQ(error.cause().find("http.port"), std::string::npos);
}

TEST(Config, SyntaxErrorNamesFileLineAndColumn) {
    const Error error = error_of([] { Config::from_text("name = 'a'\nname = \n", known, "oma.toml"); });
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(error.cause().find("oma.toml, line 2, column"), std::string::npos) << error.cause();
}

TEST(Config, ListsAndDatesAreRefused) {
    EXPECT_EQ(code_of([] { Config::from_text("name = ['a']", known); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([] { Config::from_text("name = 2026-01-01", known); }), ErrorCode::invalid);
}

TEST(Config, NumberOutOfBoundsOrOfAnotherKindIsRefused) {
    for (const char* text : {"[http]\nport = 0", "[http]\nport = 65536", "[http]\nport = 'x'", "[http]\nport = 1.5",
                             "[http]\nport = ''", "[http]\nport = '80 '"}) {
        const Config config = Config::from_text(text, known);
        EXPECT_EQ(code_of([&] { config.number("http.port", 80, 1, 65535); }), ErrorCode::invalid) << text;
    }
    EXPECT_EQ(Config::from_text("[http]\nport = 65535", known).number("http.port", 80, 1, 65535), 65535);
}

TEST(Config, FilesAreLoadedAndUnreadableOnesNamed) {
    const test::TemporaryFolder folder;
    std::ofstream(folder / "a.toml") << "name = 'a'\n";
    std::ofstream(folder / "empty.toml").flush();
    EXPECT_EQ(Config::load(folder / "a.toml", known).require("name"), "a");
    EXPECT_EQ(Config::load(folder / "empty.toml", known).find("name"), std::nullopt);
    for (const std::string& path : {folder / "absent.toml", folder.path()}) {
        const Error error = error_of([&] { Config::load(path, known); });
        EXPECT_EQ(error.code(), ErrorCode::invalid);
        EXPECT_NE(error.cause().find(path), std::string::npos);
    }
}

}  // namespace
}  // namespace mk
