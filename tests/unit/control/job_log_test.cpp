#include "control/joblog/job_log.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "unit/control/control_plane.hpp"

namespace mk::joblog {
namespace {

class JobLogTest : public test::ControlPlane {
  protected:
    JobId start(const std::vector<StepPlan>& steps = {{"one", "First", 1}, {"two", "Second", 3}}) {
        return job_log.start({.type = JobType::migration,
                              .operation = "sync",
                              .owner = "test",
                              .vm_context_id = {},
                              .metadata = "",
                              .steps = steps});
    }
    void succeed(const JobId& job, const std::string& step) {
        job_log.run_step(job, step, [](StepContext&) {});
    }
    void fail(const JobId& job, const std::string& step, ErrorCode code = ErrorCode::external) {
        EXPECT_EQ(
            test::code_of([&] { job_log.run_step(job, step, [&](StepContext&) { throw Error(code, "broken"); }); }),
            code);
    }
};

TEST_F(JobLogTest, JobOfFinishedStepsIsCompleted) {
    const auto job = start();
    succeed(job, "one");
    EXPECT_EQ(job_log.find(job)->percent, 25);
    succeed(job, "two");
    EXPECT_EQ(job_log.end(job), JobStatus::completed);
    EXPECT_EQ(job_log.find(job)->percent, 100);
}

TEST_F(JobLogTest, StepIsWrittenAsRunningBeforeItsBody) {
    const auto job = start();
    job_log.run_step(job, "one", [&](StepContext&) { EXPECT_EQ(step_status(job, "one"), StepStatus::running); });
    EXPECT_EQ(step_status(job, "one"), StepStatus::completed);
}

TEST_F(JobLogTest, StepsThatAreResetAreRunAgainUntilTheJobHasEnded) {
    const auto job = start();
    succeed(job, "one");
    fail(job, "two");
    job_log.reset_steps(job, {"one", "two"});
    EXPECT_EQ(step_status(job, "one"), StepStatus::pending);
    EXPECT_EQ(step_status(job, "two"), StepStatus::pending);
    int runs = 0;
    job_log.run_step(job, "one", [&](StepContext&) { ++runs; });
    succeed(job, "two");
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(job_log.end(job), JobStatus::completed);
    EXPECT_EQ(test::code_of([&] { job_log.reset_steps(job, {"one"}); }), ErrorCode::internal);
    EXPECT_EQ(step_status(job, "one"), StepStatus::completed);
}

TEST_F(JobLogTest, WorstStepIsTheOutcome) {
    const auto warned = start();
    job_log.run_step(warned, "one", [](StepContext& step) { step.finish_with_warning("not proven"); });
    succeed(warned, "two");
    EXPECT_EQ(job_log.end(warned), JobStatus::warning);
    EXPECT_EQ(job_log.find(warned)->percent, 100);

    const auto failed = start();
    fail(failed, "one");
    succeed(failed, "two");
    EXPECT_EQ(job_log.end(failed), JobStatus::failed);  // although nobody told it of an error (DD 27)

    const auto cancelled = start();
    fail(cancelled, "one", ErrorCode::cancelled);
    EXPECT_EQ(job_log.end(cancelled), JobStatus::cancelled);
    EXPECT_EQ(step_status(cancelled, "two"), StepStatus::cancelled);
}

TEST_F(JobLogTest, StepsThatWereNotNeededAreSkippedBySuccess) {
    const auto job = start();
    succeed(job, "one");
    EXPECT_EQ(job_log.end(job), JobStatus::completed);
    EXPECT_EQ(step_status(job, "two"), StepStatus::skipped);
}

TEST_F(JobLogTest, RepeatedStepRunsOnlyUntilItIsDone) {
    const auto job = start();
    int runs = 0;
    fail(job, "one");
    for (int i = 0; i < 2; ++i) {
        job_log.run_step(job, "one", [&](StepContext&) { ++runs; });
    }
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(step_status(job, "one"), StepStatus::completed);
}

TEST_F(JobLogTest, PercentNeverGoesBackwards) {
    const auto job = start();
    succeed(job, "one");
    job_log.run_step(job, "two", [&](StepContext& step) {
        step.progress(0.5);
        EXPECT_EQ(job_log.find(job)->percent, 62);
        step.progress(0.1);
        EXPECT_EQ(job_log.find(job)->percent, 62);
        step.progress(7);
        EXPECT_EQ(job_log.find(job)->percent, 100);
    });
}

TEST_F(JobLogTest, EndedJobStaysAsItIs) {
    const auto job = start();
    const Error error(ErrorCode::external, "broken",
                      {.consequence = "Nothing.", .remedy = "Again.", .retry_safe = true});
    EXPECT_EQ(job_log.end(job, &error), JobStatus::failed);
    const auto completed = job_log.find(job)->completed;
    clock.advance(std::chrono::seconds{1});
    EXPECT_EQ(job_log.end(job), JobStatus::failed);
    EXPECT_EQ(job_log.find(job)->completed, completed);
    const auto stored_error = json::parse(job_log.find(job)->error);
    EXPECT_EQ(stored_error.at("remedy"), "Again.");
    EXPECT_EQ(stored_error.at("retry_safe"), true);
}

TEST_F(JobLogTest, StepThatRunsWhenTheJobEndsHasFailed) {
    const auto job = start();
    job_log.run_step(job, "one", [&](StepContext&) { EXPECT_EQ(job_log.end(job), JobStatus::failed); });
    EXPECT_EQ(job_log.find(job)->status, JobStatus::failed);
}

TEST_F(JobLogTest, InterruptedStepCanBeFoundComplete) {
    const auto job = start({{"one", "First", 1}});
    fail(job, "one");
    job_log.complete_interrupted_step(job, "one");
    EXPECT_EQ(job_log.end(job), JobStatus::completed);
}

TEST_F(JobLogTest, FailureToRecordDoesNotHideTheFailureOfTheStep) {
    const auto job = start();
    const auto error = test::error_of([&] {
        job_log.run_step(job, "one", [&](StepContext&) {
            faults.refuse_writes(100);
            throw Error(ErrorCode::corrupt, "the data is wrong");
        });
    });
    faults.refuse_writes(0);
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_EQ(job_log.end(job, &error), JobStatus::failed);
}

TEST_F(JobLogTest, UnknownJobsAndStepsAreDefects) {
    const auto job = start();
    EXPECT_EQ(test::code_of([&] { succeed(job, "three"); }), ErrorCode::internal);
    EXPECT_EQ(test::code_of([&] { job_log.end(JobId{"none"}); }), ErrorCode::not_found);
    EXPECT_FALSE(job_log.find(JobId{"none"}));
}

TEST_F(JobLogTest, MetadataIsKeptByKey) {
    const auto job = start();
    job_log.remember(job, "a", 1);
    job_log.remember(job, "b", true);
    EXPECT_EQ(job_log.recall(job, "a"), 1);
    EXPECT_EQ(job_log.recall(job, "b"), true);
    EXPECT_TRUE(job_log.recall(job, "c").is_null());
    EXPECT_TRUE(job_log.recall(JobId{"none"}, "a").is_null());
}

TEST_F(JobLogTest, EventsComeInOrderAndPageByPage) {
    const auto job = start();
    for (int i = 0; i < 5; ++i) {
        job_log.log(job, Level::warn, std::to_string(i));
    }
    const auto first = job_log.events(job, "", 3);
    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(first[0].message, "0");
    EXPECT_EQ(first[0].level, Level::warn);
    const auto rest = job_log.events(job, first.back().id, 10);
    ASSERT_EQ(rest.size(), 2U);
    EXPECT_EQ(rest[1].message, "4");
}

TEST_F(JobLogTest, JobsOfAMachineAreFoundByWhatTheyNote) {
    const auto noting = [&](const std::string& vm, const Json& value) {
        const auto job = job_log.start({.type = JobType::migration,
                                        .operation = "sync",
                                        .owner = "test",
                                        .vm_context_id = VmContextId{vm},
                                        .metadata = "{}",
                                        .steps = {}});
        job_log.remember(job, "left", value);
        return job;
    };
    const auto vm = add_machine();
    const auto first = noting(vm.value, true);
    noting(vm.value, false);
    noting(add_machine(test::a_machine("db-01", "uuid-2")).value, true);
    const auto last = noting(vm.value, true);
    const auto found = job_log.list_noting(vm, R"("left":true)");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].id, last);
    EXPECT_EQ(found[1].id, first);
}

TEST_F(JobLogTest, OpenJobsAreListedNewestFirst) {
    const auto first = start();
    const auto second = start();
    EXPECT_EQ(job_log.list({}, true, 10).front().id, second);
    job_log.end(second);
    ASSERT_EQ(job_log.list({}, true, 10).size(), 1U);
    EXPECT_EQ(job_log.list({}, true, 10).front().id, first);
}

}  // namespace
}  // namespace mk::joblog
