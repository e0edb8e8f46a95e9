#include "db/database.hpp"

#include <fstream>
#include <latch>
#include <limits>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::db {
namespace {

using test::code_of;
using test::error_of;

constexpr const char* create_disks = R"(
CREATE TABLE disks (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    machine VARCHAR(64) REFERENCES machines (id) ON DELETE CASCADE,
    label TEXT,
    capacity_bytes BIGINT,
    is_boot SMALLINT,
    ratio DOUBLE PRECISION
))";
constexpr const char* insert_disk = "INSERT INTO disks (id, capacity_bytes) VALUES (:id, :capacity)";
constexpr const char* count_disks = "SELECT COUNT(*) AS n FROM disks";

class DatabaseTest : public testing::Test {
  protected:
    void SetUp() override {
        database->execute("CREATE TABLE machines (id VARCHAR(64) NOT NULL PRIMARY KEY)");
        database->execute(create_disks);
    }
    std::int64_t count() const { return database->query_one(count_disks)->number("n"); }
    std::shared_ptr<Database> another() const { return Database::open(url); }

    test::TemporaryFolder folder;
    std::string url = "sqlite:" + (folder / "with space=1.db");
    std::shared_ptr<Database> database = Database::open(url);
};

TEST_F(DatabaseTest, EveryKindOfValueComesBackAsItWas) {
    const std::string odd = std::string("ü'\":name;--\n\0x", 14);
    database->execute("INSERT INTO disks VALUES (:id, :machine, :label, :capacity, :boot, :ratio)",
                      {{"id", "d1"},
                       {"machine", nullptr},
                       {"label", odd},
                       {"capacity", std::numeric_limits<std::int64_t>::max()},
                       {"boot", std::int64_t{1}},
                       {"ratio", 0.1}});
    const auto row = database->query_one("SELECT * FROM disks");
    ASSERT_TRUE(row);
    EXPECT_EQ(row->text("id"), "d1");
    EXPECT_TRUE(row->is_null("machine"));
    EXPECT_EQ(row->text("label"), odd);
    EXPECT_EQ(row->number("capacity_bytes"), std::numeric_limits<std::int64_t>::max());
    EXPECT_TRUE(row->flag("is_boot"));
    EXPECT_EQ(row->real("ratio"), 0.1);
}

TEST_F(DatabaseTest, ExpressionColumnsAreNumbers) {
    database->execute(insert_disk, {{"id", "d1"}, {"capacity", std::int64_t{3'000'000'000'000}}});
    database->execute(insert_disk, {{"id", "d2"}, {"capacity", std::int64_t{1}}});
    const auto row =
        database->query_one("SELECT COUNT(*) AS n, MAX(capacity_bytes) AS m, SUM(capacity_bytes) AS s FROM disks");
    EXPECT_EQ(row->number("n"), 2);
    EXPECT_EQ(row->number("m"), 3'000'000'000'000);
    EXPECT_EQ(row->number("s"), 3'000'000'000'001);
    EXPECT_EQ(database->query_one("SELECT MAX(capacity_bytes) AS m FROM disks WHERE id = 'x'")->number_or_null("m"),
              std::nullopt);
}

TEST_F(DatabaseTest, NoRowsAreNoRows) {
    EXPECT_TRUE(database->query("SELECT * FROM disks").empty());
    EXPECT_EQ(database->query_one("SELECT * FROM disks"), std::nullopt);
}

TEST_F(DatabaseTest, AParameterMayBeUsedTwice) {
    database->execute("INSERT INTO disks (id, label) VALUES (:id, :id)", {{"id", "d1"}});
    EXPECT_EQ(database->query_one("SELECT label FROM disks WHERE id = :x OR label = :x", {{"x", "d1"}})->text("label"),
              "d1");
}

TEST_F(DatabaseTest, AffectedRowsAreTheMatchedOnes) {
    database->execute(insert_disk, {{"id", "d1"}, {"capacity", std::int64_t{1}}});
    database->execute(insert_disk, {{"id", "d2"}, {"capacity", std::int64_t{1}}});
    EXPECT_EQ(database->execute("UPDATE disks SET capacity_bytes = 1"), 2);
    EXPECT_EQ(database->execute("UPDATE disks SET capacity_bytes = 2 WHERE id = 'x'"), 0);
    EXPECT_EQ(database->execute("DELETE FROM disks WHERE id = :id", {{"id", "d1"}}), 1);
}

