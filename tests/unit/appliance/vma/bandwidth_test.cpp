#include "appliance/vma/bandwidth.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "base/retry.hpp"
#include "contracts/engine_api.hpp"
#include "support/fake_clock.hpp"

namespace mk::vma {
namespace {

using namespace std::chrono_literals;

/// Engines that take what they are told, and use what they can of it.
class SharedTunnel : public testing::Test {
  protected:
    struct Engine {
        std::vector<Bytes> told;
        double appetite = 1e18;  ///< bytes per second that it could use
        Bytes moved = 0;
    };

    void join(const std::string& id, int priority = 0, Bytes cap = 0) {
        Engine& engine = engines[id];
        bandwidth.join(JobId{id}, {.priority = priority, .cap = cap, .send = [this, &engine](const std::string& line) {
                                       engine.told.push_back(contracts::engine_command_from(line).bytes_per_second);
                                       greatest_sum = std::max(greatest_sum, sum());
                                       return true;
                                   }});
    }
    void leave(const std::string& id) {
        engines[id].told.clear();  // it has ended and moves nothing more
        bandwidth.leave(JobId{id});
        engines.erase(id);
    }
    Bytes limit_of(const std::string& id) const { return engines.at(id).told.back(); }
    /// Of what the engines that were told anything may use together.
    Bytes sum() const {
        Bytes all = 0;
        for (const auto& [id, engine] : engines) {
            all += engine.told.empty() ? 0 : engine.told.back();
        }
        return all;
    }
    /// Time passes; each engine moves what it can.
    void run(int seconds) {
        for (int quarter = 0; quarter < 4 * seconds; ++quarter) {
            clock.advance(250ms);
            for (auto& [id, engine] : engines) {
                const double rate = std::min(engine.appetite, static_cast<double>(engine.told.back()));
                engine.moved += static_cast<Bytes>(rate / 4);
                bandwidth.measured(JobId{id}, engine.moved);
            }
            if (quarter % 8 == 7) {
                bandwidth.update();
            }
        }
    }

    test::FakeClock clock;
    Bandwidth bandwidth{0, clock};
    std::map<std::string, Engine> engines;
    Bytes greatest_sum = 0;
};

TEST_F(SharedTunnel, WithoutLimitEverybodyHasItsOwn) {
    join("1");
    join("2", 0, 5 * MiB);
    EXPECT_EQ(limit_of("1"), 0U);
    EXPECT_EQ(limit_of("2"), 5 * MiB);
    run(20);
    EXPECT_EQ(engines["1"].told.size(), 1U) << "nothing changed, nothing is said";
}

TEST_F(SharedTunnel, ALimitIsSharedWheneverAJobStartsOrEnds) {
    bandwidth.set_total(120 * MiB);
    join("1");
    EXPECT_EQ(limit_of("1"), 120 * MiB);
    join("2");
    join("3");
    for (const char* id : {"1", "2", "3"}) {
        EXPECT_EQ(limit_of(id), 40 * MiB);
    }
    leave("2");
    EXPECT_EQ(limit_of("1"), 60 * MiB);
    EXPECT_LE(greatest_sum, 120 * MiB) << "not even for a moment";
}

TEST_F(SharedTunnel, LimitsChangeWhileJobsRun) {
    join("1");
    join("2");
    bandwidth.set_total(100 * MiB);
    EXPECT_EQ(limit_of("1"), 50 * MiB);
    bandwidth.set_cap(JobId{"1"}, 10 * MiB);
    EXPECT_EQ(limit_of("1"), 10 * MiB);
    EXPECT_EQ(limit_of("2"), 90 * MiB);
    bandwidth.set_total(101 * MiB);
    EXPECT_EQ(limit_of("2"), 91 * MiB) << "what is set is told exactly";
    bandwidth.set_total(0);
    EXPECT_EQ(limit_of("1"), 10 * MiB);
    EXPECT_EQ(limit_of("2"), 0U);
    bandwidth.set_cap(JobId{"1"}, 0);
    EXPECT_EQ(limit_of("1"), 0U);
    bandwidth.set_cap(JobId{"nobody"}, 5 * MiB);
}

TEST_F(SharedTunnel, PriorityWeighs) {
    bandwidth.set_total(90 * MiB);
    join("urgent", 25);
    join("other");
    EXPECT_EQ(limit_of("urgent"), 60 * MiB);
    EXPECT_EQ(limit_of("other"), 30 * MiB);
}

TEST_F(SharedTunnel, WhatASlowJobDoesNotUseTheOthersGet) {
    bandwidth.set_total(100 * MiB);
    join("slow");
    join("fast");
    engines["slow"].appetite = 4.0 * MiB;
    run(10);
    EXPECT_LT(limit_of("slow"), 8 * MiB);
    EXPECT_GE(limit_of("slow"), 4 * MiB) << "it is not slowed down";
    EXPECT_GT(limit_of("fast"), 90 * MiB);
}

TEST_F(SharedTunnel, AJobThatBeginsToCopyHasItsPartInAMoment) {
    bandwidth.set_total(100 * MiB);
    join("idle");
    join("busy");
    engines["idle"].appetite = 0;
    run(20);
    EXPECT_GT(limit_of("busy"), 90 * MiB);
    EXPECT_GT(limit_of("idle"), 0U);
    engines["idle"].appetite = 1e18;
    run(10);
    EXPECT_EQ(limit_of("idle"), 50 * MiB);
    EXPECT_EQ(limit_of("busy"), 50 * MiB);
    EXPECT_LE(greatest_sum, 100 * MiB);
}

TEST_F(SharedTunnel, AJobOfLowPriorityDoesNotStarve) {
    bandwidth.set_total(10 * MiB);
    join("last", -100);
    for (int i = 0; i < 8; ++i) {
        join("job-" + std::to_string(i), 100);
    }
    run(30);
    EXPECT_GT(engines["last"].moved, 30 * 4 * KiB);
    EXPECT_LE(sum(), 10 * MiB);
}

TEST_F(SharedTunnel, AMeasureThatFallsOrAClockThatIsSetHarmsNobody) {
    bandwidth.set_total(100 * MiB);
    join("1");
    join("2");
    run(10);
    bandwidth.measured(JobId{"1"}, 5);
    bandwidth.update();
    EXPECT_EQ(limit_of("1"), 50 * MiB);
    clock.advance(-1h);
    bandwidth.measured(JobId{"2"}, engines["2"].moved);
    bandwidth.update();
    EXPECT_EQ(limit_of("2"), 50 * MiB);
    bandwidth.measured(JobId{"nobody"}, 5);
}

TEST_F(SharedTunnel, AnEngineThatDoesNotListenIsNoHindrance) {
    bandwidth.join(JobId{"deaf"}, {.priority = 0, .cap = 0, .send = [](const std::string&) { return false; }});
    join("1");
    bandwidth.set_total(100 * MiB);
    EXPECT_EQ(limit_of("1"), 50 * MiB);
}

TEST_F(SharedTunnel, ItIsKeptCurrentUntilStopped) {
    std::jthread keeper([&](const std::stop_token& stop) { bandwidth.keep_current(stop); });
    bandwidth.set_total(100 * MiB);
    join("1");
    keeper.request_stop();
    keeper.join();
    EXPECT_EQ(limit_of("1"), 100 * MiB);
}

}  // namespace
}  // namespace mk::vma
