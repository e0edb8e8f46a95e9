#include "cli/progress_text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"

namespace mk::cli {
namespace {

using namespace std::chrono_literals;

const auto now = from_ms(1'767'225'600'000);

Json step(int order, const char* name, const char* title, const char* status) {
    return {{"order", order},    {"name", name},     {"title", title},        {"status", status},
            {"detail", nullptr}, {"error", nullptr}, {"started_at", nullptr}, {"completed_at", nullptr}};
}

Json copying() {
    return {{"job_id", "j-1"},
            {"machine", "app-01"},
            {"status", "running"},
            {"steps",
             {step(3, "write-session", "Open the write sessions", "completed"),
              step(4, "copy", "Copy changed data", "running")}},
            {"replication",
             {{"bytes_total", 39'406'325'351},
              {"bytes_done", 28'776'280'883},
              {"bytes_sent", GiB},
              {"bytes_per_second", 431 * MiB},
              {"vma_eta_seconds", 200},
              {"current_operation", "Copying"},
              {"disks",
               {{{"disk_id", "disk-2000"}, {"bytes_total", 26 * GiB}, {"bytes_done", 13 * GiB}},
                {{"disk_id", "disk-2001"}, {"bytes_total", 10 * GiB}, {"bytes_done", 10 * GiB}}}}}}};
}

TEST(ProgressText, DrawsTheBytesThatMustMove) {
    const auto lines = copy_lines(copying());

    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0], "app-01     [##############------]  73%  26.8/36.7 GiB  431 MiB/s  4 min left");
    EXPECT_EQ(lines[1], "  disk-2000[##########----------]  50%  13.0/26.0 GiB");
    EXPECT_EQ(lines[2], "  disk-2001[####################] 100%  10.0/10.0 GiB");
}

TEST(ProgressText, NamesTheSlowLegAndTheAttempt) {
    auto job = copying();
    job["replication"]["bottleneck"] = "tunnel";
    job["replication"]["attempt"] = 2;
    EXPECT_EQ(copy_lines(job)[0],
              "app-01     [##############------]  73%  26.8/36.7 GiB  431 MiB/s  4 min left  slow: tunnel  attempt 2");
    job["replication"]["bottleneck"] = nullptr;
    job["replication"]["attempt"] = 1;
    EXPECT_EQ(copy_lines(job), copy_lines(copying()));
}

TEST(ProgressText, PromisesNoTimeWhileItWaits) {
    auto job = copying();
    job["replication"]["current_operation"] = "Waiting for the next attempt";
    EXPECT_EQ(copy_lines(job)[0],
              "app-01     [##############------]  73%  26.8/36.7 GiB  Waiting for the next attempt");
}

TEST(ProgressText, DrawsAComparisonLikeACopy) {
    auto job = copying();
    job["steps"][1]["name"] = "compare";
    EXPECT_EQ(copy_percent(job), 73);
}

TEST(ProgressText, SaysFlushingInsteadOfAHundredPercent) {
    auto job = copying();
    job["replication"]["bytes_done"] = job["replication"]["bytes_total"];
    job["replication"]["current_operation"] = "Flushing";
    EXPECT_EQ(copy_lines(job)[0], "app-01     [###################-]  99%  36.7/36.7 GiB  Flushing");
    EXPECT_EQ(copy_percent(job), 99);
}

TEST(ProgressText, DrawsNoBarWhileTheTotalIsUnknownOrAnotherStepRuns) {
    auto unknown = copying();
    unknown["replication"]["bytes_total"] = 0;
    EXPECT_TRUE(copy_lines(unknown).empty());
    EXPECT_EQ(copy_percent(unknown), std::nullopt);

    auto later = copying();
    later["steps"][1]["status"] = "completed";
    EXPECT_TRUE(copy_lines(later).empty());

    auto failover = copying();
    failover["replication"] = nullptr;
    EXPECT_TRUE(copy_lines(failover).empty());
}

TEST(ProgressText, TellsAFinishedStepWithItsTime) {
    const Json job = {{"steps", Json::array({1, 2, 3, 4, 5, 6, 7, 8, 9})}};
    auto finished = step(5, "virtio-injection", "Add VirtIO drivers", "completed");
    finished["started_at"] = to_iso8601(now - 154s);
    finished["completed_at"] = to_iso8601(now);
    EXPECT_EQ(step_line(job, finished, now + 1h), "[5/9] Add VirtIO drivers            2 min 34 s");
}

TEST(ProgressText, TellsWhatARunningStepDoes) {
    const Json job = {{"steps", Json::array({1, 2, 3, 4, 5, 6, 7, 8, 9})}};
    auto running = step(7, "volume-attachment", "Attach the volumes", "running");
    running["started_at"] = to_iso8601(now - 3s);
    EXPECT_EQ(step_line(job, running, now), "[7/9] Attach the volumes            3 s");
    running["detail"] = "1 of 2, waiting for vol-pg-db-01-data";
    EXPECT_EQ(step_line(job, running, now),
              "[7/9] Attach the volumes            1 of 2, waiting for vol-pg-db-01-data");
}

TEST(ProgressText, TellsWhyAStepEndedBadly) {
    const Json job = {{"steps", Json::array({1, 2})}};
    auto failed = step(2, "x", "Start the machine", "failed");
    failed["error"] = "no boot\x1b[2J seen";
    EXPECT_EQ(step_line(job, failed, now), "[2/2] Start the machine             failed: no boot?[2J seen");
}

TEST(ProgressText, TellsTheOutcome) {
    auto job = copying();
    job["status"] = "completed";
    job["started_at"] = to_iso8601(now - 252s);
    job["completed_at"] = to_iso8601(now);
    EXPECT_EQ(outcome_line(job), "app-01: completed in 4 min 12 s, 1.0 GiB sent");

    job["replication"]["bytes_wire"] = 300 * MiB;
    EXPECT_EQ(outcome_line(job), "app-01: completed in 4 min 12 s, 1.0 GiB sent, 300.0 MiB on the wire");
    job["verification"] = {{"verdict", "identical"}, {"disks", {{{"compared", GiB}}}}};
    EXPECT_EQ(outcome_line(job), "app-01: completed in 4 min 12 s, identical, 1.0 GiB compared");

    const Json failover = {{"job_id", "j"},
                           {"machine", "pg"},
                           {"status", "failed"},
                           {"failover", {{"destination_vm_name", "pg-test-1"}, {"boot_evidence", "HTTP 200"}}}};
    EXPECT_EQ(outcome_line(failover), "pg: failed after an unknown time, machine pg-test-1. HTTP 200");
}

TEST(ProgressText, KnowsWhichJobsHaveEnded) {
    for (const auto* status : {"pending", "running"}) {
        EXPECT_FALSE(is_final({{"status", status}})) << status;
    }
    for (const auto* status : {"completed", "warning", "failed", "cancelled"}) {
        EXPECT_TRUE(is_final({{"status", status}})) << status;
    }
}

}  // namespace
}  // namespace mk::cli
