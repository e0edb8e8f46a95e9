#include "cli/figures.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"

namespace mk::cli {
namespace {

using namespace std::chrono_literals;

TEST(Figures, ShowsDoneAndTotalInTheUnitOfTheTotal) {
    EXPECT_EQ(format_share(28'776'280'883, 39'406'325'351), "26.8/36.7 GiB");
    EXPECT_EQ(format_share(0, 10 * GiB), "0.0/10.0 GiB");
    EXPECT_EQ(format_share(12, 512), "12/512 B");
    EXPECT_EQ(format_share(0, 0), "0/0 B");
}

TEST(Figures, ShowsRatesWithoutDecimals) {
    EXPECT_EQ(format_rate(431 * MiB), "431 MiB/s");
    EXPECT_EQ(format_rate(0), "0 B/s");
}

TEST(Figures, SaysAHundredPercentOnlyAtTheEnd) {
    EXPECT_EQ(percent_of(2 * GiB, 18 * GiB, false), 11);
    EXPECT_EQ(percent_of(18 * GiB, 18 * GiB, false), 99);
    EXPECT_EQ(percent_of(19 * GiB, 18 * GiB, false), 99);
    EXPECT_EQ(percent_of(0, 0, false), 0);
    EXPECT_EQ(percent_of(0, 0, true), 100);
}

TEST(Figures, DrawsBars) {
    EXPECT_EQ(bar(73), "[##############------]");
    EXPECT_EQ(bar(0, 4), "[----]");
    EXPECT_EQ(bar(100, 4), "[####]");
    EXPECT_EQ(bar(-5, 4), "[----]");
    EXPECT_EQ(bar(250, 4), "[####]");
}

TEST(Figures, RoundsTimeLeftUp) {
    EXPECT_EQ(time_left(0), "under 1 min left");
    EXPECT_EQ(time_left(59), "under 1 min left");
    EXPECT_EQ(time_left(60), "1 min left");
    EXPECT_EQ(time_left(61), "2 min left");
    EXPECT_EQ(time_left(3600), "1 h left");
    EXPECT_EQ(time_left(3601), "1 h 5 min left");
    EXPECT_EQ(time_left(7200), "2 h left");
}

TEST(Figures, TellsAges) {
    const auto now = from_ms(1'767'225'600'000);
    EXPECT_EQ(age(now + 5s, now), "just now");
    EXPECT_EQ(age(now - 12s, now), "12 s ago");
    EXPECT_EQ(age(now - 53min, now), "53 min ago");
    EXPECT_EQ(age(now - 47h, now), "47 h ago");
    EXPECT_EQ(age(now - 31 * 24h, now), "31 d ago");
}

TEST(Figures, ReadsWhatTheApiWrites) {
    for (const auto ms : {0LL, 1'767'225'600'123LL, 1'709'164'800'000LL}) {  // the last is 29 February 2024
        EXPECT_EQ(parse_instant(to_iso8601(from_ms(ms))), from_ms(ms));
    }
    EXPECT_EQ(parse_instant("2026-01-01T00:00:00Z"), from_ms(1'767'225'600'000));
}

TEST(Figures, ReadsNoOtherTimes) {
    for (const auto* text :
         {"", "2026", "2026-02-30T00:00:00.000Z", "2026-01-01 00:00:00.000Z", "2026-01-01T24:00:00.000Z",
          "2026-01-01T00:00:00.000", "2026-01-01T00:00:00.000+01:00", "2026-01-01T0x:00:00.000Z"}) {
        EXPECT_FALSE(parse_instant(text)) << text;
    }
}

TEST(Figures, ReadsDurations) {
    EXPECT_EQ(parse_duration("90", "--timeout"), 90s);
    EXPECT_EQ(parse_duration("90s", "--timeout"), 90s);
    EXPECT_EQ(parse_duration("30m", "--timeout"), 30min);
    EXPECT_EQ(parse_duration("4h", "--timeout"), 4h);
    EXPECT_EQ(parse_duration("30d", "--timeout"), 30 * 24h);
}

TEST(Figures, RefusesOtherDurationsNamingTheOption) {
    for (const auto* text : {"", "h", "0", "-1", "1.5h", "4 h", "4w", "31d", "99999999999999999999", "1hh"}) {
        const auto error = test::error_of([&] { parse_duration(text, "--rollback-after"); });
        EXPECT_EQ(error.code(), ErrorCode::invalid) << text;
        EXPECT_NE(error.cause().find("--rollback-after"), std::string::npos) << text;
    }
}

}  // namespace
}  // namespace mk::cli
