#include "target/cloudstack/client.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/recorded_effects.hpp"
#include "support/scripted_cloud.hpp"

namespace mk::cloudstack {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::error_of;
using test::RecordedEffects;
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

TEST(ClientWait, DoesNotKnowTheOutcomeOfAJobThatItMayNotSee) {
    ScriptedCloud cloud;
    cloud.fail("queryAsyncJobResult", 531, "permission denied");
    EXPECT_EQ(error_of([&] { cloud.client().wait(job, 10s); }).native(), outcome_unknown);
}

TEST(ClientSettle, JudgesNoJob) {
    ScriptedCloud cloud;
    const auto client = cloud.client();
    cloud.on("queryAsyncJobResult", {{"jobstatus", 0}})
        .on("queryAsyncJobResult", {{"jobstatus", 1}})
        .on("queryAsyncJobResult", {{"jobstatus", 2}, {"jobresult", {{"errorcode", 530}, {"errortext", "no"}}}})
        .on("queryAsyncJobResult", {{"jobstatus", 2}, {"jobresultcode", 530}})
        .fail("queryAsyncJobResult", 431, "entity does not exist")
        .on("queryAsyncJobResult", {{"jobstatus", 0}});
    EXPECT_EQ(client.settle(job, 10s, {}), JobEnd::done);
    EXPECT_EQ(client.settle(job, 10s, {}), JobEnd::failed);
    EXPECT_EQ(client.settle(job, 10s, {}), JobEnd::unknown);
    EXPECT_EQ(client.settle(job, 10s, {}), JobEnd::unknown);
    EXPECT_EQ(client.settle(job, 0s, {}), JobEnd::still_running);
}

TEST(ClientSettle, ThrowsWhenItCannotAsk) {
    ScriptedCloud cloud;
    cloud.fail("queryAsyncJobResult", 401, "unable to verify user credentials");
    EXPECT_EQ(code_of([&] { cloud.client().settle(job, 10s, {}); }), ErrorCode::unauthenticated);
}

TEST(ClientCall, DoesNotKnowTheOutcomeWhenAProxyAnswered) {
    ScriptedCloud cloud;
    auto options = cloud.options();
    options.transport = [](const http::Request&, const std::stop_token&) {
        return http::Response{.status = 504, .headers = {}, .cookies = {}, .body = "<html>gateway time-out</html>"};
    };
    const Client client({.url = "cloud.example", .api_key = Secret("k"), .secret_key = Secret("s")}, options);
    EXPECT_EQ(error_of([&] { client.call("deleteVolume", {{"id", "v"}}); }).native(), outcome_unknown);
    EXPECT_EQ(error_of([&] { client.start("attachVolume", {{"id", "v"}}); }).native(), outcome_unknown);
    EXPECT_EQ(code_of([&] { client.list("listZones", {}, "zone"); }), ErrorCode::unavailable);
}

TEST(ClientJournal, NotesACommandBeforeItIsSentAndItsJobBeforeItIsWaitedFor) {
    ScriptedCloud cloud;
    RecordedEffects effects;
    auto options = cloud.options(&effects);
    const auto scripted = options.transport;
    std::vector<std::string> seen;  // what the notes said when each command was sent
    options.transport = [&](const http::Request& request, const std::stop_token& stop) {
        seen.push_back(effects.notes.empty() ? "nothing" : effects.notes.back().async_job + "|");
        return scripted(request, stop);
    };
    const Client client({.url = "cloud.example:8080", .api_key = Secret("key"), .secret_key = Secret("secret")},
                        options);
    cloud.job("createVolume");
    client.wait(client.start("createVolume", {{"name", "disk"}, {"size", "1"}}), 10s);
    EXPECT_EQ(seen, (std::vector<std::string>{"|", "job-1|"}));
    ASSERT_EQ(effects.notes.size(), 1u);
    EXPECT_EQ(effects.notes[0].command, "createVolume");
    EXPECT_EQ(effects.notes[0].object, "disk");
    EXPECT_EQ(effects.notes[0].object_id, "object-1");
    EXPECT_EQ(effects.notes[0].outcome, "done");
}

TEST(ClientJournal, KnowsHowACommandEnded) {
    ScriptedCloud cloud;
    RecordedEffects effects;
    const auto client = cloud.client(&effects);
    cloud.on("deleteVolume", {{"success", true}}).fail("deleteVolume", 431, "attached").drop("deleteVolume");
    client.call("deleteVolume", {{"id", "v"}});
    EXPECT_THROW(client.call("deleteVolume", {{"id", "v"}}), Error);
    EXPECT_THROW(client.call("deleteVolume", {{"id", "v"}}), Error);
    cloud.fail("attachVolume", 535, "limit").on("attachVolume", {{"jobid", "j"}});
    EXPECT_THROW(client.start("attachVolume", {{"id", "v"}, {"virtualmachineid", "m"}}), Error);
    cloud.on("queryAsyncJobResult", {{"jobstatus", 2}, {"jobresult", {{"errorcode", 530}, {"errortext", "no"}}}})
        .on("queryAsyncJobResult", {{"jobstatus", 2}});
    const auto failing = client.start("attachVolume", {{"id", "v"}, {"virtualmachineid", "m"}});
    EXPECT_THROW(client.wait(failing, 10s), Error);
    const auto vanishing = client.start("attachVolume", {{"id", "v"}, {"virtualmachineid", "m"}});
    EXPECT_THROW(client.wait(vanishing, 10s), Error);
    std::vector<std::string> outcomes;
    for (const auto& note : effects.notes) {
        EXPECT_EQ(note.object, "v");
        outcomes.push_back(note.outcome);
    }
    EXPECT_EQ(outcomes, (std::vector<std::string>{"done", "refused", "unknown", "refused", "failed", "unknown"}));
}

TEST(ClientJournal, LeavesAJobOpenThatOutlivesThePatience) {
    ScriptedCloud cloud;
    RecordedEffects effects;
    const auto client = cloud.client(&effects);
    cloud.on("detachVolume", {{"jobid", "j"}}).on("queryAsyncJobResult", {{"jobstatus", 0}});
    EXPECT_THROW(client.wait(client.start("detachVolume", {{"id", "v"}}), 0s), Error);
    ASSERT_EQ(effects.notes.size(), 1u);
    EXPECT_EQ(effects.notes[0].outcome, "");
    EXPECT_EQ(effects.notes[0].async_job, "j");
}

TEST(ClientJournal, SendsNothingThatItCannotNote) {
    ScriptedCloud cloud;
    RecordedEffects effects;
    effects.fails_to_begin = true;
    const auto client = cloud.client(&effects);
    EXPECT_EQ(code_of([&] { client.start("attachVolume", {{"id", "v"}}); }), ErrorCode::exhausted);
    EXPECT_EQ(code_of([&] { client.call("deleteVolume", {{"id", "v"}}); }), ErrorCode::exhausted);
    EXPECT_TRUE(cloud.requests.empty());
    cloud.on("listZones", Json::object());
    EXPECT_TRUE(client.list("listZones", {}, "zone").empty()) << "who only looks needs no journal";
}

TEST(ClientJournal, GoesOnWhenTheEndCannotBeNoted) {
    ScriptedCloud cloud;
    RecordedEffects effects;
    effects.fails_afterwards = true;
    const auto client = cloud.client(&effects);
    cloud.job("attachVolume", {{"volume", {{"id", "v"}}}});
    EXPECT_EQ(client.wait(client.start("attachVolume", {{"id", "v"}}), 10s).at("volume").at("id"), "v");
}

TEST(ClientJournal, HoldsNoParametersButTheObject) {
    ScriptedCloud cloud;
    RecordedEffects effects;
    const auto client = cloud.client(&effects);
    cloud.job("deployVirtualMachine").job("createSnapshot").job("createTags");
    client.start("deployVirtualMachine", {{"name", "web"}, {"templateid", "t"}});
    client.start("createSnapshot", {{"volumeid", "v"}, {"name", "before"}});
    client.start("createTags", {{"resourcetype", "Volume"}, {"resourceids", "v"}, {"tags[0].value", "x"}});
    ASSERT_EQ(effects.notes.size(), 3u);
    EXPECT_EQ(effects.notes[0].object, "web");
    EXPECT_EQ(effects.notes[1].object, "v");
    EXPECT_EQ(effects.notes[2].object, "v");
}

}  // namespace
}  // namespace mk::cloudstack
