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

TEST(ProgressMeter, AStallHasNoTimeLeftButItsLength) {
    ProgressMeter meter;
    run(meter, 0, 30, 10 * MiB, 1000 * MiB);
    auto speak_until = [&, second = 31](int end) mutable {  // but nothing moves
        for (; second <= end; ++second) {
            meter.record(at(second), 300 * MiB, 1000 * MiB);
        }
    };
    speak_until(89);
    EXPECT_FALSE(meter.stalled_seconds(at(89)));
    EXPECT_TRUE(meter.eta_seconds(at(89)));
    speak_until(90);
    EXPECT_EQ(meter.stalled_seconds(at(90)), 60);
    EXPECT_FALSE(meter.eta_seconds(at(90)));
    speak_until(200);
    EXPECT_EQ(meter.stalled_seconds(at(200.9)), 170);
    meter.record(at(201), 301 * MiB, 1000 * MiB);
    EXPECT_FALSE(meter.stalled_seconds(at(201)));
    EXPECT_TRUE(meter.eta_seconds(at(230)));
}

TEST(ProgressMeter, AnEngineThatFallsSilentIsStalledToo) {
    ProgressMeter meter;
    run(meter, 0, 30, 10 * MiB, 1000 * MiB);
    EXPECT_TRUE(meter.eta_seconds(at(40)));
    EXPECT_FALSE(meter.eta_seconds(at(91)));
    EXPECT_EQ(meter.stalled_seconds(at(91)), 61);
}

TEST(ProgressMeter, WhatIsDoneDoesNotStall) {
    ProgressMeter meter;
    run(meter, 0, 30, 10 * MiB, 300 * MiB);
    EXPECT_FALSE(meter.stalled_seconds(at(500)));
    EXPECT_FALSE(ProgressMeter().stalled_seconds(at(500)));
}

TEST(ProgressMeter, TheRestOfAnEarlierAttemptIsNoSpeed) {
    ProgressMeter meter;
    for (int second = 0; second <= 20; ++second) {
        meter.record(at(second), 610 * MiB + static_cast<Bytes>(second) * MiB, 1000 * MiB);
    }
    EXPECT_NEAR(meter.bytes_per_second(at(20)), 1.0 * MiB, 1);
    EXPECT_EQ(meter.percent(), 63);
    EXPECT_EQ(meter.eta_seconds(at(20)), 370);
}

TEST(ProgressMeter, MoreThanTheTotalIsNoNegativeTime) {
    ProgressMeter meter;
    run(meter, 0, 30, 10 * MiB, 200 * MiB);
    EXPECT_EQ(meter.eta_seconds(at(30)), 0);
    EXPECT_EQ(meter.percent(), 99);
}

TEST(ProgressMeter, ATotalThatGrowsDoesNotTakePercentBack) {
    ProgressMeter meter;
    meter.record(at(0), 50, 100);
    meter.record(at(1), 60, 1000);
    EXPECT_EQ(meter.percent(), 50);
    EXPECT_EQ(meter.total(), 1000U);
    meter.record(at(2), 600, 1000);
    EXPECT_EQ(meter.percent(), 60);
}

TEST(ProgressMeter, HolesThatAreFoundLowerTheTotal) {
    ProgressMeter meter;
    meter.record(at(0), 100, 1000);
    meter.record(at(1), 100, 200);
    EXPECT_EQ(meter.percent(), 50);
    meter.record(at(2), 100, 50);
    EXPECT_EQ(meter.percent(), 99);
    EXPECT_EQ(meter.done(), 50U);
    meter.record(at(3), 100, 0);
    EXPECT_EQ(meter.total(), 50U) << "nothing is said of it";
}

TEST(ProgressMeter, AClockThatIsSetStartsTheMeasuringAnew) {
    ProgressMeter meter;
    run(meter, 100'000, 100'060, 10 * MiB, 10'000'000 * MiB);
    for (int second = 0; second <= 30; ++second) {
        meter.record(at(second), 1'000'600 * MiB + static_cast<Bytes>(second) * MiB, 10'000'000 * MiB);
    }
    EXPECT_NEAR(meter.bytes_per_second(at(30)), 1.0 * MiB, 1);
    ASSERT_TRUE(meter.eta_seconds(at(30)));
    EXPECT_NEAR(static_cast<double>(*meter.eta_seconds(at(30))), 8'999'370.0, 1000.0);
    EXPECT_FALSE(meter.eta_seconds(at(-1000)));
    EXPECT_EQ(meter.bytes_per_second(at(-1000)), 0);
}

TEST(ProgressMeter, ReportsInQuickSuccessionMeasureTheSame) {
    ProgressMeter slow;
    ProgressMeter quick;
    run(slow, 0, 60, 10 * MiB, 10'000 * MiB);
    for (int i = 0; i <= 6000; ++i) {
        quick.record(at(i / 100.0), static_cast<Bytes>(i) * 10 * MiB / 100, 10'000 * MiB);
    }
    EXPECT_NEAR(quick.bytes_per_second(at(60)), slow.bytes_per_second(at(60)), 0.3 * MiB);
    EXPECT_EQ(quick.eta_seconds(at(60)), slow.eta_seconds(at(60)));
}
