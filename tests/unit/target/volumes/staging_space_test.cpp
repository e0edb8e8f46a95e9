#include "target/volumes/staging_space.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::volumes {
namespace {

using test::code_of;

struct Space {
    test::TemporaryFolder folder;
    std::shared_ptr<StagingSpace> space =
        std::make_shared<StagingSpace>(StagingOptions{.folder = folder / "staging", .reserve = 0, .quota = 100 * MiB});
};

TEST(StagingSpace, PromisesWhatIsNeitherUsedNorPromised) {
    Space s;
    const auto first = s.space->open_account();
    first->expect(60 * MiB);
    const auto second = s.space->open_account();
    EXPECT_EQ(code_of([&] { second->expect(41 * MiB); }), ErrorCode::exhausted);
    second->expect(40 * MiB);
    first->set_used(60 * MiB);
    EXPECT_EQ(code_of([&] { first->expect(1); }), ErrorCode::exhausted);
    first->expect(0);
}

TEST(StagingSpace, ARefusedPromiseLeavesTheFormerOne) {
    Space s;
    const auto first = s.space->open_account();
    first->expect(60 * MiB);
    EXPECT_EQ(code_of([&] { first->expect(101 * MiB); }), ErrorCode::exhausted);
    const auto second = s.space->open_account();
    EXPECT_EQ(code_of([&] { second->expect(41 * MiB); }), ErrorCode::exhausted);
}

TEST(StagingSpace, AnEndedAccountGivesItsShareBack) {
    Space s;
    auto first = s.space->open_account();
    first->expect(100 * MiB);
    first->set_used(30 * MiB);
    first->set_used(20 * MiB);
    const auto second = s.space->open_account();
    EXPECT_EQ(code_of([&] { second->require_room(81 * MiB); }), ErrorCode::exhausted);
    second->require_room(80 * MiB);
    first.reset();
    second->expect(100 * MiB);
    second->require_room(100 * MiB);
}

TEST(StagingSpace, TheReserveStaysFree) {
    test::TemporaryFolder folder;
    const auto space = std::make_shared<StagingSpace>(
        StagingOptions{.folder = folder.path(), .reserve = os::free_bytes(folder.path()) + GiB, .quota = 0});
    const auto account = space->open_account();
    EXPECT_EQ(code_of([&] { account->expect(0); }), ErrorCode::exhausted);
    EXPECT_EQ(code_of([&] { account->require_room(1); }), ErrorCode::exhausted);
}

TEST(StagingSpace, RemovesOnlyOverlaysThatBelongToNobody) {
    Space s;
    for (const char* name : {"a.data", "a.journal", "b.data", "b.journal", "other"}) {
        std::ofstream(s.folder / "staging/" + name) << "x";
    }
    s.space->remove_orphans({"a"});
    std::set<std::string> left;
    for (const auto& entry : std::filesystem::directory_iterator(s.folder / "staging")) {
        left.insert(entry.path().filename());
    }
    EXPECT_EQ(left, (std::set<std::string>{"a.data", "a.journal", "other"}));
}

TEST(StagingSpace, TellsWhatTheNextSessionMayExpect) {
    Space s;
    EXPECT_EQ(s.space->state().reserved, 0u);
    EXPECT_EQ(s.space->state().available, 100 * MiB);
    const auto first = s.space->open_account();
    first->expect(60 * MiB);
    first->set_used(10 * MiB);
    const auto second = s.space->open_account();
    second->set_used(5 * MiB);
    const auto state = s.space->state();
    EXPECT_EQ(state.reserved, 65 * MiB);
    EXPECT_EQ(state.available, 35 * MiB);
    EXPECT_GE(state.total, state.free);
    const auto third = s.space->open_account();
    EXPECT_EQ(code_of([&] { third->expect(state.available + 1); }), ErrorCode::exhausted);
    third->expect(state.available);
    EXPECT_EQ(s.space->state().available, 0u);
}

TEST(StagingSpace, TheReserveIsNotAvailable) {
    const test::TemporaryFolder folder;
    const auto free = std::filesystem::space(folder / "").available;
    const auto space =
        std::make_shared<StagingSpace>(StagingOptions{.folder = folder / "staging", .reserve = 2 * free, .quota = 0});
    EXPECT_EQ(space->state().available, 0u);
}

TEST(StagingSpace, SaysThatItsFolderIsAway) {
    Space s;
    std::filesystem::remove(s.folder / "staging");
    EXPECT_EQ(code_of([&] { s.space->state(); }), ErrorCode::unavailable);
}

}  // namespace
}  // namespace mk::volumes