TEST_F(DatabaseTest, ReturningGivesTheNewRow) {
    database->transact([&](Session& session) {
        const auto row =
            session.query_one("INSERT INTO disks (id, capacity_bytes) VALUES ('d1', 7) RETURNING id, capacity_bytes");
        ASSERT_TRUE(row);
        EXPECT_EQ(row->text("id"), "d1");
        EXPECT_EQ(row->number("capacity_bytes"), 7);
    });
    EXPECT_EQ(count(), 1);
}

TEST_F(DatabaseTest, ConstraintsAreConflicts) {
    database->execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
    EXPECT_EQ(code_of([&] { database->execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}}); }),
              ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { database->execute(insert_disk, {{"id", nullptr}, {"capacity", nullptr}}); }),
              ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { database->execute("INSERT INTO disks (id, machine) VALUES ('d2', 'absent')"); }),
              ErrorCode::conflict);
    EXPECT_EQ(count(), 1);
}

TEST_F(DatabaseTest, ForeignKeysHoldInEverySession) {
    database->execute("INSERT INTO machines (id) VALUES ('m1')");
    database->execute("INSERT INTO disks (id, machine) VALUES ('d1', 'm1')");
    another()->execute("DELETE FROM machines");
    EXPECT_EQ(count(), 0);
}

TEST_F(DatabaseTest, MistakesInStatementsAreInternal) {
    EXPECT_EQ(code_of([&] { database->query("SELEKT 1"); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { database->query("SELECT nothing FROM disks"); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { database->execute("DELETE FROM disks; DELETE FROM machines"); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { database->query("SELECT * FROM disks WHERE id = :id"); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { database->query("SELECT * FROM disks", {{"id", "d1"}}); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { database->query("SELECT * FROM disks WHERE id = :id", {{"other", "d1"}}); }),
              ErrorCode::internal);
}

TEST_F(DatabaseTest, MessagesDoNotContainValues) {
    database->execute(insert_disk, {{"id", "hunter2"}, {"capacity", nullptr}});
    const Error error = error_of([&] { database->execute(insert_disk, {{"id", "hunter2"}, {"capacity", nullptr}}); });
    EXPECT_EQ(error.full_text().find("hunter2"), std::string::npos) << error.full_text();
}

TEST_F(DatabaseTest, TransactionIsStoredWholeOrNotAtAll) {
    EXPECT_THROW(database->transact([](Session& session) {
        session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
        throw std::runtime_error("defect");
    }),
                 std::runtime_error);
    EXPECT_EQ(count(), 0);
    database->transact([](Session& session) {
        session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
        session.execute(insert_disk, {{"id", "d2"}, {"capacity", nullptr}});
        EXPECT_EQ(session.query_one(count_disks)->number("n"), 2);
    });
    EXPECT_EQ(count(), 2);
}

TEST_F(DatabaseTest, TransactionGoesOnAfterAConflictThatWasHandled) {
    database->transact([](Session& session) {
        session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
        EXPECT_EQ(code_of([&] { session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}}); }),
                  ErrorCode::conflict);
        session.execute(insert_disk, {{"id", "d2"}, {"capacity", nullptr}});
    });
    EXPECT_EQ(count(), 2);
}

TEST_F(DatabaseTest, ErrorsOfTheWorkItselfAreNotRepeated) {
    int runs = 0;
    EXPECT_EQ(code_of([&] {
                  database->transact([&](Session&) {
                      ++runs;
                      throw Error(ErrorCode::unavailable, "a peer is away");
                  });
              }),
              ErrorCode::unavailable);
    EXPECT_EQ(runs, 1);
}

TEST_F(DatabaseTest, LockConflictRepeatsTheWork) {
    int runs = 0;
    database->transact([&](Session& session) {
        session.execute(insert_disk, {{"id", "d" + std::to_string(runs)}, {"capacity", nullptr}});
        if (++runs < 3) {
            throw Error(ErrorCode::unavailable, "database is locked").with_native("sqlite 5");
        }
    });
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(count(), 1);
}

TEST_F(DatabaseTest, WritingBesideTheRunningTransactionIsADefect) {
    database->transact([&](Session& session) {
        session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
        EXPECT_EQ(code_of([&] { database->execute("DELETE FROM disks"); }), ErrorCode::internal);
        EXPECT_EQ(count(), 0);  // reading is possible and sees what was committed
    });
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(database->execute("DELETE FROM disks"), 1);
}

// The read-then-write that loses updates with deferred transactions. Two Database objects stand for two processes.
TEST_F(DatabaseTest, ConcurrentReadThenWriteLosesNothing) {
    database->execute(insert_disk, {{"id", "d1"}, {"capacity", std::int64_t{0}}});
    constexpr int rounds = 25;
    const auto other = another();
    std::latch start(4);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&, mine = i % 2 == 0 ? database : other] {
                start.arrive_and_wait();
                for (int round = 0; round < rounds; ++round) {
                    mine->transact([](Session& session) {
                        const auto now = session.query_one("SELECT capacity_bytes AS n FROM disks")->number("n");
                        session.execute("UPDATE disks SET capacity_bytes = :n", {{"n", now + 1}});
                    });
                }
            });
        }
    }
    EXPECT_EQ(database->query_one("SELECT capacity_bytes AS n FROM disks")->number("n"), 4 * rounds);
}

