#include "tunnel/compression_policy.hpp"

#include <gtest/gtest.h>

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using Sample = CompressionPolicy::Sample;

/// 4 MiB of payload: more than one window.
Sample window(double ratio, milliseconds elapsed, milliseconds compressing, milliseconds wait) {
    return {.payload = 4 * MiB,
            .on_wire = static_cast<Bytes>(ratio * 4 * MiB),
            .elapsed = elapsed,
            .compressing = compressing,
            .wait = wait};
}

constexpr milliseconds second{1000};
const Sample slow_wire_packed = window(0.4, second, milliseconds{100}, milliseconds{800});
const Sample slow_wire_raw = window(1.0, milliseconds{2500}, milliseconds{0}, milliseconds{2400});
const Sample fast_wire_packed = window(0.4, milliseconds{20}, milliseconds{15}, milliseconds{0});
const Sample fast_wire_raw = window(1.0, milliseconds{4}, milliseconds{0}, milliseconds{0});

TEST(TheCompressionPolicy, TriesFromTheBeginning) {
    EXPECT_EQ(CompressionPolicy{}.level(), 1);
}

TEST(TheCompressionPolicy, TurnsOffWhereItDoesNotHelpAndTriesAgainLater) {
    CompressionPolicy policy;
    policy.add(window(0.98, second, milliseconds{50}, milliseconds{900}));
    EXPECT_EQ(policy.level(), 0);
    Bytes sent = 0;
    while (policy.level() == 0 && sent < GiB) {
        policy.add(slow_wire_raw);
        sent += slow_wire_raw.payload;
    }
    EXPECT_EQ(policy.level(), 1);
    EXPECT_EQ(sent, 16 * MiB);
}

TEST(TheCompressionPolicy, TriesMoreRarelyTheOftenerItWasInVain) {
    CompressionPolicy policy;
    Bytes last = 0;
    for (int trial = 0; trial < 3; ++trial) {
        policy.add(window(1.0, second, milliseconds{50}, milliseconds{900}));
        ASSERT_EQ(policy.level(), 0);
        Bytes sent = 0;
        while (policy.level() == 0 && sent < GiB) {
            policy.add(slow_wire_raw);
            sent += slow_wire_raw.payload;
        }
        EXPECT_GT(sent, last);
        last = sent;
    }
}

TEST(TheCompressionPolicy, TurnsOffWhereTheProcessorIsTheLimit) {
    CompressionPolicy policy;
    policy.add(fast_wire_packed);
    EXPECT_EQ(policy.level(), 0);
    for (int i = 0; i < 100; ++i) {
        policy.add(fast_wire_raw);
    }
    EXPECT_EQ(policy.level(), 0) << "the wire is not waited for";
}

TEST(TheCompressionPolicy, TriesAgainAsSoonAsTheWireTurnsOutToBeSlow) {
    CompressionPolicy policy;
    policy.add(fast_wire_packed);  // only the sockets' buffers are filled
    policy.add(fast_wire_raw);
    EXPECT_EQ(policy.level(), 0);
    policy.add(slow_wire_raw);
    policy.add(slow_wire_raw);
    EXPECT_EQ(policy.level(), 1);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(policy.level(), 1) << "the trial";
        policy.add(slow_wire_packed);
    }
    EXPECT_EQ(policy.level(), 2);
}

TEST(TheCompressionPolicy, TriesHarderOnASlowWireAsLongAsItHelps) {
    CompressionPolicy policy;
    policy.add(slow_wire_packed);
    EXPECT_EQ(policy.level(), 2);
    policy.add(window(0.35, second, milliseconds{150}, milliseconds{800}));
    EXPECT_EQ(policy.level(), 3);
    policy.add(window(0.349, second, milliseconds{150}, milliseconds{800}));
    EXPECT_EQ(policy.level(), 2) << "level 3 gave next to nothing";
    policy.add(window(0.35, second, milliseconds{150}, milliseconds{800}));
    EXPECT_EQ(policy.level(), 2);
}

TEST(TheCompressionPolicy, NeverGoesBeyondLevelSix) {
    CompressionPolicy policy;
    double ratio = 0.9;
    for (int i = 0; i < 20; ++i) {
        policy.add(window(ratio, second, milliseconds{100}, milliseconds{800}));
        ratio *= 0.9;
        EXPECT_LE(policy.level(), 6);
    }
    EXPECT_EQ(policy.level(), 6);
}

TEST(TheCompressionPolicy, StepsDownWhenTheWireGetsFaster) {
    CompressionPolicy policy;
    policy.add(slow_wire_packed);
    ASSERT_EQ(policy.level(), 2);
    policy.add(fast_wire_packed);
    EXPECT_EQ(policy.level(), 1);
    policy.add(fast_wire_packed);
    EXPECT_EQ(policy.level(), 0);
}

TEST(TheCompressionPolicy, GivesUpATrialThatIsNotFaster) {
    CompressionPolicy policy;
    policy.add(fast_wire_packed);
    while (policy.level() == 0) {
        policy.add(slow_wire_raw);
    }
    // The peer's disk is what is slow: waiting as before, and no faster.
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(policy.level(), 1);
        policy.add(window(0.4, milliseconds{2500}, milliseconds{100}, milliseconds{2300}));
    }
    EXPECT_EQ(policy.level(), 0);
    policy.add(slow_wire_raw);
    EXPECT_EQ(policy.level(), 0) << "not before the pause is over";
}

}  // namespace
}  // namespace mk::tunnel
