#include "tunnel/limited_log.hpp"

#include <gtest/gtest.h>

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ALogLimit, PassesTheFirstAndThenOneInTenSecondsWithACount) {
    LogLimit limit;
    const LogLimit::TimePoint start{};
    EXPECT_EQ(limit.pass(start), 0U);
    EXPECT_EQ(limit.pass(start), std::nullopt);
    EXPECT_EQ(limit.pass(start + seconds{10} - milliseconds{1}), std::nullopt);
    EXPECT_EQ(limit.pass(start + seconds{10}), 2U);
    EXPECT_EQ(limit.pass(start + seconds{11}), std::nullopt);
    EXPECT_EQ(limit.pass(start + seconds{60}), 1U);
    EXPECT_EQ(limit.pass(start + seconds{90}), 0U);
}

}  // namespace
}  // namespace mk::tunnel
