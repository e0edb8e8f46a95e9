#include "control/settings/bandwidth.hpp"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/settings/transfer_settings.hpp"
#include "db/database.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::settings {
namespace {

using test::error_of;

/// The clock on the wall of the test's choice.
class TimeZone {
  public:
    explicit TimeZone(const char* rule) {
        if (const char* before = std::getenv("TZ")) {
            before_ = before;
        }
        ::setenv("TZ", rule, 1);
    }
    ~TimeZone() { before_.empty() ? ::unsetenv("TZ") : ::setenv("TZ", before_.c_str(), 1); }
    TimeZone(const TimeZone&) = delete;
    TimeZone& operator=(const TimeZone&) = delete;

  private:
    std::string before_;
};

constexpr const char* london = "GMT0BST,M3.5.0/1,M10.5.0/2";

Instant utc(int year, unsigned month, unsigned day, int hour, int minute, int second = 0) {
    using namespace std::chrono;
    return sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)} + hours{hour} +
           minutes{minute} + seconds{second};
}

BandwidthLimits limits_from(const std::string& text) {
    return bandwidth_limits_from(json::parse(text));
}

std::string window(const std::string& days, const std::string& from, const std::string& to,
                   const std::string& limit = "200000") {
    return R"({"days":[)" + days + R"(],"from":")" + from + R"(","to":")" + to + R"(","bytes_per_second":)" + limit +
           "}";
}

BandwidthLimits with_windows(const std::vector<std::string>& windows) {
    std::string list;
    for (const auto& one : windows) {
        list += (list.empty() ? "" : ",") + one;
    }
    return limits_from(R"({"bytes_per_second":1000000,"windows":[)" + list + "]}");
}

TEST(Bandwidth, WithoutWindowsTheLimitIsAlwaysTheSame) {
    EXPECT_EQ(limit_at(limits_from("{}"), utc(2026, 1, 5, 12, 0)), 0u);
    EXPECT_EQ(limit_at(limits_from(R"({"bytes_per_second":12500000})"), utc(2026, 1, 5, 12, 0)), 12'500'000u);
}

