// Later attempts of a job, what they go on from, and the limits of jobs that run.

#include "unit/appliance/vma/job_registry_world.hpp"

using namespace mk;
using namespace mk::vma;
using namespace mk::vma::test;

using RegistryAttempts = Registry;

TEST_F(RegistryAttempts, ALaterAttemptStartsTheJobAnew) {
    runner.plays["1"] = {.lines = {progress_line(50, 100), error_line(ErrorCode::unavailable)},
                         .exit = {.code = 1, .signal = 0, .last_output = ""}};
    registry->start(request("1"));
    await("1", "failed");
    EXPECT_EQ(registry->progress(JobId{"1"}).attempt, 1);
    runner.plays["1"] = {.lines = {result_line()}};
    registry->start(attempt("1", 2));
    await("1", "completed");
    const auto progress = registry->progress(JobId{"1"});
    EXPECT_EQ(progress.attempt, 2);
    EXPECT_FALSE(progress.error) << "of the attempt before";
    EXPECT_EQ(registry->list().size(), 1U);
    open();
    EXPECT_EQ(registry->progress(JobId{"1"}).attempt, 2);
    EXPECT_EQ(registry->progress(JobId{"1"}).state, "completed")
        << "the end of the attempt before was not written over it";
}

TEST_F(RegistryAttempts, TheSameOrAnEarlierAttemptStartsNothing) {
    runner.plays["1"] = {.lines = {error_line(ErrorCode::unavailable)},
                         .exit = {.code = 1, .signal = 0, .last_output = ""}};
    registry->start(attempt("1", 3));
    await("1", "failed");
    for (int number = 1; number <= 3; ++number) {
        registry->start(attempt("1", number));
    }
    open();
    registry->start(attempt("1", 3));
    EXPECT_EQ(registry->progress(JobId{"1"}).state, "failed");
    EXPECT_EQ(runner.started.size(), 1U);
}

TEST_F(RegistryAttempts, ARunningJobIsNotStartedAnew) {
    runner.plays["1"] = {.lines = {result_line()}, .holds = true};
    registry->start(request("1"));
    await_running(1);
    EXPECT_EQ(code_of([&] { registry->start(attempt("1", 2)); }), ErrorCode::conflict);
    registry->start(attempt("1", 1));
    runner.release();
    await("1", "completed");
    EXPECT_EQ(registry->progress(JobId{"1"}).attempt, 1);
}

TEST_F(RegistryAttempts, AfterARestartTheNextAttemptGoesOn) {
    contracts::PassProgress left;
    left.job_id = JobId{"9"};
    left.state = "running";
    left.attempt = 4;
    registry.reset();
    JobStore(folder).save(left);
    open();
    runner.plays["9"] = {.lines = {result_line()}};
    registry->start(attempt("9", 4));
    EXPECT_EQ(registry->progress(JobId{"9"}).state, "interrupted");
    registry->start(attempt("9", 5));
    await("9", "completed");
}

TEST_F(RegistryAttempts, ALaterAttemptRespectsWhoCopiesTheMachine) {
    runner.plays["1"] = {.lines = {error_line(ErrorCode::unavailable)},
                         .exit = {.code = 1, .signal = 0, .last_output = ""}};
    runner.plays["2"] = {.lines = {result_line()}, .holds = true};
    registry->start(request("1", "vm-7"));
    await("1", "failed");
    registry->start(request("2", "vm-7"));
    contracts::PassRequest again = request("1", "vm-7");
    again.attempt = 2;
    EXPECT_EQ(code_of([&] { registry->start(again); }), ErrorCode::conflict);
    EXPECT_EQ(registry->progress(JobId{"1"}).state, "failed") << "the attempt before is still told";
    runner.release();
    await("2", "completed");
}

