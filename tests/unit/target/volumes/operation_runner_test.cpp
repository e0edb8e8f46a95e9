#include "target/volumes/operation_runner.hpp"

#include <latch>

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "base/retry.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::volumes {
namespace {

using namespace std::chrono_literals;
using test::code_of;

class OperationRunnerTest : public testing::Test {
  protected:
    test::TemporaryFolder folder;
    std::shared_ptr<db::Database> database = open_database();
    test::FakeClock clock;
    KeyLocks locks;
    std::optional<OperationRunner> runner;

    std::shared_ptr<db::Database> open_database() const {
        auto opened = db::Database::open("sqlite:" + (folder / "test.db"));
        db::migrate(*opened, std::string(MK_SOURCE_DIR) + "/migrations");
        return opened;
    }
    void start(unsigned workers = 4, std::size_t max_waiting = 100) {
        runner.reset();
        runner.emplace(database, clock, locks, OperationRunner::Options{workers, max_waiting, [](const Error& error) {
                                                                            return Json{{"cause", error.cause()}};
                                                                        }});
        runner->start();
    }
    OperationView ended(const std::string& id) {
        OperationView view;
        wait_until([&] { return (view = runner->get(id)).state != "running"; }, 1ms, 30s, {}, "the operation to end");
        return view;
    }
};

TEST_F(OperationRunnerTest, KeepsResultsAndErrors) {
    start();
    const auto good = runner->submit("kind", "object", "a", [](const Progress&) { return Json{{"x", 1}}; });
    const auto bad =
        runner->submit("kind", "object", "b", [](const Progress&) -> Json { throw Error(ErrorCode::conflict, "no"); });
    EXPECT_EQ(ended(good).result, R"({"x":1})");
    EXPECT_EQ(ended(good).percent, 100);
    EXPECT_EQ(ended(bad).state, "failed");
    EXPECT_EQ(ended(bad).error, R"({"cause":"no"})");
    EXPECT_EQ(runner->last_result("kind", "object"), R"({"x":1})");
    EXPECT_EQ(code_of([&] { runner->get("unknown"); }), ErrorCode::not_found);
}

TEST_F(OperationRunnerTest, DoesOneThingAtATimePerKeyInOrder) {
    start();
    std::vector<int> order;  // unprotected: the key is the protection
    std::vector<std::string> ids;
    for (int i = 0; i < 50; ++i) {
        ids.push_back(runner->submit("kind", "object", "same", [&order, i](const Progress&) {
            order.push_back(i);
            return Json::object();
        }));
    }
    for (const auto& id : ids) {
        EXPECT_EQ(ended(id).state, "completed");
    }
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_EQ(order.size(), 50u);
}

TEST_F(OperationRunnerTest, WorksOnOtherKeysMeanwhile) {
    start();
    std::latch both(2);
    const auto meet = [&](const Progress&) {
        both.arrive_and_wait();
        return Json::object();
    };
    const auto a = runner->submit("kind", "a", "a", meet);
    const auto b = runner->submit("kind", "b", "b", meet);
    EXPECT_EQ(ended(a).state, "completed");
    EXPECT_EQ(ended(b).state, "completed");
}

TEST_F(OperationRunnerTest, WaitsForAKeyThatSomebodyElseHolds) {
    start();
    std::string id;
    {
        const auto lease = locks.acquire("volume", 1s, {});
        id = runner->submit("kind", "object", "volume", [](const Progress&) { return Json::object(); });
        EXPECT_EQ(runner->get(id).detail, "Waiting for its turn");
        EXPECT_EQ(code_of([&] { locks.acquire("volume", 0ms, {}); }), ErrorCode::conflict);
    }
    EXPECT_EQ(ended(id).state, "completed");
}

TEST_F(OperationRunnerTest, StopInterruptsWhatRunsAndWhatWaits) {
    start(1);
    std::latch begun(1);
    const auto running = runner->submit("kind", "a", "a", [&](const Progress& progress) -> Json {
        progress.say("Halfway", 50);
        begun.count_down();
        pause(1h, progress.stop());
        throw Error(ErrorCode::cancelled, "stopped");
    });
    const auto waiting = runner->submit("kind", "b", "b", [](const Progress&) { return Json::object(); });
    begun.wait();
    EXPECT_EQ(runner->get(running).detail, "Halfway");
    EXPECT_EQ(runner->get(running).percent, 50);
    runner->stop();
    EXPECT_EQ(runner->get(running).state, "interrupted");
    EXPECT_EQ(runner->get(waiting).state, "interrupted");
    EXPECT_EQ(code_of([&] { runner->submit("kind", "c", "c", {}); }), ErrorCode::unavailable);
}

TEST_F(OperationRunnerTest, StartInterruptsWhatAFormerDaemonLeftAndForgetsTheOld) {
    start();
    const auto old = runner->submit("kind", "object", "a", [](const Progress&) { return Json::object(); });
    ended(old);
    clock.advance(31 * 24h);
    database->execute(
        "INSERT INTO volume_operations (operation_id, kind, object_id, state, created_ms) VALUES ('left', 'k', 'o', "
        "'running', :now)",
        {{"now", to_ms(clock.now())}});
    start();
    EXPECT_EQ(runner->get("left").state, "interrupted");
    EXPECT_EQ(code_of([&] { runner->get(old); }), ErrorCode::not_found);
}

TEST_F(OperationRunnerTest, AnEndThatTheDatabaseDoesNotTakeIsToldNevertheless) {
    start();
    // From now on no row can become completed or failed.
    for (const char* state : {"completed", "failed"}) {
        database->execute(
            "INSERT INTO volume_operations (operation_id, kind, object_id, state, created_ms) VALUES (:id, 'k', 'o', "
            ":state, :now)",
            {{"id", std::string(state)}, {"state", std::string(state)}, {"now", to_ms(clock.now())}});
    }
    database->execute(
        "CREATE UNIQUE INDEX refusing ON volume_operations (state) WHERE state IN ('completed', 'failed')");
    const auto good = runner->submit("kind", "a", "a", [](const Progress&) { return Json{{"x", 1}}; });
    const auto bad =
        runner->submit("kind", "b", "b", [](const Progress&) -> Json { throw Error(ErrorCode::conflict, "no"); });
    EXPECT_EQ(ended(good).state, "completed");
    EXPECT_EQ(ended(good).result, R"({"x":1})");
    EXPECT_EQ(ended(good).percent, 100);
    EXPECT_EQ(ended(bad).state, "failed");
    EXPECT_EQ(ended(bad).error, R"({"cause":"no"})");

    database->execute("DROP INDEX refusing");
    start();
    EXPECT_EQ(runner->get(good).state, "interrupted") << "the next daemon knows nothing of it: the caller repeats";
}

TEST_F(OperationRunnerTest, RefusesMoreThanItsQueueHolds) {
    start(1, 1);
    const auto lease = locks.acquire("held", 1s, {});
    runner->submit("kind", "a", "held", [](const Progress&) { return Json::object(); });
    EXPECT_EQ(code_of([&] { runner->submit("kind", "b", "held", [](const Progress&) { return Json::object(); }); }),
              ErrorCode::exhausted);
}

}  // namespace
}  // namespace mk::volumes