TEST(Bandwidth, AWindowCountsFromItsFirstMinuteToBeforeItsLast) {
    const TimeZone zone("UTC0");
    const auto limits =
        with_windows({window(R"("mon","tue")", "08:00", "18:00"), window(R"("sat")", "00:00", "24:00", "null")});
    const std::vector<std::pair<Instant, Bytes>> table = {
        {utc(2026, 1, 5, 7, 59, 59), 1'000'000},  {utc(2026, 1, 5, 8, 0), 200'000},  // a Monday
        {utc(2026, 1, 5, 17, 59, 59), 200'000},   {utc(2026, 1, 5, 18, 0), 1'000'000},
        {utc(2026, 1, 6, 12, 0), 200'000},        {utc(2026, 1, 7, 12, 0), 1'000'000},
        {utc(2026, 1, 9, 23, 59, 59), 1'000'000}, {utc(2026, 1, 10, 0, 0), 0},
        {utc(2026, 1, 10, 23, 59, 59), 0},        {utc(2026, 1, 11, 0, 0), 1'000'000}};
    for (const auto& [when, expected] : table) {
        EXPECT_EQ(limit_at(limits, when), expected) << to_iso8601(when);
    }
}

TEST(Bandwidth, AWindowMayCrossMidnightAndTheEndOfTheWeek) {
    const TimeZone zone("UTC0");
    const auto limits = with_windows({window(R"("sun")", "22:00", "06:00")});
    EXPECT_EQ(limit_at(limits, utc(2026, 1, 4, 21, 59)), 1'000'000u);  // a Sunday
    EXPECT_EQ(limit_at(limits, utc(2026, 1, 4, 22, 0)), 200'000u);
    EXPECT_EQ(limit_at(limits, utc(2026, 1, 5, 5, 59, 59)), 200'000u);
    EXPECT_EQ(limit_at(limits, utc(2026, 1, 5, 6, 0)), 1'000'000u);
    EXPECT_EQ(limit_at(limits, utc(2026, 1, 5, 22, 0)), 1'000'000u) << "not on Monday";
}

TEST(Bandwidth, TimesAreThoseOfTheClockOnTheWall) {
    const auto limits = with_windows({window(R"("mon")", "08:00", "09:00")});
    const auto when = utc(2026, 7, 6, 7, 30);
    {
        const TimeZone zone("UTC0");
        EXPECT_EQ(limit_at(limits, when), 1'000'000u);
    }
    const TimeZone zone(london);
    EXPECT_EQ(limit_at(limits, when), 200'000u) << "summer time";
    EXPECT_EQ(limit_at(limits, utc(2026, 1, 5, 7, 30)), 1'000'000u) << "winter time";
}

TEST(Bandwidth, NightsOnWhichTheClocksChangeFollowTheClock) {
    const TimeZone zone(london);
    const auto limits = with_windows({window(R"("sun")", "01:30", "02:30")});
    // 29 March 2026, 01:00 UTC: from 01:00 to 02:00.
    EXPECT_EQ(limit_at(limits, utc(2026, 3, 29, 0, 59, 59)), 1'000'000u);
    EXPECT_EQ(limit_at(limits, utc(2026, 3, 29, 1, 0)), 200'000u);
    EXPECT_EQ(limit_at(limits, utc(2026, 3, 29, 1, 29, 59)), 200'000u);
    EXPECT_EQ(limit_at(limits, utc(2026, 3, 29, 1, 30)), 1'000'000u);
    // 25 October 2026, 01:00 UTC: from 02:00 back to 01:00.
    EXPECT_EQ(limit_at(limits, utc(2026, 10, 25, 0, 30)), 200'000u) << "01:30, the first time";
    EXPECT_EQ(limit_at(limits, utc(2026, 10, 25, 1, 0)), 1'000'000u) << "01:00 again";
    EXPECT_EQ(limit_at(limits, utc(2026, 10, 25, 1, 30)), 200'000u) << "01:30, the second time";
    EXPECT_EQ(limit_at(limits, utc(2026, 10, 25, 2, 30)), 1'000'000u);
}

TEST(Bandwidth, WhatIsNoTimeOfDayIsRefused) {
    for (const auto* text : {"x8:30", "1x:30", "18:x0", "18:3x", "18:60", "24:01", "1830", "18:3", "18:30 ", "18.30"}) {
        SCOPED_TRACE(text);
        const auto error = error_of([&] { with_windows({window(R"("mon")", "08:00", text)}); });
        EXPECT_EQ(error.code(), ErrorCode::invalid);
        EXPECT_NE(error.cause().find("no time of day"), std::string::npos) << error.cause();
    }
}

TEST(Bandwidth, WindowsThatOverlapAreRefusedWithBothNumbers) {
    const auto refusal = [](const std::vector<std::string>& windows) {
        const auto error = error_of([&] { with_windows(windows); });
        EXPECT_EQ(error.code(), ErrorCode::invalid);
        EXPECT_EQ(error.advice().consequence, "Nothing was changed.");
        return error.cause();
    };
    EXPECT_EQ(refusal({window(R"("mon")", "08:00", "18:00"), window(R"("mon","tue")", "17:59", "19:00")}),
              "windows 1 and 2 overlap on mon at 17:59");
    EXPECT_EQ(refusal({window(R"("tue")", "02:00", "03:00"), window(R"("mon")", "22:00", "06:00")}),
              "windows 1 and 2 overlap on tue at 02:00");
    EXPECT_EQ(refusal({window(R"("sun")", "22:00", "00:01"), window(R"("mon")", "00:00", "24:00")}),
              "windows 1 and 2 overlap on mon at 00:00");
    EXPECT_EQ(refusal({window(R"("fri")", "08:00", "09:00"), window(R"("fri")", "08:00", "09:00")}),
              "windows 1 and 2 overlap on fri at 08:00");
    EXPECT_EQ(with_windows({window(R"("mon")", "08:00", "18:00"), window(R"("mon")", "18:00", "08:00"),
                            window(R"("tue")", "08:00", "24:00")})
                  .windows.size(),
              3u)
        << "windows may touch";
}

TEST(Bandwidth, EverythingThatIsWrongIsToldAtOnce) {
    const auto error = error_of([] {
        limits_from(R"({"bytes_per_second":100,"windows":[)" + window("", "08:00", "09:00") + "," +
                    window(R"("mon")", "08:00", "08:00", "9999") + "]}");
    });
    for (const auto* part : {"the limit is below", "window 1 has no day", "window 2 begins and ends at 08:00",
                             "the limit of window 2 is below"}) {
        EXPECT_NE(error.cause().find(part), std::string::npos) << part << ": " << error.cause();
    }
}

TEST(Bandwidth, WhatCannotBeReadIsRefused) {
    const std::string day = R"("mon")";
    const std::vector<std::string> bad = {
        R"({"bytes_per_second":0})",
        R"({"bytes_per_second":-1})",
        R"({"bytes_per_second":"100M"})",
        R"({"bytes_per_second":2000000000000})",
        R"({"windows":{}})",
        R"({"windows":[5]})",
        R"({"windows":[)" + window(R"("monday")", "08:00", "09:00") + "]}",
        R"({"windows":[)" + window(day, "8:00", "09:00") + "]}",
        R"({"windows":[)" + window(day, "08:60", "09:00") + "]}",
        R"({"windows":[)" + window(day, "08:00", "24:01") + "]}",
        R"({"windows":[)" + window(day, "24:00", "08:00") + "]}",
        R"({"windows":[)" + window(day, "0a:00", "08:00") + "]}",
        R"({"windows":[)" + window(day, "", "08:00") + "]}",
        R"({"windows":[{"days":["mon"],"from":"08:00"}]})",
    };
    for (const auto& text : bad) {
        EXPECT_EQ(error_of([&] { limits_from(text); }).code(), ErrorCode::invalid) << text;
    }
}

class TransferSettingsTest : public ::testing::Test {
  protected:
    TransferSettingsTest() { db::migrate(*database_, MK_SOURCE_DIR "/migrations"); }

    test::TemporaryFolder folder_;
    test::FakeClock clock_;
    std::shared_ptr<db::Database> database_ = db::Database::open("sqlite:" + (folder_ / "oma.db"));
    TransferSettings settings_{database_, clock_};
};

TEST_F(TransferSettingsTest, NothingIsLimitedAndLittleComparedUntilSomethingIsSaved) {
    EXPECT_EQ(settings_.bandwidth(), BandwidthLimits{});
    EXPECT_EQ(settings_.limit_now(), 0u);
    EXPECT_EQ(settings_.compare_percent(), 1);
}

TEST_F(TransferSettingsTest, ComesBackAsItWasSaved) {
    const auto limits =
        with_windows({window(R"("mon","sun")", "22:00", "06:00", "null"), window(R"("wed")", "00:00", "24:00")});
    settings_.save_bandwidth(limits);
    settings_.save_bandwidth(limits);
    settings_.save_compare_percent(25);

    const TransferSettings again(database_, clock_);
    EXPECT_EQ(again.bandwidth(), limits);
    EXPECT_EQ(again.compare_percent(), 25);
}

TEST_F(TransferSettingsTest, WhatIsWrongIsNotSaved) {
    settings_.save_bandwidth({.bytes_per_second = 500'000});
    EXPECT_EQ(error_of([&] { settings_.save_bandwidth({.bytes_per_second = 5}); }).code(), ErrorCode::invalid);
    EXPECT_EQ(error_of([&] { settings_.save_compare_percent(101); }).code(), ErrorCode::invalid);
    EXPECT_EQ(error_of([&] { settings_.save_compare_percent(-1); }).code(), ErrorCode::invalid);
    EXPECT_EQ(settings_.limit_now(), 500'000u);
    EXPECT_EQ(settings_.compare_percent(), 1);
}

}  // namespace
}  // namespace mk::settings
