// What the failover routes accept, refuse and show. Nobody outside answers.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "unit/appliance/oma_world.hpp"

namespace mk::oma {
namespace {

class OmaFailover : public ::testing::Test, protected OmaWorld {
  protected:
    OmaFailover() {
        credentials::Credential vcenter;
        vcenter.name = "vc";
        vcenter.vcenter = "https://vc/sdk";
        vcenter.username = "u";
        SourceMachine source;
        source.name = "web-01";
        source.vcenter_uuid = "vc-1";
        source.instance_uuid = "uuid-1";
        for (const int key : {2000, 2001}) {
            source.disks.emplace_back().id = disk_id_from_key(key);
            source.disks.back().unit_number = key - 2000;
        }
        vm_ = machines_.add(credentials_.add(vcenter, Secret("secret"), "test"), source);
    }
    http::ServerResponse send(const std::string& method, const std::string& path, const Json& body) {
        return call(method, path, operator_, body.is_null() ? "" : json::dump(body));
    }
    std::string code_of(const std::string& path, Json body, const std::string& method = "POST") {
        if (method == "POST") {
            body["context_id"] = "web-01";
        }
        const auto answer = json::parse(send(method, path, body).body);
        EXPECT_FALSE(json::value_or<std::string>(answer, "detail", "").empty());
        return json::value_or<std::string>(answer, "code", "");
    }
    bool nothing_runs() { return job_log_.list({}, false, 10).empty(); }

    VmContextId vm_;
    Secret operator_ = tokens_.create("op", "operator");
};

TEST_F(OmaFailover, RequestsThatMakeNoSenseAreRefusedBeforeAnything) {
    const std::int64_t absurd = std::int64_t{1} << 62;
    const std::vector<std::pair<std::string, Json>> wrong = {
        {"test", {{"boot_limit_s", -1}}},
        {"test", {{"boot_limit_s", 0}}},
        {"test", {{"boot_limit_s", absurd}}},
        {"test", {{"boot_limit_s", -absurd}}},
        {"test", {{"boot_limit_s", 31 * 24 * 3600}}},
        {"test", {{"boot_limit_s", "soon"}}},
        {"test", {{"boot_limit_s", 1.5}}},
        {"test", {{"test_duration_s", -5}, {"auto_cleanup", true}}},
        {"test", {{"test_duration_s", absurd}, {"auto_cleanup", true}}},
        {"test", {{"network_ids", "n-1"}}},
        {"test", {{"network_ids", {"n-1", "n-1"}}}},
        {"test", {{"addresses", {"not an address"}}}},
        {"test", {{"expect", "ready"}}},
        {"live", {{"on_clones", true}}},
        {"live", {{"shutdown_limit_s", -1}}},
        {"live", {{"test_duration_s", 60}, {"auto_cleanup", true}}}};
    for (const auto& [kind, body] : wrong) {
        EXPECT_EQ(code_of("/api/v1/failover/" + kind, body), "invalid") << kind << json::dump(body);
        auto checked = body;
        checked["live"] = kind == "live";
        EXPECT_EQ(code_of("/api/v1/failover/check", checked), "invalid") << kind << json::dump(body);
    }
    EXPECT_TRUE(nothing_runs());
}

TEST_F(OmaFailover, MachineWithoutACopyCannotFailOver) {
    for (const auto* kind : {"test", "live"}) {
        const auto answer =
            json::parse(send("POST", std::string("/api/v1/failover/") + kind, {{"context_id", "web-01"}}).body);
        EXPECT_EQ(answer.at("code"), "conflict");
        EXPECT_FALSE(answer.at("remedy").get<std::string>().empty());
    }
    EXPECT_EQ(json::parse(send("POST", "/api/v1/failover/test", {{"context_id", "none"}}).body).at("code"),
              "not_found");
    EXPECT_TRUE(nothing_runs());
}

TEST_F(OmaFailover, CheckTellsEverythingAtOnceAndUnderstandsOlderClients) {
    const auto answer =
        json::parse(send("POST", "/api/v1/failover/check", {{"vm_name", "web-01"}, {"probe", "tcp:22"}}).body);
    EXPECT_FALSE(answer.at("passed").get<bool>());
    std::map<std::string, std::string> severities;
    for (const auto& check : answer.at("checks")) {
        severities[check.at("code").get<std::string>()] = check.at("severity").get<std::string>();
        EXPECT_TRUE(check.at("severity") != "blocker" || !check.at("text").get<std::string>().empty());
    }
    for (const auto* code : {"state", "no_recovery_point", "volume_daemon", "cloudstack"}) {
        EXPECT_EQ(severities[code], "blocker") << code;
    }
    EXPECT_EQ(severities["probes"], "note");
    EXPECT_EQ(answer.at("checks").at(0).at("code"), "state");
    EXPECT_GT(answer.at("forecast").at("likely_s").get<int>(), 0);
    EXPECT_TRUE(nothing_runs());
}

TEST_F(OmaFailover, ExtendNeedsATestAndASensibleTime) {
    EXPECT_EQ(code_of("/api/v1/failover/extend", {{"by_s", 3600}}), "conflict");
    EXPECT_EQ(code_of("/api/v1/failover/extend", Json::object()), "invalid");
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1} << 62}) {
        const auto code = code_of("/api/v1/failover/extend", {{"by_s", wrong}});
        EXPECT_EQ(code, "invalid") << wrong;
    }
}