TEST_F(RegistryAttempts, OnAFullDiskTheAttemptBeforeIsStillTold) {
    runner.plays["1"] = {.lines = {error_line(ErrorCode::unavailable)},
                         .exit = {.code = 1, .signal = 0, .last_output = ""}};
    registry->start(request("1"));
    await("1", "failed");
    {
        const FullDisk full;
        EXPECT_THROW(registry->start(attempt("1", 2)), Error);
        EXPECT_EQ(registry->progress(JobId{"1"}).attempt, 1);
    }
    runner.plays["1"] = {.lines = {result_line()}};
    registry->start(attempt("1", 2));
    await("1", "completed");
}

TEST_F(RegistryAttempts, ThePassesOfAMachineShareOneCheckpointThatOutlivesThem) {
    for (const char* id : {"1", "2"}) {
        runner.plays[id] = {.lines = {result_line()}};
        contracts::PassRequest order = request(id, "vm-7");
        order.instance_uuid = "5000-AB";
        registry->start(order);
        await(id, "completed");
    }
    const std::string file = runner.checkpoints["1"];
    EXPECT_EQ(file, folder + "/checkpoints/5000-ab.jsonl");
    EXPECT_EQ(runner.checkpoints["2"], file);
    os::write_file_atomically(file, "{}\n");
    registry->forget(JobId{"1"});
    EXPECT_TRUE(std::filesystem::exists(file));
    registry->forget_checkpoint("5000-AB");
    EXPECT_FALSE(std::filesystem::exists(file));
    registry->forget_checkpoint("5000-AB");
}

TEST_F(RegistryAttempts, TheCheckpointOfAMachineThatIsCopiedStays) {
    runner.plays["1"] = {.lines = {result_line()}, .holds = true};
    contracts::PassRequest order = request("1");
    order.instance_uuid = "5000-1";
    registry->start(order);
    await_running(1);
    EXPECT_EQ(code_of([&] { registry->forget_checkpoint("5000-1"); }), ErrorCode::conflict);
    EXPECT_NO_THROW(registry->forget_checkpoint("5000-2"));
    runner.release();
    await("1", "completed");
    EXPECT_NO_THROW(registry->forget_checkpoint("5000-1"));
}

TEST_F(RegistryAttempts, AMachineThatIsKnownByTwoUrlsIsCopiedOnce) {
    for (const char* id : {"1", "2", "3"}) {
        runner.plays[id] = {.lines = {result_line()}, .holds = true};
    }
    contracts::PassRequest order = request("1", "vm-7");
    order.instance_uuid = "5000-1";
    registry->start(order);
    await_running(1);
    order.job_id = JobId{"2"};
    order.vcenter.url = "https://vc.example.org/sdk";
    EXPECT_EQ(code_of([&] { registry->start(order); }), ErrorCode::conflict);
    order.job_id = JobId{"3"};  // has no checkpoint
    order.compare_percent = 1;
    order.only_compare = true;
    EXPECT_NO_THROW(registry->start(order));
    await_running(2);
    runner.release();
    await("1", "completed");
    await("3", "completed");
}

TEST_F(RegistryAttempts, AComparisonAndAnUnknownMachineHaveNoCheckpoint) {
    contracts::PassRequest verify = request("1");
    verify.instance_uuid = "5000-1";
    verify.compare_percent = 100;
    verify.only_compare = true;
    runner.plays["1"] = {.lines = {result_line()}};
    runner.plays["2"] = {.lines = {result_line()}};
    registry->start(verify);
    registry->start(request("2"));
    await("1", "completed");
    await("2", "completed");
    EXPECT_EQ(runner.checkpoints["1"], "");
    EXPECT_EQ(runner.checkpoints["2"], "");
}

