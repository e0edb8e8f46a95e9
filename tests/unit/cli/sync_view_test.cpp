#include "cli/sync_view.hpp"

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace mk::cli {
namespace {

const auto now = from_ms(1'767'225'600'000);

Json sync_job() {
    return {{"job_id", "j-1"},
            {"machine", "app-01"},
            {"replication",
             {{"replication_type", "incremental"},
              {"current_operation", "Copying"},
              {"bytes_total", 400 * MiB},
              {"bytes_done", 100 * MiB},
              {"bytes_sent", 60 * MiB},
              {"bytes_zeroed", 40 * MiB},
              {"bytes_wire", 20 * MiB},
              {"bottleneck", "tunnel"},
              {"attempt", 3}}}};
}

Json disk(Bytes changed, Bytes sent) {
    return {{"bytes_changed", changed}, {"bytes_sent", sent},  {"bytes_zeroed", MiB},
            {"bytes_skipped", MiB},     {"bytes_resumed", 0},  {"bytes_compared", 0},
            {"bytes_different", 0},     {"bytes_verified", 0}, {"digest_runs", 0}};
}

Json verified(const char* verdict, const Json& ranges) {
    Bytes different = 0;
    for (const auto& range : ranges) {
        different += range.at("length").get<Bytes>();
    }
    return {{"job_id", "j-2"},
            {"machine", "app-01"},
            {"verification",
             {{"verdict", verdict},
              {"percent", 25},
              {"disks",
               {{{"disk_id", "disk-2000"},
                 {"compared", 20 * GiB},
                 {"different", different},
                 {"ranges", ranges},
                 {"ranges_left_out", ranges.empty() ? 0 : 2}}}}}}};
}

std::string facts(const Json& job) {
    auto table = facts_table();
    add_copy_facts(table, job);
    add_verification_facts(table, job);
    return render_text(table, false, 0);
}

/// A line that begins with the title and goes on, after blanks, with the value.
bool says(const std::string& text, const std::string& title, const std::string& value) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto from = line.find_first_not_of(' ', title.size());
        if (line.starts_with(title) && from != std::string::npos && line.substr(from).starts_with(value)) {
            return true;
        }
    }
    return false;
}

TEST(SyncView, TellsHowFarACopyGot) {
    const auto text = facts(sync_job());
    EXPECT_TRUE(says(text, "Changed", "400.0 MiB")) << text;
    EXPECT_TRUE(says(text, "Sent", "60.0 MiB, 15 % of what changed")) << text;
    EXPECT_TRUE(says(text, "Zeros not sent", "40.0 MiB")) << text;
    EXPECT_TRUE(says(text, "On the wire", "20.0 MiB, 5 % of what changed")) << text;
    EXPECT_TRUE(says(text, "Slow", "tunnel")) << text;
    EXPECT_TRUE(says(text, "Attempt", "3")) << text;
    EXPECT_EQ(text.find("Compared"), std::string::npos) << text;
}

TEST(SyncView, TellsAFinishedSyncByItsRecoveryPoint) {
    auto job = sync_job();
    auto first = disk(300 * MiB, 100 * MiB);
    first["bytes_resumed"] = 50 * MiB;
    first["bytes_compared"] = GiB;
    first["bytes_different"] = 64 * KiB;
    first["bytes_verified"] = 100 * MiB;
    first["digest_runs"] = 7;
    job["recovery_point"] = {{"disks", {first, disk(100 * MiB, 100 * MiB)}}};
    job["replication"]["bottleneck"] = nullptr;
    job["replication"]["attempt"] = 1;
    const auto text = facts(job);
    EXPECT_TRUE(says(text, "Sent", "200.0 MiB, 50 % of what changed")) << text;
    EXPECT_TRUE(says(text, "Zeros not sent", "4.0 MiB")) << text;
    EXPECT_TRUE(says(text, "Taken over", "50.0 MiB from a sync that was interrupted")) << text;
    EXPECT_TRUE(says(text, "Compared", "1.0 GiB, 64.0 KiB differed and were sent")) << text;
    EXPECT_TRUE(says(text, "Read back", "100.0 MiB as at the source, in 7 digests")) << text;
    EXPECT_EQ(text.find("Slow"), std::string::npos) << text;
    EXPECT_EQ(text.find("Attempt"), std::string::npos) << text;

    first["bytes_different"] = 0;
    job["recovery_point"] = {{"disks", {first}}};
    EXPECT_TRUE(says(facts(job), "Compared", "1.0 GiB, no difference"));
}

TEST(SyncView, DividesByNothing) {
    auto job = sync_job();
    job["replication"]["bytes_total"] = 0;
    job["recovery_point"] = nullptr;
    EXPECT_EQ(facts(job).find('%'), std::string::npos);
    EXPECT_EQ(facts({{"replication", nullptr}, {"recovery_point", nullptr}, {"verification", nullptr}}), "");
}

TEST(SyncView, RowsHaveOneCellPerColumn) {
    const auto table = sync_table();
    EXPECT_EQ(sync_row(sync_job(), now).size(), table.columns.size());
    EXPECT_EQ(sync_row({{"job_id", "j"}, {"replication", nullptr}}, now).size(), table.columns.size());
    const auto row = sync_row(sync_job(), now);
    for (const auto* cell : {"400.0 MiB", "60.0 MiB", "20.0 MiB", "15 %", "tunnel", "3"}) {
        EXPECT_NE(std::find(row.begin(), row.end(), cell), row.end()) << cell;
    }
}

TEST(SyncView, NamesTheSlowLeg) {
    EXPECT_EQ(slow_leg({{"bottleneck", "read"}}), "reading");
    EXPECT_EQ(slow_leg({{"bottleneck", "write"}}), "writing");
    EXPECT_EQ(slow_leg({{"bottleneck", "tunnel"}}), "tunnel");
    EXPECT_EQ(slow_leg({{"bottleneck", nullptr}}), "");
}

TEST(SyncView, ACopyThatIsIdenticalSaysHowMuchWasLookedAt) {
    const auto job = verified("identical", Json::array());
    EXPECT_EQ(found_differences(job), false);
    EXPECT_EQ(verdict_text(job), "identical, 20.0 GiB compared");
    EXPECT_TRUE(difference_table(job).rows.empty());
    EXPECT_TRUE(says(facts(job), "Share", "25 % of what has not changed"));
}

TEST(SyncView, DifferencesAreListed) {
    const auto job = verified("differs", {{{"offset", MiB}, {"length", 64 * KiB}}, {{"offset", 0}, {"length", 512}}});
    EXPECT_EQ(found_differences(job), true);
    EXPECT_EQ(verdict_text(job), "differs in 64.5 KiB, 20.0 GiB compared");
    EXPECT_EQ(difference_table(job).rows,
              (std::vector<std::vector<std::string>>{{"disk-2000", "1048576", "65536"}, {"disk-2000", "0", "512"}}));
    const auto text = facts(job);
    EXPECT_TRUE(says(text, "Disk disk-2000", "64.5 KiB differ")) << text;
    EXPECT_TRUE(says(text, "", "64.0 KiB at 1048576")) << text;
    EXPECT_TRUE(says(text, "", "and 2 more ranges")) << text;
}

TEST(SyncView, AComparisonThatHasNotEndedHasNoVerdict) {
    for (const Json& verification : {Json(nullptr), Json::object(), Json{{"percent", 5}}}) {
        const Json job = {{"verification", verification}};
        EXPECT_EQ(found_differences(job), std::nullopt);
        EXPECT_EQ(verdict_text(job), "");
    }
}

}  // namespace
}  // namespace mk::cli
