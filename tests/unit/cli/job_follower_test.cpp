#include "cli/job_follower.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_of.hpp"
#include "support/fake_clock.hpp"

namespace mk::cli {
namespace {

using namespace std::chrono_literals;

class QuietDisplay : public ProgressDisplay {
  public:
    void update(const std::vector<Json>&) override { ++updates; }
    void note(const std::string& text) override { notes.push_back(text); }
    int updates = 0;
    std::vector<std::string> notes;
};

/// Time passes only in pauses; each answer is used once, the last one for ever.
struct World {
    explicit World(std::vector<std::function<Json()>> script) : answers(std::move(script)) {}
    FollowerPorts ports() {
        return {.fetch = [this](const std::string&) { return answers[std::min(next++, answers.size() - 1)](); },
                .pause =
                    [this](std::chrono::milliseconds duration) {
                        clock.advance(duration);
                        return clock.now() < interrupted_at;
                    },
                .clock = clock};
    }
    test::FakeClock clock;
    Instant interrupted_at = Instant::max();
    std::vector<std::function<Json()>> answers;
    std::size_t next = 0;
    QuietDisplay display;
};

std::function<Json()> says(const char* status) {
    return [status] { return Json{{"job_id", "j"}, {"status", status}}; };
}
Json silent() {
    throw Error(ErrorCode::unavailable, "nobody there");
}

TEST(JobFollower, WaitsForTheEnd) {
    World world({says("pending"), says("running"), says("completed")});

    const auto followed = follow_jobs(world.ports(), world.display, {"j"}, std::nullopt);

    EXPECT_EQ(followed.end, Followed::End::all_ended);
    EXPECT_EQ(followed.jobs.at(0).at("status"), "completed");
    EXPECT_EQ(world.display.updates, 3);
}

TEST(JobFollower, WaitsForAll) {
    World world({says("completed"), says("running"), says("failed")});

    const auto followed = follow_jobs(world.ports(), world.display, {"a", "b"}, std::nullopt);

    EXPECT_EQ(followed.jobs.at(0).at("status"), "completed");
    EXPECT_EQ(followed.jobs.at(1).at("status"), "failed");
    EXPECT_EQ(world.next, 3U) << "an ended job is not asked for again";
}

TEST(JobFollower, StopsWaitingWhenTheTimeIsOver) {
    World world({says("running")});
    EXPECT_EQ(follow_jobs(world.ports(), world.display, {"j"}, 10s).end, Followed::End::timed_out);
}

TEST(JobFollower, IsInterrupted) {
    World world({says("running")});
    world.interrupted_at = world.clock.now() + 3s;
    EXPECT_EQ(follow_jobs(world.ports(), world.display, {"j"}, std::nullopt).end, Followed::End::interrupted);
}

TEST(JobFollower, IsInterruptedInsideACall) {
    World world({says("running"), []() -> Json { throw Error(ErrorCode::cancelled, "stopped"); }});
    EXPECT_EQ(follow_jobs(world.ports(), world.display, {"j"}, std::nullopt).end, Followed::End::interrupted);
}

TEST(JobFollower, BearsAShortSilence) {
    World world({says("running"), silent, silent, says("completed")});

    const auto followed = follow_jobs(world.ports(), world.display, {"j"}, std::nullopt);

    EXPECT_EQ(followed.end, Followed::End::all_ended);
    EXPECT_EQ(world.display.notes.size(), 1U);
}

TEST(JobFollower, GivesUpAfterALongSilenceSayingThatTheJobGoesOn) {
    World world({says("running"), silent});

    const auto error = test::error_of([&] { follow_jobs(world.ports(), world.display, {"j"}, std::nullopt); });

    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.advice().consequence.find("goes on"), std::string::npos);
}

TEST(JobFollower, DoesNotRepeatWhatCannotGetBetter) {
    World world({[]() -> Json { throw Error(ErrorCode::not_found, "there is no job"); }});
    EXPECT_EQ(test::code_of([&] { follow_jobs(world.ports(), world.display, {"j"}, std::nullopt); }),
              ErrorCode::not_found);
}

}  // namespace
}  // namespace mk::cli
