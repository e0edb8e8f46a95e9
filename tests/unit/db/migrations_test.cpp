#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "db/database.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::db {
namespace {

using test::code_of;
using test::error_of;

constexpr const char* first =
    "-- The first; with a comment.\nCREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY);\nINSERT INTO a (id) VALUES (1);\n";
constexpr const char* second = "INSERT INTO a (id) VALUES (2);\n";

class Migrations : public testing::Test {
  protected:
    void SetUp() override { std::filesystem::create_directory(files); }
    void write(const std::string& name, const std::string& text) const { std::ofstream(files + "/" + name) << text; }
    void migrate() const { db::migrate(*database, files); }
    std::int64_t count(const std::string& table) const {
        return database->query_one("SELECT COUNT(*) AS n FROM " + table)->number("n");
    }

    test::TemporaryFolder folder;
    std::string files = folder / "migrations";
    std::shared_ptr<Database> database = Database::open("sqlite:" + (folder / "a.db"));
};

TEST_F(Migrations, AreAppliedInOrderOnceAndRecorded) {
    write("0002_more.sql", second);
    write("0001_first.sql", first);
    write("README.md", "not a migration");
    migrate();
    migrate();
    EXPECT_EQ(count("a"), 2);
    const auto rows =
        database->query("SELECT version, name, checksum, applied_ms FROM schema_migrations ORDER BY version");
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].number("version"), 1);
    EXPECT_EQ(rows[0].text("name"), "0001_first.sql");
    EXPECT_EQ(rows[0].text("checksum"), sha256_hex(first));
    EXPECT_GT(rows[1].number("applied_ms"), 0);
}

TEST_F(Migrations, NewFilesAreAppliedLater) {
    write("0001_first.sql", first);
    migrate();
    write("0002_more.sql", second);
    migrate();
    EXPECT_EQ(count("a"), 2);
}

TEST_F(Migrations, ChangedFileIsCorruptAndNothingHappens) {
    write("0001_first.sql", first);
    migrate();
    write("0001_first.sql", std::string(first) + "\n");
    write("0002_more.sql", second);
    const Error error = error_of([&] { migrate(); });
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_NE(error.cause().find("0001_first.sql"), std::string::npos);
    EXPECT_EQ(count("a"), 1);
}

TEST_F(Migrations, FailingFileLeavesNoTraceAndCanBeCorrected) {
    write("0001_first.sql", std::string(first) + "INSERT INTO absent (id) VALUES (1);\n");
    const Error error = error_of([&] { migrate(); });
    EXPECT_NE(error.cause().find("0001_first.sql"), std::string::npos);
    EXPECT_EQ(count("schema_migrations"), 0);
    write("0001_first.sql", first);
    migrate();
    EXPECT_EQ(count("a"), 1);
}

TEST_F(Migrations, SeveralProcessesMayMigrateAtOnce) {
    write("0001_first.sql", first);
    write("0002_more.sql", second);
    std::latch start(6);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 6; ++i) {
            threads.emplace_back([&] {
                const auto mine = Database::open("sqlite:" + (folder / "a.db"));
                start.arrive_and_wait();
                EXPECT_NO_THROW(db::migrate(*mine, files));
            });
        }
    }
    EXPECT_EQ(count("a"), 2);
    EXPECT_EQ(count("schema_migrations"), 2);
}

TEST_F(Migrations, OlderProgramDoesNotTouchANewerDatabase) {
    write("0001_first.sql", first);
    write("0002_more.sql", second);
    migrate();
    std::filesystem::remove(files + "/0002_more.sql");
    EXPECT_EQ(code_of([&] { migrate(); }), ErrorCode::conflict);
}

TEST_F(Migrations, BadFilesAreRefusedBeforeAnythingHappens) {
    write("0001_first.sql", first);
    write("two.sql", second);
    EXPECT_EQ(code_of([&] { migrate(); }), ErrorCode::invalid);
    std::filesystem::remove(files + "/two.sql");
    write("0001_again.sql", second);
    EXPECT_EQ(code_of([&] { migrate(); }), ErrorCode::invalid);
    EXPECT_EQ(database->query("SELECT name FROM sqlite_master").size(), 0U);
}

TEST_F(Migrations, UnportableTypesAreRefused) {
    for (const char* type : {"INTEGER", "INT", "BOOLEAN", "DATETIME", "BLOB", "JSON"}) {
        write("0001_first.sql", std::string("CREATE TABLE a (x ") + type + ");");
        const Error error = error_of([&] { migrate(); });
        EXPECT_EQ(error.code(), ErrorCode::invalid);
        EXPECT_NE(error.cause().find(type), std::string::npos);
    }
}

TEST_F(Migrations, MissingOrEmptyFolderIsNotFound) {
    EXPECT_EQ(code_of([&] { migrate(); }), ErrorCode::not_found);
    EXPECT_EQ(code_of([&] { db::migrate(*database, folder / "absent"); }), ErrorCode::not_found);
}

TEST_F(Migrations, TheProductsOwnApplyToANewDatabase) {
    const std::string own = MK_SOURCE_DIR "/migrations";
    db::migrate(*database, own);
    db::migrate(*database, own);
    EXPECT_GT(count("schema_migrations"), 0);
}

}  // namespace
}  // namespace mk::db
