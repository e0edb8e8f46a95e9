#include "oma-api/volumes_client.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "unit/apps/oma_api/peer.hpp"

namespace mk::oma {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::error_of;

const VolumeId volume{"v-1"};
const std::string attach_route = "POST /api/v1/volumes/v-1/attach";
const std::string operation_route = "GET /api/v1/operations/op-1";

class VolumesClientTest : public testing::Test {
  protected:
    test::Peer daemon_;
    VolumesClient client_{
        daemon_.url(),
        Secret("token"),
        {.poll = 1ms, .patience = {.first_pause = 1ms, .longest_pause = 5ms, .give_up_after = 100ms}}};

    static Json volume_json() {
        return {{"volume_id", "v-1"},  {"vm_context_id", "ctx"}, {"disk_id", "disk-2000"},   {"name", "web"},
                {"size_bytes", GiB},   {"state", "Ready"},       {"type", "DATADISK"},       {"operation_mode", "oma"},
                {"device_path", "/d"}, {"symlink_path", "/l"},   {"snapshot_status", "none"}};
    }
    static Json operation(const char* state, const Json& more = Json::object()) {
        Json json{{"operation_id", "op-1"}, {"state", state}, {"detail", ""}, {"percent", 0}};
        json.update(more);
        return json;
    }
    void accept(const std::string& route) { daemon_.on(route, {{"operation_id", "op-1"}}, 202); }
};

TEST_F(VolumesClientTest, PollsTheOperationAndGivesItsResult) {
    accept(attach_route);
    daemon_.on(operation_route, operation("running"))
        .on(operation_route, operation("completed", {{"result", volume_json()}}));

    EXPECT_EQ(client_.attach_to_appliance(volume, {}).device_path, "/d");
    EXPECT_EQ(daemon_.count(attach_route), 1u);
    EXPECT_EQ(daemon_.asked().front().token, "Bearer token");
}

TEST_F(VolumesClientTest, BeginsAnInterruptedOperationAgain) {
    accept(attach_route);
    daemon_.on(operation_route, operation("interrupted"))
        .on(operation_route, operation("completed", {{"result", volume_json()}}));

    EXPECT_EQ(client_.attach_to_appliance(volume, {}).volume_id, volume);
    EXPECT_EQ(daemon_.count(attach_route), 2u);
}

TEST_F(VolumesClientTest, GivesUpOnADaemonThatIsRestartedAgainAndAgain) {
    accept(attach_route);
    daemon_.on(operation_route, operation("interrupted"));

    const auto error = error_of([&] { client_.attach_to_appliance(volume, {}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_FALSE(error.advice().remedy.empty());
    EXPECT_EQ(daemon_.count(attach_route), 5u);
}

TEST_F(VolumesClientTest, AFailedOperationIsTheDaemonsErrorWithItsAdvice) {
    accept(attach_route);
    daemon_.on(operation_route, operation("failed", {{"error",
                                                      {{"code", "exhausted"},
                                                       {"message", "32 of 32 data disks"},
                                                       {"consequence", "Nothing was changed."},
                                                       {"remedy", "Detach one."},
                                                       {"retry_safe", true},
                                                       {"native", "530"}}}}));

    const auto error = error_of([&] { client_.attach_to_appliance(volume, {}); });
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_EQ(error.cause(), "32 of 32 data disks");
    EXPECT_EQ(error.advice().consequence, "Nothing was changed.");
    EXPECT_EQ(error.advice().remedy, "Detach one.");
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(error.native(), "530");
    EXPECT_EQ(daemon_.count(attach_route), 1u);
}

TEST_F(VolumesClientTest, ARefusedRequestIsNotRepeated) {
    daemon_.fail(attach_route, Error(ErrorCode::conflict, "not now", {.remedy = "Wait."}));

    const auto error = error_of([&] { client_.attach_to_appliance(volume, {}); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.advice().remedy, "Wait.");
    EXPECT_EQ(daemon_.count(attach_route), 1u);
}

TEST_F(VolumesClientTest, ADaemonThatIsStoppingIsAskedAgain) {
    daemon_.fail(attach_route, Error(ErrorCode::unavailable, "stopping"));
    accept(attach_route);
    daemon_.fail(operation_route, Error(ErrorCode::unavailable, "stopping"))
        .on(operation_route, operation("completed", {{"result", volume_json()}}));

    EXPECT_EQ(client_.attach_to_appliance(volume, {}).volume_id, volume);
}

TEST_F(VolumesClientTest, ADaemonThatStaysAwayIsUnavailable) {
    daemon_.leave();

    const auto error = error_of([&] { client_.attach_to_appliance(volume, {}); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("Volume Daemon"), std::string::npos);
    EXPECT_FALSE(error.advice().remedy.empty());
}

TEST_F(VolumesClientTest, StopsWaitingWhenItIsStopped) {
    accept(attach_route);
    std::stop_source stop;
    daemon_.on(operation_route, operation("running", {{"detail", "Attaching"}}));

    EXPECT_EQ(code_of([&] {
                  client_.commit(WriteSessionId{"unknown"}, {}, {});  // nothing was written down: told as it is
              }),
              ErrorCode::not_found);
    accept("POST /api/v1/write-sessions/s-1/commit");
    EXPECT_EQ(code_of([&] {
                  client_.commit(
                      WriteSessionId{"s-1"}, [&](const std::string&) { stop.request_stop(); }, stop.get_token());
              }),
              ErrorCode::cancelled);
}

TEST_F(VolumesClientTest, StopsAskingADaemonThatIsAwayWhenItIsStopped) {
    VolumesClient patient(daemon_.url(), Secret("token"), {.poll = 1ms, .patience = {.give_up_after = 1h}});
    accept("POST /api/v1/write-sessions/s-1/commit");
    daemon_.on(operation_route, operation("running", {{"detail", "Applying"}}));
    std::stop_source stop;

    EXPECT_EQ(code_of([&] {
                  patient.commit(
                      WriteSessionId{"s-1"},
                      [&](const std::string&) {
                          daemon_.leave();
                          stop.request_stop();
                      },
                      stop.get_token());
              }),
              ErrorCode::cancelled);
}

TEST_F(VolumesClientTest, SendsDigestsInPiecesThatTheDaemonTakes) {
    const std::string route = "POST /api/v1/write-sessions/s-1/verify";
    accept(route);
    daemon_.on(operation_route,
               operation("completed", {{"result", {{"mismatches", {{{"offset", 8}, {"length", 4}}}}}}}));
    const std::vector<contracts::DigestedRange> ranges(9000, {{0, 4}, std::string(64, 'a')});

    EXPECT_EQ(client_.verify(WriteSessionId{"s-1"}, ranges, {}).size(), 3u);  // one of each piece
    EXPECT_EQ(daemon_.count(route), 3u);
}

TEST_F(VolumesClientTest, SaysWhenASessionIsToBeGivenUpInTheMiddleOfItsCommit) {
    daemon_.on("DELETE /api/v1/write-sessions/s-1", nullptr);

    client_.abort(WriteSessionId{"s-1"}, {});
    client_.give_up(WriteSessionId{"s-1"}, {});
    ASSERT_EQ(daemon_.asked().size(), 2u);
    EXPECT_EQ(daemon_.asked()[0].query, "");
    EXPECT_EQ(daemon_.asked()[1].query, "give_up=true");
}

TEST_F(VolumesClientTest, TellsTheVersionAndNothingOfWhoIsAway) {
    daemon_.on("GET /health", {{"status", "ok"}, {"version", "1.2"}});
    EXPECT_EQ(client_.version(), "1.2");
    daemon_.leave();
    EXPECT_EQ(code_of([&] { client_.version(); }), ErrorCode::unavailable);
}

TEST_F(VolumesClientTest, MakesListsAndRemovesClones) {
    const std::string make = "POST /api/v1/volumes/v-1/clones";
    auto clone = volume_json();
    clone["volume_id"] = "c-1";
    clone["clone_of"] = "v-1";
    accept(make);
    accept("DELETE /api/v1/volumes/c-1");
    daemon_.on(operation_route, operation("completed", {{"result", clone}}));
    daemon_.on("GET /api/v1/volumes", {{"volumes", Json::array({clone})}});

    EXPECT_EQ(client_.create_clone(volume, "web-test", {}, {}).clone_of, volume);
    ASSERT_EQ(client_.clones_of(VmContextId{"ctx"}, {}).size(), 1u);
    EXPECT_EQ(daemon_.asked().back().query, "clones=true");
    client_.remove_clone(VolumeId{"c-1"}, {});
    for (const auto& asked : daemon_.asked()) {
        if (asked.route == "DELETE /api/v1/volumes/c-1") {
            EXPECT_EQ(asked.query, "only=clone") << "a replica is refused by the daemon itself";
        }
    }
    EXPECT_EQ(daemon_.count("DELETE /api/v1/volumes/c-1"), 1u);
}

TEST_F(VolumesClientTest, SaysWhetherASnapshotMustRevert) {
    const std::string route = "POST /api/v1/snapshots";
    accept(route);
    daemon_.on(operation_route, operation("completed", {{"result", {{"volume_id", "v-1"}, {"status", "ready"}}}}));

    client_.create_snapshot(volume, "s", {}, {});
    client_.create_snapshot_for_clones(volume, "s", {}, {});
    std::vector<bool> told;
    for (const auto& asked : daemon_.asked()) {
        if (asked.route == route) {
            told.push_back(asked.body.at("must_revert"));
        }
    }
    EXPECT_EQ(told, (std::vector<bool>{true, false}));
}

TEST_F(VolumesClientTest, TellsWhoseTheVolumesOfAMachineAre) {
    const std::string route = "GET /api/v1/machines/m-1/volumes";
    daemon_.on(route, {{"volumes",
                        {{{"volume_id", "v-1"}, {"type", "ROOT"}, {"is_replica", true}, {"is_clone", false}},
                         {{"volume_id", "c-1"}, {"type", "DATADISK"}, {"is_replica", false}, {"is_clone", true}}}}});
    const auto volumes = client_.volumes_at(CloudMachineId{"m-1"}, {});
    ASSERT_EQ(volumes.size(), 2u);
    EXPECT_TRUE(volumes[0].is_replica && !volumes[0].is_clone);
    EXPECT_TRUE(!volumes[1].is_replica && volumes[1].is_clone);

    daemon_.on(route, {{"volumes", {{{"volume_id", "v-1"}, {"type", "ROOT"}}}}});
    EXPECT_NO_THROW(client_.volumes_at(CloudMachineId{"m-1"}, {}));  // the last answer of before
    EXPECT_EQ(code_of([&] { client_.volumes_at(CloudMachineId{"m-1"}, {}); }), ErrorCode::invalid);
}

TEST_F(VolumesClientTest, TellsTheStagingSpace) {
    daemon_.on("GET /api/v1/staging",
               {{"total_bytes", 9}, {"free_bytes", 7}, {"reserved_bytes", 2}, {"available_bytes", 5}});
    EXPECT_EQ(client_.staging({}).available_bytes, 5u);
    EXPECT_EQ(client_.staging({}).reserved_bytes, 2u);
}

}  // namespace
}  // namespace mk::oma
