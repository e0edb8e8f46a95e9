#include "unit/appliance/vma/job_registry_world.hpp"

using namespace mk;
using namespace mk::vma;
using namespace mk::vma::test;

TEST_F(Registry, AJobCompletesWithItsDigests) {
    const std::string digests =
        contracts::engine_event_line(contracts::EngineDigests{DiskId{"disk-2000"}, {{{0, 512}, std::string(32, 'a')}}});
    const std::string more = contracts::engine_event_line(
        contracts::EngineDigests{DiskId{"disk-2000"}, {{{512, 512}, std::string(32, 'b')}}});
    runner.plays["1"] = {.lines = {progress_line(10, 100), digests, more, result_line(1024)}};
    registry->start(request("1"));
    await("1", "completed");
    const auto progress = registry->progress(JobId{"1"});
    EXPECT_EQ(progress.percent, 100);
    EXPECT_EQ(progress.total_bytes, 100U);
    EXPECT_EQ(progress.sync_type, "initial");
    ASSERT_EQ(progress.result->disks.at(0).digests.size(), 2U);
    EXPECT_EQ(progress.result->disks[0].digests[1].range.offset, 512U);
    EXPECT_TRUE(registry->list().at(0).result->disks[0].digests.empty()) << "lists stay short";
}

TEST_F(Registry, DifferencesComeBeforeTheResult) {
    const auto line = [](Range range) {
        return contracts::engine_event_line(contracts::EngineDifferences{DiskId{"disk-2000"}, {range}});
    };
    runner.plays["1"] = {.lines = {line({0, 512}), line({4096, 512}), result_line()}};
    registry->start(request("1"));
    await("1", "completed");
    EXPECT_EQ(registry->progress(JobId{"1"}).result->disks.at(0).differences,
              (std::vector<Range>{{0, 512}, {4096, 512}}));
}

TEST_F(Registry, AResultWithoutAllItsDigestsIsNoSuccess) {
    const std::string digests =
        contracts::engine_event_line(contracts::EngineDigests{DiskId{"disk-2000"}, {{{0, 512}, std::string(32, 'a')}}});
    runner.plays["1"] = {.lines = {digests, result_line(1024)}};
    registry->start(request("1"));
    await("1", "failed");
    EXPECT_FALSE(registry->progress(JobId{"1"}).result);

    contracts::PassRequest verify = request("2");  // whose result has none
    verify.compare_percent = 100;
    verify.only_compare = true;
    runner.plays["2"] = {.lines = {result_line(1024)}};
    registry->start(verify);
    await("2", "completed");
}

TEST_F(Registry, TheSameJobAgainStartsNothing) {
    runner.plays["1"] = {.lines = {result_line()}};
    registry->start(request("1"));
    await("1", "completed");
    runner.plays["1"] = {.lines = {error_line(ErrorCode::internal)}};
    registry->start(request("1"));
    EXPECT_EQ(registry->progress(JobId{"1"}).state, "completed");
}

TEST_F(Registry, ProgressIsOverAllDisksWhileItRuns) {
    runner.plays["1"] = {.lines = {progress_line(50, 200)}, .holds = true};
    registry->start(request("1"));
    wait_until([&] { return registry->progress(JobId{"1"}).done_bytes == 50; }, std::chrono::milliseconds{2},
               std::chrono::seconds{20}, {}, "no progress");
    const auto progress = registry->progress(JobId{"1"});
    EXPECT_EQ(progress.state, "running");
    EXPECT_EQ(progress.percent, 25);
    EXPECT_EQ(progress.stage, "Copying");
    EXPECT_EQ(progress.wire_bytes, 25U);
    EXPECT_EQ(progress.bottleneck, "tunnel");
    EXPECT_FALSE(progress.eta_seconds);
    EXPECT_FALSE(progress.stalled_seconds);
    EXPECT_EQ(code_of([&] { registry->forget(JobId{"1"}); }), ErrorCode::conflict);
}

