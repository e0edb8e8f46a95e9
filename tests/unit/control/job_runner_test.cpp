#include "control/joblog/job_runner.hpp"

#include <atomic>
#include <latch>
#include <stdexcept>

#include <gtest/gtest.h>

#include "base/retry.hpp"
#include "support/error_of.hpp"

namespace mk::joblog {
namespace {

const JobId job{"job"};

void wait_for(const std::stop_token& stop) {
    pause(std::chrono::minutes{10}, stop);
}

TEST(JobRunner, CancelStopsOneJobAndNoOther) {
    std::latch stopped(1);
    std::atomic<bool> other_stopped = false;
    JobRunner runner;
    runner.start(job, [&](const std::stop_token& stop) {
        wait_for(stop);
        stopped.count_down();
    });
    runner.start(JobId{"other"}, [&](const std::stop_token& stop) {
        wait_for(stop);
        other_stopped = true;
    });
    EXPECT_TRUE(runner.cancel(job));
    stopped.wait();
    EXPECT_FALSE(other_stopped);
    EXPECT_FALSE(runner.cancel(JobId{"unknown"}));
    runner.stop();
    EXPECT_TRUE(other_stopped);
}

TEST(JobRunner, JobMayStartAnotherOne) {
    std::latch done(1);
    JobRunner runner;
    runner.start(job, [&](const std::stop_token&) {
        runner.start(JobId{"second"}, [&](const std::stop_token&) { done.count_down(); });
    });
    done.wait();
}

TEST(JobRunner, JobThatStartsAnotherOneWhileTheRunnerStopsIsRefusedAndEndsAlone) {
    std::atomic<bool> refused = false;
    JobRunner runner;
    std::latch running(1);
    runner.start(job, [&](const std::stop_token& stop) {
        running.count_down();
        wait_for(stop);
        refused = test::code_of([&] { runner.start(JobId{"second"}, [](const std::stop_token&) {}); }) ==
                  ErrorCode::unavailable;
        throw std::runtime_error("and it does not even catch what it is told");
    });
    running.wait();
    runner.stop();
    EXPECT_TRUE(refused);
    runner.stop();
}

TEST(JobRunner, RunningJobIsNotStartedTwice) {
    JobRunner runner;
    runner.start(job, wait_for);
    EXPECT_EQ(test::code_of([&] { runner.start(job, wait_for); }), ErrorCode::conflict);
}

TEST(JobRunner, InsistRepeatsUntilItIsRecorded) {
    JobRunner runner(std::chrono::milliseconds{1});
    int tries = 0;
    runner.insist(job, [&] {
        if (++tries < 4) {
            throw Error(ErrorCode::exhausted, "the disk is full");
        }
    });
    EXPECT_EQ(tries, 4);
}

TEST(JobRunner, InsistGivesUpWhenTheRunnerStops) {
    JobRunner runner(std::chrono::minutes{10});
    std::latch tried(1);
    runner.start(job, [&](const std::stop_token&) {
        runner.insist(job, [&] {
            tried.count_down();
            throw Error(ErrorCode::exhausted, "the disk is full");
        });
    });
    tried.wait();
    runner.stop();
}

}  // namespace
}  // namespace mk::joblog
