// What the registry keeps in its state folder: over restarts, on a full disk, with files that are none of its own.

#include "unit/appliance/vma/job_registry_world.hpp"

using namespace mk;
using namespace mk::vma;
using namespace mk::vma::test;

using RegistryState = Registry;

TEST_F(RegistryState, OnAFullDiskNoJobStartsAndARunningOneEnds) {
    runner.plays["1"] = {.lines = {result_line()}, .holds = true};
    runner.plays["2"] = {.lines = {result_line()}};
    registry->start(request("1"));
    {
        const FullDisk full;
        try {
            registry->start(request("2"));
            ADD_FAILURE() << "the job started";
        } catch (const Error& error) {
            EXPECT_NE(error.full_text().find("not started"), std::string::npos);
            EXPECT_NE(error.advice().remedy.find("state folder"), std::string::npos);
            EXPECT_TRUE(error.advice().retry_safe);
        }
        runner.release();
        await("1", "completed");
        EXPECT_EQ(registry->list().size(), 1U);
        registry.reset();  // waits until it has tried to write the end
    }
    open();
    EXPECT_EQ(registry->progress(JobId{"1"}).state, "interrupted") << "its end was not written: it is repeated";
    registry->start(request("2"));
    await("2", "completed");
}

TEST_F(RegistryState, OnAFullDiskTheServiceStarts) {
    contracts::PassProgress left;
    left.job_id = JobId{"9"};
    left.state = "running";
    registry.reset();
    JobStore(folder).save(left);
    const FullDisk full;
    open();
    EXPECT_EQ(registry->progress(JobId{"9"}).state, "interrupted");
}

TEST_F(RegistryState, AJobFileWithAPathForAnIdIsLeftAlone) {
    contracts::PassProgress odd;
    odd.job_id = JobId{"../outside"};
    odd.state = "completed";
    os::write_file_atomically(folder + "/odd.json", json::dump(contracts::to_json(odd)));
    open();
    EXPECT_TRUE(registry->list().empty());
}

TEST_F(RegistryState, FinishedJobsSurviveARestartAndUnfinishedOnesAreInterrupted) {
    runner.plays["1"] = {.lines = {result_line()}};
    runner.plays["2"] = {.lines = {progress_line(5, 10)},
                         .exit = {.code = 1, .signal = 0, .last_output = ""},
                         .holds = true,
                         .line_when_stopped = error_line(ErrorCode::cancelled)};
    registry->start(request("1"));
    await("1", "completed");
    registry->start(request("2"));
    open();
    EXPECT_EQ(registry->progress(JobId{"1"}).state, "completed");
    EXPECT_EQ(registry->progress(JobId{"1"}).result->consistency, "crash");
    EXPECT_EQ(registry->progress(JobId{"2"}).state, "interrupted");
    EXPECT_TRUE(registry->progress(JobId{"2"}).error);
}

TEST_F(RegistryState, AJobFileThatSaysRunningIsInterruptedAtStart) {
    contracts::PassProgress left;
    left.job_id = JobId{"9"};
    left.state = "running";
    registry.reset();
    JobStore(folder).save(left);
    os::write_file_atomically(folder + "/broken.json", "{");
    open();
    EXPECT_EQ(registry->progress(JobId{"9"}).state, "interrupted");
    EXPECT_EQ(registry->list().size(), 1U);
}

TEST_F(RegistryState, ForgottenJobsAreGoneForGood) {
    runner.plays["1"] = {.lines = {result_line()}};
    registry->start(request("1"));
    await("1", "completed");
    registry->forget(JobId{"1"});
    EXPECT_EQ(code_of([&] { registry->progress(JobId{"1"}); }), ErrorCode::not_found);
    EXPECT_EQ(code_of([&] { registry->forget(JobId{"1"}); }), ErrorCode::not_found);
    open();
    EXPECT_TRUE(registry->list().empty());
}

TEST_F(RegistryState, OldFinishedJobsGiveWay) {
    open({.finished = 2});
    for (int i = 0; i < 5; ++i) {
        const std::string id = std::to_string(i);
        runner.plays[id] = {.lines = {result_line()}};
        registry->start(request(id));
        await(id, "completed");
    }
    EXPECT_EQ(registry->list().size(), 3U);
    EXPECT_EQ(registry->progress(JobId{"4"}).state, "completed");
}

TEST_F(RegistryState, IdsThatAreNoFileNamesAreRefused) {
    for (const std::string& id : {std::string(), std::string("../x"), std::string("a/b"), std::string(65, 'a')}) {
        EXPECT_EQ(code_of([&] { registry->start(request(id)); }), ErrorCode::invalid) << id;
    }
}
