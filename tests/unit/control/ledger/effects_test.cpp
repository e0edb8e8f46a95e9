#include "control/ledger/effects.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::ledger {
namespace {

using namespace std::chrono_literals;
using test::code_of;

std::shared_ptr<db::Database> migrated(const std::string& path) {
    auto database = db::Database::open("sqlite:" + path);
    db::migrate(*database, std::string(MK_SOURCE_DIR) + "/migrations");
    return database;
}

class EffectsTest : public testing::Test {
  protected:
    test::TemporaryFolder folder;
    std::shared_ptr<db::Database> database = migrated(folder / "test.db");
    test::FakeClock clock;
    Effects daemon{database, clock, "volume-daemon"};
    Effects api{database, clock, "oma-api"};

    static std::vector<std::string> commands(const std::vector<Effect>& effects) {
        std::vector<std::string> found;
        for (const auto& effect : effects) {
            found.push_back(effect.command);
        }
        return found;
    }
};

using Commands = std::vector<std::string>;

TEST_F(EffectsTest, ANoteTellsWhoSentWhatAboutWhich) {
    const auto note = daemon.begin("detachVolume", "v-1");
    auto effect = daemon.open_of({"v-1"}).at(0);
    EXPECT_EQ(effect.id, note);
    EXPECT_EQ(effect.process, "volume-daemon");
    EXPECT_EQ(effect.command, "detachVolume");
    EXPECT_EQ(effect.state, "intended");
    EXPECT_EQ(effect.async_job_id, "");
    EXPECT_EQ(effect.created, clock.now());
    daemon.submitted(note, "job-1", "");
    effect = daemon.open_of({"v-1"}).at(0);
    EXPECT_EQ(effect.state, "submitted");
    EXPECT_EQ(effect.async_job_id, "job-1");
    EXPECT_TRUE(effect.is_open());
}

TEST_F(EffectsTest, AnEndClosesItOnce) {
    for (const char* outcome : {"done", "refused", "failed", "unknown"}) {
        const auto note = daemon.begin("detachVolume", "v-1");
        daemon.ended(note, outcome);
        daemon.ended(note, "done");
        daemon.submitted(note, "late", "");
        EXPECT_TRUE(daemon.open_of({"v-1"}).empty());
        EXPECT_EQ(daemon.of({"v-1"}, clock.now()).back().state, outcome);
        EXPECT_FALSE(daemon.of({"v-1"}, clock.now()).back().is_open());
        clock.advance(1s);
    }
    EXPECT_EQ(code_of([&] { daemon.ended(daemon.begin("x", "y"), "perhaps"); }), ErrorCode::internal);
}

TEST_F(EffectsTest, AreFoundByWhatTheyAreAboutAndByWhatTheyMade) {
    const auto making = api.begin("deployVirtualMachine", "web");
    api.submitted(making, "job-1", "vm-7");
    EXPECT_EQ(commands(daemon.open_of({"web"})), Commands{"deployVirtualMachine"});
    EXPECT_EQ(commands(daemon.open_of({"vm-7"})), Commands{"deployVirtualMachine"});
    EXPECT_EQ(daemon.open_of({"web", "vm-7"}).size(), 1u) << "each once";
    EXPECT_TRUE(daemon.open_of({"other"}).empty());
    EXPECT_TRUE(daemon.open_of({}).empty());
}

TEST_F(EffectsTest, ComeOldestFirstWhateverTheObject) {
    daemon.begin("first", "b");
    clock.advance(1s);
    api.begin("second", "a");
    clock.advance(1s);
    daemon.begin("third", "b");
    EXPECT_EQ(commands(api.open_of({"a", "b"})), (Commands{"first", "second", "third"}));
}

TEST_F(EffectsTest, OnlyThoseOfItsOwnProcessAreLeftByAFormerRun) {
    daemon.begin("detachVolume", "v-1");
    api.begin("stopVirtualMachine", "vm-1");
    daemon.ended(daemon.begin("attachVolume", "v-1"), "done");
    EXPECT_EQ(commands(daemon.open_of_this_process()), Commands{"detachVolume"});
    EXPECT_EQ(commands(Effects(database, clock, "oma-api").open_of_this_process()), Commands{"stopVirtualMachine"});
}

TEST_F(EffectsTest, SinceAnInstantAreTheOpenAndTheEndedOnes) {
    daemon.ended(daemon.begin("attachVolume", "v-1"), "done");
    clock.advance(1s);
    const auto since = clock.now();
    daemon.ended(daemon.begin("detachVolume", "v-1"), "failed");
    clock.advance(1s);
    daemon.begin("attachVolume", "v-1");
    daemon.begin("attachVolume", "v-2");
    EXPECT_EQ(commands(daemon.of({"v-1"}, since)), (Commands{"detachVolume", "attachVolume"}));
}

TEST_F(EffectsTest, OldOnesAreForgotten) {
    daemon.begin("old", "v-1");
    clock.advance(std::chrono::days{29});
    daemon.begin("young", "v-1");
    clock.advance(std::chrono::days{2});
    daemon.forget_older_than(std::chrono::days{30});
    EXPECT_EQ(commands(daemon.of({"v-1"}, Instant{})), Commands{"young"});
}

TEST_F(EffectsTest, AnEndlessObjectIsCut) {
    daemon.begin("createVolume", std::string(1000, 'x'));
    EXPECT_EQ(daemon.open_of_this_process().at(0).object, std::string(255, 'x'));
}

TEST_F(EffectsTest, WhatCannotBeWrittenIsAnError) {
    database->execute("DROP TABLE external_effects");
    EXPECT_THROW(daemon.begin("attachVolume", "v-1"), Error);
}

}  // namespace
}  // namespace mk::ledger
