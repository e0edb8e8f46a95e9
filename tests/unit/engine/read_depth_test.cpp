#include "engine/read_depth.hpp"

#include <deque>

#include <gtest/gtest.h>

namespace mk::engine {
namespace {

using namespace std::chrono_literals;
using Time = ReadDepth::Time;

/// A source that takes `latency` for each request and hands out an answer every `service` at most, asked by a lane that
/// keeps as many requests in flight as the depth says.
class Exchange {
  public:
    explicit Exchange(std::size_t most) : depth_(most) {}

    /// The most that was in flight among the last quarter of `answers`.
    std::size_t run(std::size_t answers, std::chrono::nanoseconds latency, std::chrono::nanoseconds service) {
        std::size_t most_in_flight = 0;
        for (std::size_t i = 0; i < answers; ++i) {
            while (asked_.size() < depth_.limit()) {
                asked_.push_back(now_);
            }
            if (i >= answers / 4 * 3) {
                most_in_flight = std::max(most_in_flight, asked_.size());
            }
            const Time first = asked_.front();
            asked_.pop_front();
            now_ = std::max(now_ + service, first + latency);
            depth_.answered(first, now_);
        }
        return most_in_flight;
    }

  private:
    ReadDepth depth_;
    std::deque<Time> asked_;
    Time now_{};
};

TEST(ReadDepth, TheFirstRequestGoesAlone) {
    ReadDepth depth(32);
    EXPECT_EQ(depth.limit(), 1u);
    depth.answered(Time{}, Time{} + 1ms);
    EXPECT_EQ(depth.limit(), ReadDepth::least);
}

TEST(ReadDepth, StaysSmallWhenTheSourceAnswersAtOnce) {
    EXPECT_EQ(Exchange(32).run(200'000, 50us, 50us), ReadDepth::least);
}

TEST(ReadDepth, GrowsToWhatASlowSourceNeeds) {
    // 2 ms of latency and an answer every 100 us: 20 are under way.
    const auto depth = Exchange(64).run(50'000, 2ms, 100us);
    EXPECT_GE(depth, 20u);
    EXPECT_LE(depth, 32u);
}

TEST(ReadDepth, NeverExceedsTheMost) {
    EXPECT_EQ(Exchange(16).run(10'000, 50ms, 10us), 16u);
    EXPECT_EQ(Exchange(2).run(10'000, 50ms, 10us), 2u);
    EXPECT_EQ(Exchange(0).run(100, 50ms, 10us), 1u);
}

TEST(ReadDepth, FollowsASourceThatChanges) {
    Exchange exchange(32);
    ASSERT_EQ(exchange.run(100'000, 50us, 50us), ReadDepth::least);
    EXPECT_GE(exchange.run(100'000, 2ms, 100us), 20u);
    EXPECT_EQ(exchange.run(200'000, 50us, 50us), ReadDepth::least);
}

}  // namespace
}  // namespace mk::engine