TEST_F(OmaFailover, PlanOfACleanupNeedsSomethingToCleanUp) {
    EXPECT_EQ(code_of("/api/v1/vms/web-01/cleanup-plan", nullptr, "GET"), "conflict");
    EXPECT_EQ(code_of("/api/v1/vms/none/cleanup-plan", nullptr, "GET"), "not_found");
}

TEST_F(OmaFailover, BootDiskIsOneOfTheMachines) {
    const auto changed = send("PATCH", "/api/v1/vms/web-01", {{"boot_disk_id", "disk-2001"}});
    EXPECT_EQ(changed.status, 200) << changed.body;
    EXPECT_EQ(json::parse(changed.body).at("boot_disk_id"), "disk-2001");
    EXPECT_EQ(code_of("/api/v1/vms/web-01", {{"boot_disk_id", "disk-9"}}, "PATCH"), "invalid");
    EXPECT_EQ(code_of("/api/v1/vms/web-01", Json::object(), "PATCH"), "invalid");
    EXPECT_EQ(machines_.find(vm_)->boot_disk.value, "disk-2001");
}

TEST_F(OmaFailover, WhatChangesSomethingNeedsAnOperator) {
    const auto viewer = tokens_.create("looks", "viewer");
    const auto body = json::dump({{"context_id", "web-01"}, {"by_s", 60}, {"boot_disk_id", "disk-2001"}});
    EXPECT_EQ(call("POST", "/api/v1/failover/extend", viewer, body).status, 403);
    EXPECT_EQ(call("POST", "/api/v1/failover/test", viewer, body).status, 403);
    EXPECT_EQ(call("PATCH", "/api/v1/vms/web-01", viewer, body).status, 403);
    EXPECT_EQ(machines_.find(vm_)->boot_disk.value, "disk-2000");
}

TEST_F(OmaFailover, ReportHasPointStepsAndTheCommandsOfThisFailoverOnly) {
    const joblog::JobStart start{.type = JobType::live_failover,
                                 .operation = "live-failover",
                                 .owner = "op",
                                 .vm_context_id = vm_,
                                 .metadata = "{}",
                                 .steps = {{failover::start_step, "Start the machine", 1}}};
    failover::FailoverJob job;
    job.job_id = job_log_.start(start);
    job.vm_context_id = vm_;
    job.live = true;
    job.status = "completed";
    job.source_vm_name = "web-01";
    database_->transact([&](db::Session& session) { failovers_.add(session, job); });
    failovers_.set_destination(job.job_id, CloudMachineId{"vm-9"}, "web-01");
    effects_.begin("deployVirtualMachine", "web-01");
    effects_.begin("attachVolume", "somebody-elses");
    machines_.set_disk_volume(vm_, DiskId{"disk-2000"}, VolumeId{"volume-1"});
    clock_.advance(std::chrono::seconds{1});
    effects_.submitted(effects_.begin("createSnapshot", "volume-1"), "cs-job", "snapshot-1");
    clock_.advance(std::chrono::seconds{1});
    effects_.begin("revertSnapshot", "snapshot-1");
    clock_.advance(std::chrono::hours{1});
    job_log_.start(start);  // the machine's next failover
    effects_.begin("destroyVirtualMachine", "vm-9");

    const auto report = json::parse(send("GET", "/api/v1/failover/jobs/" + job.job_id.value, nullptr).body);

    EXPECT_EQ(report.at("machine"), "web-01");
    EXPECT_EQ(report.at("destination_vm_id"), "vm-9");
    ASSERT_EQ(report.at("job").at("steps").size(), 1U);
    EXPECT_TRUE(report.at("job").at("steps").at(0).at("point_of_no_return").get<bool>());
    ASSERT_EQ(report.at("commands").size(), 3U) << json::dump(report.at("commands"));
    EXPECT_EQ(report.at("commands").at(0).at("command"), "deployVirtualMachine");
    EXPECT_EQ(report.at("commands").at(1).at("object_id"), "snapshot-1");
    EXPECT_EQ(report.at("commands").at(2).at("command"), "revertSnapshot");  // of a snapshot that we made
    EXPECT_EQ(code_of("/api/v1/failover/jobs/none", nullptr, "GET"), "not_found");
}

}  // namespace
}  // namespace mk::oma