TEST_F(Registry, AnEngineErrorIsAFailureWithItsAdvice) {
    runner.plays["1"] = {.lines = {error_line(ErrorCode::exhausted)},
                         .exit = {.code = 1, .signal = 0, .last_output = ""}};
    registry->start(request("1"));
    await("1", "failed");
    EXPECT_EQ(contracts::error_from(*registry->progress(JobId{"1"}).error).code(), ErrorCode::exhausted);
    EXPECT_TRUE(gateway.swept.empty());
}

TEST_F(Registry, AResultWithoutGoodEndIsNoSuccess) {
    runner.plays["1"] = {.lines = {result_line()}, .exit = {.code = -1, .signal = 9, .last_output = ""}};
    registry->start(request("1"));
    await("1", "interrupted");
    EXPECT_FALSE(registry->progress(JobId{"1"}).result);
}

TEST_F(Registry, TheSnapshotOfADeadEngineIsRemoved) {
    runner.plays["1"] = {.lines = {snapshot_line(), "nonsense"},
                         .exit = {.code = -1, .signal = 9, .last_output = "last words"}};
    registry->start(request("1"));
    await("1", "interrupted");
    EXPECT_EQ(gateway.swept, (std::vector<std::string>{"vm-1"}));
    const Error error = contracts::error_from(*registry->progress(JobId{"1"}).error);
    EXPECT_NE(error.full_text().find("signal 9"), std::string::npos);
    EXPECT_NE(error.full_text().find("last words"), std::string::npos);
    EXPECT_NE(error.full_text().find("snapshot was removed"), std::string::npos);
}

TEST_F(Registry, AnEngineThatDiesInAnyStageAfterConnectingIsSweptAfter) {
    for (const char* stage :
         {"Enabling change tracking", "Taking snapshot", "Measuring", "Copying", "Flushing", "Removing snapshot"}) {
        gateway.swept.clear();
        const std::string id = "job-" + std::to_string(registry->list().size());
        runner.plays[id] = {.lines = {stage_line("Connecting"), stage_line(stage)},
                            .exit = {.code = -1, .signal = 9, .last_output = ""}};
        registry->start(request(id, "vm-1"));
        await(id, "interrupted");
        EXPECT_EQ(gateway.swept, (std::vector<std::string>{"vm-1"})) << stage;
    }
    gateway.swept.clear();
    runner.plays["early"] = {.lines = {stage_line("Connecting")}, .exit = {.code = -1, .signal = 9, .last_output = ""}};
    registry->start(request("early", "vm-1"));
    await("early", "interrupted");
    EXPECT_TRUE(gateway.swept.empty()) << "nothing had been changed";
}

TEST_F(Registry, ARunnerThatFailsInTheMiddleIsSweptAfter) {
    runner.plays["1"] = {.lines = {stage_line("Copying")}, .failure = Error(ErrorCode::external, "poll failed")};
    registry->start(request("1"));
    await("1", "failed");
    EXPECT_EQ(gateway.swept, (std::vector<std::string>{"vm-1"}));
    const Error error = contracts::error_from(*registry->progress(JobId{"1"}).error);
    EXPECT_NE(error.full_text().find("snapshot was removed"), std::string::npos) << error.full_text();
}

