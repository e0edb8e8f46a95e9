#include "cli/limit_text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/figures.hpp"
#include "support/error_of.hpp"

namespace mk::cli {
namespace {

TEST(LimitText, ReadsWindowsAsPeopleWriteThem) {
    EXPECT_EQ(window_from("mon-fri 08:00-18:00 50Mbit"), (Json{{"days", {"mon", "tue", "wed", "thu", "fri"}},
                                                               {"from", "08:00"},
                                                               {"to", "18:00"},
                                                               {"bytes_per_second", 6'250'000}}));
    EXPECT_EQ(window_from("  sat,sun  00:00-24:00 none ").at("days"), (Json{"sat", "sun"}));
    EXPECT_TRUE(window_from("sat,sun 00:00-24:00 none").at("bytes_per_second").is_null());
    EXPECT_EQ(window_from("sat-mon 22:00-06:00 1MiB").at("days"), (Json{"mon", "sat", "sun"}));
    EXPECT_EQ(window_from("daily 22:00-06:00 1MiB").at("days").size(), 7U);
}

TEST(LimitText, RefusesWhatIsNoWindow) {
    for (const auto* text : {"", "mon", "mon 08:00-18:00", "mon 08:00 50Mbit", "monday 08:00-18:00 50Mbit",
                             "mon- 08:00-18:00 50Mbit", "mon 08:00-18:00 50M", "mon 08:00-18:00 50Mbit more"}) {
        const auto error = test::error_of([&] { window_from(text); });
        EXPECT_EQ(error.code(), ErrorCode::invalid) << text;
        EXPECT_FALSE(error.advice().remedy.empty()) << text;
    }
}

TEST(LimitText, ShowsWindowsAsTheyCanBeWritten) {
    const std::pair<const char*, const char*> table[] = {
        {"mon-fri 08:00-18:00", "mon-fri 08:00-18:00"},
        {"mon,tue 08:00-18:00", "mon,tue 08:00-18:00"},
        {"sat-mon 22:00-06:00", "mon,sat,sun 22:00-06:00"},
        {"daily 00:00-24:00", "daily 00:00-24:00"},
        {"mon,wed,thu,fri,sun 01:00-02:00", "mon,wed-fri,sun 01:00-02:00"}};
    for (const auto& [written, shown] : table) {
        EXPECT_EQ(window_text(window_from(std::string(written) + " none")), shown);
    }
}

TEST(LimitText, ReadsRatesInUnitsThatMeanOneThing) {
    const std::pair<const char*, Bytes> table[] = {{"100Mbit", 12'500'000},
                                                   {"100Mbit/s", 12'500'000},
                                                   {"1.5Gbit", 187'500'000},
                                                   {"800kbit", 100'000},
                                                   {"12MB", 12'000'000},
                                                   {"12MiB", 12'582'912},
                                                   {"12MiB/s", 12'582'912},
                                                   {"500kB", 500'000},
                                                   {"64KiB", 65'536},
                                                   {"1GB", 1'000'000'000},
                                                   {"1GiB", GiB},
                                                   {"none", 0}};
    for (const auto& [text, rate] : table) {
        EXPECT_EQ(parse_rate(text, "--limit"), rate) << text;
    }
}

TEST(LimitText, RefusesRatesThatCouldMeanTwoThings) {
    for (const auto* text : {"", "100", "100M", "100Mb", "100mbit", "Mbit", "0Mbit", "-5Mbit", "1e3Mbit", "nanMbit",
                             "infMbit", "99999999999999GB", "12MB/m", "12 MB"}) {
        const auto error = test::error_of([&] { parse_rate(text, "--limit"); });
        EXPECT_EQ(error.code(), ErrorCode::invalid) << text;
        EXPECT_NE(error.cause().find("--limit"), std::string::npos) << text;
    }
}

TEST(LimitText, ShowsALimitAsLineAndAsCopy) {
    EXPECT_EQ(format_limit(0), "no limit");
    EXPECT_EQ(format_limit(12'500'000), "100 Mbit/s (11.9 MiB/s)");
    EXPECT_EQ(format_limit(12 * MiB), "100.7 Mbit/s (12.0 MiB/s)");
    EXPECT_EQ(format_limit(125'000'000), "1 Gbit/s (119.2 MiB/s)");
    EXPECT_EQ(format_limit(100'000), "800 kbit/s (97.7 KiB/s)");
    EXPECT_EQ(limit_text({{"bytes_per_second", nullptr}}), "no limit");
}

}  // namespace
}  // namespace mk::cli
