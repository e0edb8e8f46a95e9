#include "target/volumes/unfinished_commands.hpp"

#include "support/recorded_effects.hpp"
#include "unit/target/volumes/daemon_rig.hpp"

namespace mk::volumes {
namespace {

using namespace std::chrono_literals;
using test::error_of;
using test::RecordedEffects;
using test::ScriptedCloud;

class UnfinishedCommandsTest : public testing::Test {
  protected:
    ScriptedCloud cloud;
    RecordedEffects effects;
    cloudstack::Client client = cloud.client(&effects);
    std::vector<std::string> said;
    const Progress progress{{}, [this](const std::string& text, double) { said.push_back(text); }};

    UnfinishedCommand command(const std::string& object, const std::string& job, const std::string& object_id = "") {
        return {.note = effects.begin("detachVolume", object),
                .command = "detachVolume",
                .object = object,
                .object_id = object_id,
                .async_job_id = job};
    }
    std::size_t asked() const { return cloud.count("queryAsyncJobResult"); }
};

TEST_F(UnfinishedCommandsTest, AreWaitedForOnceBeforeTheFirstOperationOnTheirObject) {
    UnfinishedCommands left({command("v-1", "job-1")}, &effects);
    cloud.on("queryAsyncJobResult", {{"jobstatus", 0}}).on("queryAsyncJobResult", {{"jobstatus", 1}});
    left.settle(client, {"v-2"}, progress);
    EXPECT_EQ(asked(), 0u);
    left.settle(client, {"v-1"}, progress);
    EXPECT_EQ(asked(), 2u);
    EXPECT_EQ(effects.notes[0].outcome, "done");
    ASSERT_FALSE(said.empty());
    EXPECT_NE(said[0].find("detachVolume"), std::string::npos);
    left.settle(client, {"v-1"}, progress);
    EXPECT_EQ(asked(), 2u);
}

TEST_F(UnfinishedCommandsTest, AreFoundByTheObjectThatTheyMadeToo) {
    UnfinishedCommands left({command("web-test", "job-1", "v-9")}, &effects);
    cloud.on("queryAsyncJobResult", {{"jobstatus", 1}});
    left.settle(client, {"v-9", "v-9"}, progress);
    EXPECT_EQ(asked(), 1u);
}

TEST_F(UnfinishedCommandsTest, WhateverTheyCameToTheStateOfTheObjectDecides) {
    UnfinishedCommands left({command("v-1", "failed"), command("v-1", "lost"), command("v-1", "")}, &effects);
    cloud.on("queryAsyncJobResult", {{"jobstatus", 2}, {"jobresult", {{"errorcode", 530}, {"errortext", "no"}}}})
        .fail("queryAsyncJobResult", 431, "entity does not exist");
    left.settle(client, {"v-1"}, progress);
    EXPECT_EQ(asked(), 2u) << "what was never answered has no job to ask for";
    EXPECT_EQ(effects.notes[0].outcome, "failed");
    EXPECT_EQ(effects.notes[1].outcome, "unknown");
    EXPECT_EQ(effects.notes[2].outcome, "unknown");
}

TEST_F(UnfinishedCommandsTest, OneThatIsStillUnderWayKeepsEverybodyAway) {
    UnfinishedCommands left({command("v-1", "job-1")}, &effects, 0ms);
    cloud.on("queryAsyncJobResult", {{"jobstatus", 0}});
    for (int i = 0; i < 2; ++i) {
        const auto error = error_of([&] { left.settle(client, {"v-1"}, progress); });
        EXPECT_EQ(error.code(), ErrorCode::timeout);
        EXPECT_TRUE(error.advice().retry_safe);
        EXPECT_FALSE(error.advice().remedy.empty());
    }
    EXPECT_EQ(effects.notes[0].outcome, "");
}

TEST_F(UnfinishedCommandsTest, NothingIsLeftWhenTheJournalCannotTakeTheEnd) {
    UnfinishedCommands left({command("v-1", "")}, &effects);
    effects.fails_afterwards = true;
    left.settle(client, {"v-1"}, progress);
}

class LateDetach : public test_support::DaemonRig {};

TEST_F(LateDetach, OfAFormerRunIsOverBeforeTheVolumeIsAttachedAgain) {
    RecordedEffects effects;
    const auto replica = a_replica();
    cloudstack.place(replica.value, "vm-oma", 1, "DATADISK");
    cloudstack.job_states["late"] = "gone";
    auto options = cloudstack.options(&effects);
    const auto plain = options.transport;
    options.transport = [&](const http::Request& request, const std::stop_token& stop) {
        if (request.url.find("jobid=late") != std::string::npos) {
            cloudstack.volumes[replica.value].erase("virtualmachineid");  // this is when it takes effect
        }
        return plain(request, stop);
    };
    CloudAccess after_restart(settings, options,
                              {{.note = effects.begin("detachVolume", replica.value),
                                .command = "detachVolume",
                                .object = replica.value,
                                .object_id = "",
                                .async_job_id = "late"}});
    VolumeService service({after_restart, rows, session_rows, locator, names, digests, ledger, locks});
    EXPECT_EQ(service.attach_root(replica, CloudMachineId{"vm-test"}, progress).vm_id, CloudMachineId{"vm-test"});
    EXPECT_EQ(cloudstack.volumes.at(replica.value).at("virtualmachineid"), "vm-test");
}

}  // namespace
}  // namespace mk::volumes
