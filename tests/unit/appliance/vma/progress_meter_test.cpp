#include "appliance/vma/progress_meter.hpp"

#include <gtest/gtest.h>

using namespace mk;
using mk::vma::ProgressMeter;

namespace {

Instant at(double seconds) {
    return from_ms(1'700'000'000'000 + static_cast<std::int64_t>(seconds * 1000));
}

/// One sample a second from `from` to `to`, at a steady speed.
void run(ProgressMeter& meter, int from, int to, Bytes per_second, Bytes total) {
    for (int second = from; second <= to; ++second) {
        meter.record(at(second), static_cast<Bytes>(second) * per_second, total);
    }
}

}  // namespace

TEST(ProgressMeter, NothingIsKnownAtFirst) {
    ProgressMeter meter;
    meter.record(at(0), 0, 0);
    EXPECT_EQ(meter.percent(), 0);
    EXPECT_EQ(meter.bytes_per_second(at(5)), 0);
    EXPECT_FALSE(meter.eta_seconds(at(100)));
}

TEST(ProgressMeter, PercentIsOfTheBytesThatMustMove) {
    ProgressMeter meter;
    meter.record(at(0), 2 * GiB, 18 * GiB);
    EXPECT_DOUBLE_EQ(meter.percent(), 11.1);
}

TEST(ProgressMeter, PercentStaysBelow100AndNeverFalls) {
    ProgressMeter meter;
    meter.record(at(0), 10 * MiB, 10 * MiB);
    EXPECT_EQ(meter.percent(), 99);
    meter.record(at(1), 5 * MiB, 10 * MiB);
    EXPECT_EQ(meter.percent(), 99);
    EXPECT_EQ(meter.done(), 10 * MiB);
}

TEST(ProgressMeter, RateIsTheMeanOfTenSeconds) {
    ProgressMeter meter;
    run(meter, 0, 30, 10 * MiB, 1000 * MiB);
    EXPECT_NEAR(meter.bytes_per_second(at(30)), 10.0 * MiB, 1);
    // Nothing more comes: after ten seconds the rate is zero.
    EXPECT_NEAR(meter.bytes_per_second(at(35)), 5.0 * MiB, 1);
    EXPECT_EQ(meter.bytes_per_second(at(41)), 0);
}

TEST(ProgressMeter, EtaComesAfter20SecondsAndOnePercent) {
    ProgressMeter meter;
    run(meter, 0, 19, 10 * MiB, 1000 * MiB);
    EXPECT_FALSE(meter.eta_seconds(at(19)));
    run(meter, 20, 20, 10 * MiB, 1000 * MiB);
    ASSERT_TRUE(meter.eta_seconds(at(20)));
    EXPECT_EQ(*meter.eta_seconds(at(20)), 80);

    ProgressMeter slow;
    run(slow, 0, 30, 1 * MiB, 100'000 * MiB);
    EXPECT_FALSE(slow.eta_seconds(at(30))) << "below 1 %";
}

TEST(ProgressMeter, EtaFollowsRecentSpeed) {
    ProgressMeter meter;
    run(meter, 0, 60, 10 * MiB, 10'000 * MiB);
    const auto before = meter.eta_seconds(at(60));
    for (int i = 1; i <= 60; ++i) {
        meter.record(at(60 + i), 600 * MiB + static_cast<Bytes>(i) * 1 * MiB, 10'000 * MiB);
    }
    ASSERT_TRUE(before);
    ASSERT_TRUE(meter.eta_seconds(at(120)));
    EXPECT_GT(*meter.eta_seconds(at(120)), 5 * *before);
}

TEST(ProgressMeter, AStallHasNoTimeLeft) {
    ProgressMeter meter;
    run(meter, 0, 30, 10 * MiB, 1000 * MiB);
    EXPECT_TRUE(meter.eta_seconds(at(40)));
    EXPECT_FALSE(meter.eta_seconds(at(91)));
}