TEST_F(RegistryAttempts, OldCheckpointsGoWhenTheServiceStarts) {
    const std::string file = folder + "/checkpoints/5000-1.jsonl";
    os::write_file_atomically(file, "{}\n");
    open();
    EXPECT_TRUE(std::filesystem::exists(file));
    std::filesystem::last_write_time(file, std::chrono::file_clock::now() - std::chrono::hours{15 * 24});
    open();
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(RegistryAttempts, RunningJobsShareTheLimit) {
    runner.plays["1"] = {.lines = {result_line()}, .holds = true};
    runner.plays["2"] = {.lines = {},
                         .exit = {.code = 1, .signal = 0, .last_output = ""},
                         .holds = true,
                         .line_when_stopped = error_line(ErrorCode::cancelled)};
    registry->limit_all(100 * MiB);
    registry->start(request("1"));
    await_running(1);
    contracts::PassRequest second = request("2");
    second.bytes_per_second = 30 * MiB;
    registry->start(second);
    const auto last = [&](const char* id) { return runner.limits(id).empty() ? 0 : runner.limits(id).back(); };
    wait_until([&] { return last("1") == 70 * MiB && last("2") == 30 * MiB; }, std::chrono::milliseconds{2},
               std::chrono::seconds{20}, {}, "the shares");
    registry->limit(JobId{"2"}, 10 * MiB);
    EXPECT_EQ(last("2"), 10 * MiB);
    EXPECT_EQ(last("1"), 90 * MiB);
    registry->limit_all(0);
    EXPECT_EQ(last("1"), 0U);
    EXPECT_EQ(last("2"), 10 * MiB);
    registry->limit_all(100 * MiB);
    registry->stop(JobId{"2"});
    await("2", "cancelled");
    EXPECT_EQ(last("1"), 100 * MiB) << "who has ended leaves its part";
    runner.release();
    await("1", "completed");
    EXPECT_EQ(code_of([&] { registry->limit(JobId{"1"}, 0); }), ErrorCode::conflict);
    EXPECT_EQ(code_of([&] { registry->limit(JobId{"3"}, 0); }), ErrorCode::not_found);
}

TEST_F(RegistryAttempts, AJobThatWaitsIsLimitedWhenItStarts) {
    open({.engines = 1});
    runner.plays["1"] = {.lines = {result_line()}, .holds = true};
    runner.plays["2"] = {.lines = {result_line()}, .holds = true};
    registry->start(request("1"));
    await_running(1);
    registry->start(request("2"));
    await_stage("2", "Waiting for a slot (place 1 of 1)");
    registry->limit(JobId{"2"}, 5 * MiB);
    runner.release();
    await("2", "completed");
    EXPECT_EQ(runner.limits("2"), std::vector<Bytes>{5 * MiB});
    EXPECT_EQ(contracts::pass_request_from(json::parse(runner.orders["2"])).bytes_per_second, 5 * MiB);
}

TEST_F(RegistryAttempts, TheLimitOfAllOutlivesARestartUnlessItsFileIsBroken) {
    runner.plays["1"] = {.lines = {result_line()}};
    runner.plays["2"] = {.lines = {result_line()}};
    registry->limit_all(100 * MiB);
    open();
    registry->start(request("1"));
    await("1", "completed");
    EXPECT_EQ(runner.limits("1"), std::vector<Bytes>{100 * MiB});
    os::write_file_atomically(folder + "/limit", "fast");
    open();
    registry->start(request("2"));
    await("2", "completed");
    EXPECT_EQ(runner.limits("2"), std::vector<Bytes>{0});
}

TEST_F(RegistryAttempts, OnAFullDiskALimitHoldsUntilTheServiceEnds) {
    runner.plays["1"] = {.lines = {result_line()}, .holds = true};
    registry->start(request("1"));
    await_running(1);
    {
        const FullDisk full;
        registry->limit_all(100 * MiB);
    }
    wait_until([&] { return !runner.limits("1").empty() && runner.limits("1").back() == 100 * MiB; },
               std::chrono::milliseconds{2}, std::chrono::seconds{20}, {}, "the limit");
    runner.release();
    await("1", "completed");
}
