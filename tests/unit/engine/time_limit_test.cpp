#include "engine/time_limit.hpp"

#include <gtest/gtest.h>

#include "base/retry.hpp"

using namespace mk;
using mk::engine::TimeLimit;

namespace {

void await_stop(const std::stop_token& token) {
    wait_until([&] { return token.stop_requested(); }, std::chrono::milliseconds{1}, std::chrono::seconds{20}, {},
               "the token did not fire");
}

}  // namespace

TEST(TimeLimit, FiresWhenTheTimeIsOver) {
    const TimeLimit limit(std::chrono::milliseconds{1});
    await_stop(limit.token());
    EXPECT_TRUE(limit.is_over());
}

TEST(TimeLimit, FiresWithTheCallersTokenAndSaysThatItWasNotTheTime) {
    std::stop_source outer;
    const TimeLimit limit(std::chrono::hours{1}, outer.get_token());
    EXPECT_FALSE(limit.token().stop_requested());
    outer.request_stop();
    EXPECT_TRUE(limit.token().stop_requested());
    EXPECT_FALSE(limit.is_over());
}

TEST(TimeLimit, GoesWithoutFiring) {
    std::stop_token token;
    {
        const TimeLimit limit(std::chrono::hours{1});
        token = limit.token();
    }
    EXPECT_FALSE(token.stop_requested());
}