TEST_F(DatabaseTest, MoreThreadsThanConnectionsTakeTurns) {
    std::latch start(20);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 20; ++i) {
            threads.emplace_back([&, i] {
                start.arrive_and_wait();
                database->execute(insert_disk, {{"id", "d" + std::to_string(i)}, {"capacity", nullptr}});
                database->query(count_disks);
            });
        }
    }
    EXPECT_EQ(count(), 20);
}

TEST_F(DatabaseTest, ReaderIsNotBlockedByAWriter) {
    database->transact([&](Session& session) {
        session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
        EXPECT_EQ(another()->query_one(count_disks)->number("n"), 0);
    });
}

TEST_F(DatabaseTest, FullDatabaseIsExhaustedAndTheTransactionIsGone) {
    database->execute("CREATE TABLE pages (content TEXT)");
    const Error error = error_of([&] {
        database->transact([](Session& session) {
            session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
            session.execute("PRAGMA max_page_count=1");  // cannot be below the present size: no page can be added
            session.execute("INSERT INTO pages (content) VALUES (:text)", {{"text", std::string(1'000'000, 'x')}});
        });
    });
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_EQ(count(), 0);
}

TEST_F(DatabaseTest, FileIsPrivateAndSurvivesReopening) {
    database->execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
    struct stat info{};
    for (const char* suffix : {"", "-wal"}) {
        ASSERT_EQ(::stat((url.substr(7) + suffix).c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600U);
    }
    database.reset();
    database = another();
    EXPECT_EQ(count(), 1);
}

// POSIX locks of a process vanish when it closes any descriptor of the file. Without its lock another process believes
// to be the last user and removes the log that this one writes to.
TEST_F(DatabaseTest, OpeningMoreConnectionsKeepsTheLocksOnTheFile) {
    database->transact([&](Session& session) {
        session.execute(insert_disk, {{"id", "d1"}, {"capacity", nullptr}});
        std::jthread reader([&] { database->query(count_disks); });  // takes a second connection
        reader.join();
        const int fd = ::open(url.substr(7).c_str(), O_RDWR | O_CLOEXEC);
        ASSERT_GE(fd, 0);
        struct flock lock{};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        lock.l_start = 0x40000002;  // SQLite's "shared" bytes
        lock.l_len = 510;
        EXPECT_EQ(::fcntl(fd, F_OFD_GETLK, &lock), 0);
        EXPECT_EQ(lock.l_type, F_RDLCK);
        ::close(fd);
    });
}

TEST(OpenDatabase, ManyProcessesMayOpenANewFileAtOnce) {
    const test::TemporaryFolder folder;
    std::latch start(8);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            start.arrive_and_wait();
            EXPECT_NO_THROW(Database::open("sqlite:" + (folder / "new.db"))->query("SELECT 1 AS one"));
        });
    }
}

TEST(OpenDatabase, WrongAddressesAreInvalid) {
    for (const char* url : {"", "sqlite:", "sqlite::memory:", "mysql://root:hunter2@db", "/path"}) {
        const Error error = error_of([&] { Database::open(url); });
        EXPECT_EQ(error.code(), ErrorCode::invalid) << url;
        EXPECT_EQ(error.full_text().find("hunter2"), std::string::npos);
    }
}

TEST(OpenDatabase, MissingFolderIsUnavailableAndNamed) {
    const Error error = error_of([] { Database::open("sqlite:/nonexistent/folder/a.db"); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("/nonexistent/folder/a.db"), std::string::npos);
}

TEST(OpenDatabase, ForeignFileIsInvalidAndLeftAlone) {
    const test::TemporaryFolder folder;
    const std::string text(5000, 'x');
    std::ofstream(folder / "notes.txt") << text;
    EXPECT_EQ(code_of([&] { Database::open("sqlite:" + (folder / "notes.txt")); }), ErrorCode::invalid);
    std::ifstream file(folder / "notes.txt");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

}  // namespace
}  // namespace mk::db
