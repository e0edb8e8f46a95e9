#include "engine/leg_watch.hpp"

#include <gtest/gtest.h>

using namespace mk;
using namespace mk::engine;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

LegSample sample(int at_ms, int read_ms, int send_ms, int answer_ms) {
    return {.at = milliseconds{at_ms},
            .lane_time = milliseconds{at_ms},
            .busy = {},
            .read_wait = milliseconds{read_ms},
            .send_wait = milliseconds{send_ms},
            .answer_wait = milliseconds{answer_ms}};
}

std::string bottleneck(bool through_tunnel, const LegSample& last) {
    LegWatch watch(through_tunnel);
    watch.add(sample(0, 0, 0, 0));
    watch.add(last);
    return watch.bottleneck();
}

}  // namespace

TEST(LegWatch, NamesTheLegThatIsWaitedFor) {
    EXPECT_EQ(bottleneck(true, sample(1000, 810, 100, 50)), "read");
    EXPECT_EQ(bottleneck(true, sample(1000, 100, 810, 50)), "tunnel");
    EXPECT_EQ(bottleneck(true, sample(1000, 100, 50, 810)), "write");
    EXPECT_EQ(bottleneck(true, sample(1000, 100, 410, 410)), "");
    EXPECT_EQ(bottleneck(true, sample(1000, 790, 100, 100)), "");
    EXPECT_EQ(LegWatch(true).bottleneck(), "");
}

TEST(LegWatch, WithoutTunnelTheTargetIsWaitedFor) {
    EXPECT_EQ(bottleneck(false, sample(1000, 100, 410, 410)), "write");
    EXPECT_EQ(bottleneck(false, sample(1000, 100, 810, 0)), "write");
}

TEST(LegWatch, ForgetsWhatIsLongAgo) {
    LegWatch watch(true);
    watch.add(sample(0, 0, 0, 0));
    watch.add(sample(10'000, 10'000, 0, 0));
    EXPECT_EQ(watch.bottleneck(), "read");
    for (int i = 1; i <= 20; ++i) {
        watch.add(sample(10'000 + i * 500, 10'000, i * 500, 0));
    }
    EXPECT_EQ(watch.bottleneck(), "tunnel");
}

namespace {

/// Windows of a second of one lane.
class Growth {
  public:
    LaneGrowth::Advice window(Bytes moved, double busy, bool can_add = true) {
        LegSample after = before_;
        after.at += seconds{1};
        after.lane_time += seconds{1};
        after.busy += milliseconds{static_cast<int>(busy * 1000)};
        after.moved += moved;
        const LaneGrowth::Advice advice = growth_.next(before_, after, can_add);
        before_ = after;
        return advice;
    }

    void refuse() { growth_.refused(); }

  private:
    LaneGrowth growth_;
    LegSample before_;
};

using Advice = LaneGrowth::Advice;

}  // namespace

TEST(LaneGrowth, AddsWhileItHelps) {
    Growth growth;
    EXPECT_EQ(growth.window(100, 0.1), Advice::keep) << "the first one only settles";
    EXPECT_EQ(growth.window(100, 0.1), Advice::add);
    EXPECT_EQ(growth.window(150, 0.1), Advice::keep);
    EXPECT_EQ(growth.window(190, 0.1), Advice::add);
    EXPECT_EQ(growth.window(190, 0.1), Advice::keep);
    EXPECT_EQ(growth.window(191, 0.1), Advice::remove);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(growth.window(190, 0.1), Advice::keep) << "not again at once";
    }
}

TEST(LaneGrowth, ALaneThatWasRefusedIsNotTriedAgainAtOnceNorAnotherRemoved) {
    Growth growth;
    EXPECT_EQ(growth.window(100, 0.1), Advice::keep);
    EXPECT_EQ(growth.window(100, 0.1), Advice::add);
    growth.refuse();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(growth.window(100, 0.1), Advice::keep);
    }
}

TEST(LaneGrowth, DoesNotAddToWhatWorks) {
    Growth growth;
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(growth.window(100, 0.6), Advice::keep);
    }
}

TEST(LaneGrowth, DoesNotAddBeyondTheBudget) {
    Growth growth;
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(growth.window(100, 0.1, false), Advice::keep);
    }
}

TEST(LaneGrowth, DoesNotAddWhileNothingMoves) {
    Growth growth;
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(growth.window(0, 0), Advice::keep);
    }
}