TEST_F(Registry, NoLineOfAnEngineEndsTheCopy) {
    runner.plays["1"] = {.lines = {"", "{", "[]", "5", R"({"type":7})", R"({"type":"progress","stage":[]})",
                                   R"({"type":"progress","stage":"x","disks":5})",
                                   R"({"type":"digests","disk_id":"d"})", R"({"type":"result","result":[]})",
                                   std::string(100'000, '['), result_line()}};
    registry->start(request("1"));
    await("1", "completed");
}

TEST_F(Registry, AMachineThatIsReadFromLosesNoSnapshot) {
    const http::Router router = make_router(*registry, gateway, Secret{"token"});
    http::ServerRequest sweep;
    sweep.method = "POST";
    sweep.path = "/api/v1/snapshots/sweep";
    sweep.headers["authorization"] = "Bearer token";
    sweep.body =
        R"({"vcenter":"https://vc/sdk","username":"u","password":"p","moref":"vm-1","snapshot_moref":"snapshot-1"})";
    auto removal = sweep;
    removal.path = "/api/v1/snapshots/remove";
    runner.plays["1"] = {.lines = {snapshot_line(), result_line()}, .holds = true};
    registry->start(request("1"));
    EXPECT_EQ(router.handle(sweep).status, 409);
    EXPECT_EQ(router.handle(removal).status, 409);
    EXPECT_TRUE(gateway.swept.empty());
    runner.release();
    await("1", "completed");
    EXPECT_EQ(router.handle(sweep).status, 200);
    EXPECT_EQ(router.handle(removal).status, 200);
    EXPECT_EQ(gateway.swept, (std::vector<std::string>{"vm-1", "vm-1 snapshot-1"}));
}

TEST_F(Registry, AStoppedJobIsCancelled) {
    runner.plays["1"] = {.lines = {snapshot_line()},
                         .exit = {.code = 1, .signal = 0, .last_output = ""},
                         .holds = true,
                         .line_when_stopped = error_line(ErrorCode::cancelled)};
    registry->start(request("1"));
    registry->stop(JobId{"1"});
    await("1", "cancelled");
    registry->stop(JobId{"1"});
    EXPECT_TRUE(gateway.swept.empty());
}

TEST_F(Registry, AnEngineStoppedBeforeItBeganIsCancelled) {
    runner.plays["1"] = {.lines = {}, .exit = {.code = -1, .signal = 15, .last_output = ""}, .holds = true};
    registry->start(request("1"));
    registry->stop(JobId{"1"});
    await("1", "cancelled");
    EXPECT_EQ(contracts::error_from(*registry->progress(JobId{"1"}).error).code(), ErrorCode::cancelled);
}

TEST_F(Registry, JobsWaitForASlotInOrder) {
    open({.engines = 1});
    for (const char* id : {"1", "2", "3"}) {
        runner.plays[id] = {.lines = {result_line()}, .holds = true};
    }
    registry->start(request("1"));
    await_running(1);
    registry->start(request("2"));
    await_stage("2", "Waiting for a slot (place 1 of 1)");
    registry->start(request("3"));
    await_stage("3", "Waiting for a slot (place 2 of 2)");
    await_stage("2", "Waiting for a slot (place 1 of 2)");
    EXPECT_EQ(runner.running(), 1);
    registry->stop(JobId{"2"});
    await("2", "cancelled");
    await_stage("3", "Waiting for a slot (place 1 of 1)");
    runner.release();
    await("1", "completed");
    await("3", "completed");
    EXPECT_FALSE(runner.orders.contains("2"));
}

TEST_F(Registry, AnUrgentJobOvertakesThoseThatWait) {
    open({.engines = 1});
    for (const char* id : {"first", "waits", "urgent"}) {
        runner.plays[id] = {.lines = {result_line()}, .holds = true};
    }
    registry->start(request("first"));
    await_running(1);
    registry->start(request("waits"));
    await_stage("waits", "Waiting for a slot (place 1 of 1)");
    contracts::PassRequest urgent = request("urgent");
    urgent.priority = 50;
    registry->start(urgent);
    await_stage("urgent", "Waiting for a slot (place 1 of 2)");
    await_stage("waits", "Waiting for a slot (place 2 of 2)");
    runner.release();
    await("waits", "completed");
    EXPECT_EQ(runner.started, (std::vector<std::string>{"first", "urgent", "waits"}));
}

TEST_F(Registry, OneJobPerMachine) {
    runner.plays["1"] = {.lines = {result_line()}, .holds = true};
    runner.plays["2"] = {.lines = {result_line()}};
    registry->start(request("1", "vm-7"));
    EXPECT_EQ(code_of([&] { registry->start(request("2", "vm-7")); }), ErrorCode::conflict);
    runner.release();
    await("1", "completed");
    registry->start(request("2", "vm-7"));
    await("2", "completed");
}

TEST_F(Registry, ThePasswordGoesToTheEngineAndNowhereElse) {
    runner.plays["1"] = {.lines = {result_line()}};
    registry->start(request("1"));
    await("1", "completed");
    EXPECT_NE(runner.orders["1"].find("hush-hush"), std::string::npos);
    registry.reset();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) {
            EXPECT_EQ(os::read_file(entry.path()).find("hush-hush"), std::string::npos) << entry.path();
        }
    }
    open();
}

TEST_F(Registry, RoutesServeTheContract) {
    const http::Router router = make_router(*registry, gateway, Secret{"token"});
    const auto call = [&](const std::string& method, const std::string& path, const std::string& body = "",
                          const std::string& token = "token") {
        http::ServerRequest http_request;
        http_request.method = method;
        http_request.path = path;
        http_request.headers["authorization"] = "Bearer " + token;
        http_request.body = body;
        return router.handle(http_request);
    };
    EXPECT_EQ(call("GET", "/health", "", "wrong").status, 200);
    EXPECT_EQ(json::parse(call("GET", "/health").body).at("readers"), Json::array({"folder"}));
    EXPECT_EQ(call("GET", "/api/v1/jobs", "", "wrong").status, 401);
    EXPECT_EQ(call("GET", "/api/v1/progress/nobody").status, 404);

    const std::string access = R"({"vcenter":"vc","username":"u","password":"right","filter":"x","moref":"vm-1")";
    const Json found = json::parse(call("POST", "/api/v1/discover", access + "}").body);
    EXPECT_EQ(found.at("vcenter_uuid"), "vc");
    EXPECT_EQ(found.at("machines").at(0).at("name"), "web-x");
    EXPECT_EQ(call("POST", "/api/v1/discover", R"({"vcenter":"vc","username":"u","password":"wrong"})").status, 401);
    EXPECT_EQ(call("POST", "/api/v1/discover", "{}").status, 400);
    EXPECT_EQ(json::parse(call("POST", "/api/v1/power", access + R"(,"action":"power_off"})").body).at("power_state"),
              "poweredOff");
    EXPECT_EQ(json::parse(call("POST", "/api/v1/snapshots/sweep", access + "}").body).at("removed").size(), 1U);
    const Json snapshots = json::parse(call("POST", "/api/v1/snapshots/list", access + "}").body);
    EXPECT_EQ(snapshots.at("vcenter_uuid"), "vc");
    EXPECT_EQ(snapshots.at("snapshots").at(0).at("moref"), "snapshot-1");
    EXPECT_EQ(call("POST", "/api/v1/snapshots/remove", access + "}").status, 400);

    runner.plays["1"] = {.lines = {result_line()}};
    const std::string order = json::dump(contracts::to_json(request("1")));
    EXPECT_EQ(call("POST", "/api/v1/replicate", order).status, 202);
    EXPECT_EQ(call("POST", "/api/v1/replicate", order).status, 202);
    await("1", "completed");
    EXPECT_EQ(json::parse(call("GET", "/api/v1/progress/1").body).at("percent"), 100);
    EXPECT_EQ(json::parse(call("GET", "/api/v1/jobs").body).at("jobs").size(), 1U);
    EXPECT_EQ(call("POST", "/api/v1/jobs/1/stop").status, 202);
    EXPECT_EQ(call("PUT", "/api/v1/jobs/1/limit", R"({"bytes_per_second":65536})").status, 409);
    EXPECT_EQ(call("PUT", "/api/v1/jobs/2/limit", R"({"bytes_per_second":65536})").status, 404);
    EXPECT_EQ(call("PUT", "/api/v1/limit", R"({"bytes_per_second":65536})").status, 204);
    EXPECT_EQ(call("PUT", "/api/v1/limit", R"({"bytes_per_second":1})").status, 400);
    EXPECT_EQ(call("PUT", "/api/v1/limit", "{}").status, 400);
    EXPECT_EQ(call("PUT", "/api/v1/limit", R"({"bytes_per_second":0})", "wrong").status, 401);
    EXPECT_EQ(call("DELETE", "/api/v1/checkpoints/5000-1").status, 204);
    EXPECT_EQ(call("DELETE", "/api/v1/jobs/1").status, 200);
    EXPECT_EQ(call("DELETE", "/api/v1/jobs/1").status, 404);
}
