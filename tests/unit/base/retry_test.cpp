#include "base/retry.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "support/error_of.hpp"

namespace mk {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::error_of;

constexpr RetryPolicy quick{1ms, 2ms, 1h};

std::stop_token already_stopped() {
    std::stop_source source;
    source.request_stop();
    return source.get_token();
}

TEST(Retry, RepeatsPassingFailuresAndTellsOfEach) {
    int attempts = 0;
    std::vector<std::string> heard;
    retry(
        quick, {},
        [&] {
            if (++attempts < 3) {
                throw Error(ErrorCode::unavailable, "attempt " + std::to_string(attempts));
            }
        },
        [&](const Error& error) { heard.push_back(error.cause()); });
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(heard, (std::vector<std::string>{"attempt 1", "attempt 2"}));
}

TEST(Retry, OtherFailuresAreNotRepeated) {
    int attempts = 0;
    EXPECT_EQ(code_of([&] {
                  retry(quick, {}, [&] {
                      ++attempts;
                      throw Error(ErrorCode::forbidden, "no");
                  });
              }),
              ErrorCode::forbidden);
    EXPECT_EQ(attempts, 1);
}

TEST(Retry, LastErrorIsThrownWhenTimeIsOver) {
    int attempts = 0;
    const Error error = error_of([&] {
        retry({1ms, 1ms, 0ms}, {}, [&] { throw Error(ErrorCode::timeout, "attempt " + std::to_string(++attempts)); });
    });
    EXPECT_EQ(error.code(), ErrorCode::timeout);
    EXPECT_EQ(error.cause(), "attempt " + std::to_string(attempts));
}

TEST(Retry, StopEndsTheLongestPause) {
    std::stop_source source;
    EXPECT_EQ(code_of([&] {
                  retry(
                      {1h, 1h, 24h}, source.get_token(), [] { throw Error(ErrorCode::unavailable, "down"); },
                      [&](const Error&) { source.request_stop(); });
              }),
              ErrorCode::cancelled);
}

TEST(Retry, NothingIsTriedAfterAStop) {
    bool tried = false;
    EXPECT_EQ(code_of([&] { retry(quick, already_stopped(), [&] { tried = true; }); }), ErrorCode::cancelled);
    EXPECT_FALSE(tried);
}

TEST(Pause, TellsWhetherItWasStopped) {
    EXPECT_TRUE(pause(1ms, {}));
    EXPECT_FALSE(pause(1h, already_stopped()));
}

TEST(WaitUntil, LooksUntilItIsDone) {
    int looks = 0;
    wait_until([&] { return ++looks == 3; }, 1ms, 1h, {}, "it did not happen");
    EXPECT_EQ(looks, 3);
}

TEST(WaitUntil, LooksOnceAlsoWithoutTime) {
    EXPECT_NO_THROW(wait_until([] { return true; }, 1h, 0ms, {}, "x"));
    const Error error = error_of([] { wait_until([] { return false; }, 1h, 0ms, {}, "it did not happen"); });
    EXPECT_EQ(error.code(), ErrorCode::timeout);
    EXPECT_EQ(error.cause(), "it did not happen");
}

TEST(WaitUntil, StopEndsIt) {
    std::stop_source source;
    EXPECT_EQ(code_of([&] { wait_until([&] { return !source.request_stop(); }, 1h, 24h, source.get_token(), "x"); }),
              ErrorCode::cancelled);
}

}  // namespace
}  // namespace mk
