#include "base/clock.hpp"

#include <gtest/gtest.h>

#include "support/fake_clock.hpp"

namespace mk {
namespace {

using namespace std::chrono_literals;

TEST(Clock, InstantsAreShownInUtc) {
    EXPECT_EQ(to_iso8601(from_ms(0)), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(to_iso8601(from_ms(1'769'860'800'007)), "2026-01-31T12:00:00.007Z");
    EXPECT_EQ(to_iso8601(from_ms(1'709'164'799'999)), "2024-02-28T23:59:59.999Z");
    EXPECT_EQ(to_iso8601(from_ms(1'709'164'800'000)), "2024-02-29T00:00:00.000Z");
    EXPECT_EQ(to_iso8601(from_ms(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(Clock, MillisecondsLeadBack) {
    EXPECT_EQ(to_ms(from_ms(1'769'860'800'007)), 1'769'860'800'007);
}

TEST(Clock, DurationsHaveTwoUnits) {
    EXPECT_EQ(format_duration(0ms), "0 ms");
    EXPECT_EQ(format_duration(850ms), "850 ms");
    EXPECT_EQ(format_duration(59'999ms), "59 s");
    EXPECT_EQ(format_duration(4min + 12s), "4 min 12 s");
    EXPECT_EQ(format_duration(60s), "1 min");
    EXPECT_EQ(format_duration(2h + 5min + 59s), "2 h 5 min");
    EXPECT_EQ(format_duration(50h), "2 d 2 h");
    EXPECT_EQ(format_duration(-5s), "-5 s");
}

TEST(FakeClock, MovesOnlyWhenTold) {
    test::FakeClock clock;
    const Instant start = clock.now();
    EXPECT_EQ(clock.now(), start);
    clock.advance(1500ms);
    EXPECT_EQ(clock.now() - start, 1500ms);
}

}  // namespace
}  // namespace mk
