#include "target/cloudstack/client.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/scripted_cloud.hpp"

namespace mk::cloudstack {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::error_of;
using test::ScriptedCloud;

const JobHandle job{"job-1", "object-1"};

TEST(CompleteUrl, AddsWhatTheOperatorLeftOut) {
    EXPECT_EQ(complete_url("cloud.example:8080"), "http://cloud.example:8080/client/api");
    EXPECT_EQ(complete_url("cloud.example:8443"), "https://cloud.example:8443/client/api");
    EXPECT_EQ(complete_url("cloud.example"), "https://cloud.example/client/api");
    EXPECT_EQ(complete_url("http://cloud.example/client/"), "http://cloud.example/client/api");
    EXPECT_EQ(complete_url("https://cloud.example/other/api"), "https://cloud.example/other/api");
    for (const char* wrong :
         {"", "ftp://cloud.example", "http://user@cloud.example", "cloud.example/client?x=1", "a b"}) {
        EXPECT_EQ(code_of([&] { complete_url(wrong); }), ErrorCode::invalid) << wrong;
    }
}

TEST(ClientList, IsEmptyForBothEmptyForms) {
    ScriptedCloud cloud;
    cloud.on("listZones", Json::object()).on("listZones", {{"count", 3}});
    EXPECT_TRUE(cloud.client().list("listZones", {}, "zone").empty());
    EXPECT_TRUE(cloud.client().list("listZones", {}, "zone").empty());
}

TEST(ClientList, PagesWithTheServersOwnPageSize) {
    ScriptedCloud cloud;
    cloud.on("listZones", {{"count", 5}, {"zone", {{{"id", 1}}, {{"id", 2}}}}})
        .on("listZones", {{"count", 5}, {"zone", {{{"id", 3}}, {{"id", 4}}}}})
        .on("listZones", {{"count", 5}, {"zone", {{{"id", 5}}}}});
    EXPECT_EQ(cloud.client().list("listZones", {}, "zone").size(), 5u);
    ASSERT_EQ(cloud.requests.size(), 3u);
    EXPECT_FALSE(cloud.requests[0].parameters.contains("pagesize"));
    EXPECT_EQ(cloud.requests[2].parameters.at("page"), "3");
    EXPECT_EQ(cloud.requests[2].parameters.at("pagesize"), "2");
}

TEST(ClientList, EndsWhenAPageHasNoArray) {
    ScriptedCloud cloud;
    cloud.on("listZones", {{"count", 5}, {"zone", {{{"id", 1}}}}}).on("listZones", {{"count", 5}});
    EXPECT_EQ(cloud.client().list("listZones", {}, "zone").size(), 1u);
}

TEST(ClientList, IsRepeatedWhenTheConnectionBreaks) {
    ScriptedCloud cloud;
    cloud.drop("listZones").on("listZones", {{"count", 1}, {"zone", {{{"id", 1}}}}});
    EXPECT_EQ(cloud.client().list("listZones", {}, "zone").size(), 1u);
}

TEST(ClientCall, HasAnUnknownOutcomeWhenTheAnswerIsLost) {
    ScriptedCloud cloud;
    cloud.drop("deleteVolume");
    const auto error = error_of([&] { cloud.client().call("deleteVolume", {{"id", "v"}}); });
    EXPECT_EQ(error.code(), ErrorCode::timeout);
    EXPECT_TRUE(is_outcome_unknown(error));
    EXPECT_EQ(cloud.count("deleteVolume"), 1u);
}

TEST(ClientCall, WaitsOutARateLimitAndRepeats) {
    ScriptedCloud cloud;
    cloud.fail("deleteVolume", 429, "retry after [1] ms").on("deleteVolume", {{"success", true}});
    cloud.client().call("deleteVolume", {{"id", "v"}});
    EXPECT_EQ(cloud.count("deleteVolume"), 2u);
}

TEST(ClientCall, GivesUpOnARateLimitBeyondItsPatience) {
    ScriptedCloud cloud;
    cloud.fail("deleteVolume", 429, "retry after [600000] ms");
    EXPECT_EQ(code_of([&] { cloud.client().call("deleteVolume", {{"id", "v"}}); }), ErrorCode::exhausted);
}

TEST(ClientStart, GivesJobAndObject) {
    ScriptedCloud cloud;
    cloud.on("createVolume", {{"id", "volume"}, {"jobid", "j"}});
    const auto started = cloud.client().start("createVolume", {{"name", "n"}});
    EXPECT_EQ(started.job_id, "j");
    EXPECT_EQ(started.object_id, "volume");
}

TEST(ClientStart, RefusesAnAnswerWithoutJob) {
    ScriptedCloud cloud;
    cloud.on("createVolume", Json::object());
    EXPECT_EQ(code_of([&] { cloud.client().start("createVolume", {}); }), ErrorCode::external);
}

TEST(ClientWait, PollsUntilTheJobIsDone) {
    ScriptedCloud cloud;
    cloud.on("queryAsyncJobResult", {{"jobstatus", 0}})
        .on("queryAsyncJobResult", {{"jobstatus", 1}, {"jobresult", {{"volume", {{"id", "v"}}}}}});
    int polls = 0;
    const auto result = cloud.client().wait(job, 10s, {}, [&] { ++polls; });
    EXPECT_EQ(result.at("volume").at("id"), "v");
    EXPECT_EQ(polls, 1);
}

TEST(ClientWait, ThrowsTheTypedErrorOfTheJob) {
    ScriptedCloud cloud;
    cloud.on("queryAsyncJobResult",
             {{"jobstatus", 2}, {"jobresult", {{"errorcode", 533}, {"errortext", "no capacity"}}}});
    const auto error = error_of([&] { cloud.client().wait(job, 10s); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_EQ(error.native(), "533");
}

TEST(ClientWait, DoesNotKnowTheOutcomeOfAJobThatFailedWithoutResult) {
    for (const int status : {2, 3}) {
        ScriptedCloud cloud;
        cloud.on("queryAsyncJobResult", {{"jobstatus", status}, {"jobresultcode", 0}});
        const auto error = error_of([&] { cloud.client().wait(job, 10s); });
        EXPECT_EQ(error.code(), ErrorCode::timeout);
        EXPECT_EQ(error.native(), outcome_unknown);
    }
}

TEST(ClientWait, DoesNotKnowTheOutcomeOfAJobThatVanished) {
    ScriptedCloud cloud;
    cloud.fail("queryAsyncJobResult", 431, "Invalid parameter jobid ... or entity does not exist");
    EXPECT_EQ(error_of([&] { cloud.client().wait(job, 10s); }).native(), outcome_unknown);
}

TEST(ClientWait, OutlastsAManagementServerThatIsAway) {
    ScriptedCloud cloud;
    cloud.drop("queryAsyncJobResult")
        .fail("queryAsyncJobResult", 503, "shutting down")
        .on("queryAsyncJobResult", {{"jobstatus", 1}});
    EXPECT_EQ(cloud.client().wait(job, 10s), Json::object());
}

TEST(ClientWait, EndsWithItsLimitOrItsStopToken) {
    ScriptedCloud cloud;
    cloud.on("queryAsyncJobResult", {{"jobstatus", 0}});
    EXPECT_EQ(error_of([&] { cloud.client().wait(job, 0s); }).native(), job_still_running);
    std::stop_source stop;
    EXPECT_EQ(code_of([&] { cloud.client().wait(job, 1h, stop.get_token(), [&] { stop.request_stop(); }); }),
              ErrorCode::cancelled);
}

}  // namespace
}  // namespace mk::cloudstack
