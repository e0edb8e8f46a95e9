#include "oma-api/vma_client.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "unit/apps/oma_api/peer.hpp"

namespace mk::oma {
namespace {

using test::code_of;
using test::error_of;

class VmaClientTest : public testing::Test {
  protected:
    test::Peer vma_;
    VmaRoute route_{.base_url = vma_.url(), .token = Secret("token")};
    VmaClient client_{[this] { return route_; }};
    contracts::VcenterAccess access_{
        .url = "https://vc/sdk", .username = "u", .password = Secret("p"), .certificate_sha256 = ""};

    static Json inventory(const Json& machines) {
        return {{"vcenter_uuid", "vc-1"}, {"version", "8.0"}, {"machines", machines}};
    }
};

TEST_F(VmaClientTest, SendsTheAccessInTheBodyOnly) {
    vma_.on("POST /api/v1/discover", inventory(Json::array()));

    EXPECT_EQ(client_.discover(access_, "web*", {}).vcenter_uuid, "vc-1");
    const auto asked = vma_.asked().front();
    EXPECT_EQ(asked.body.at("password"), "p");
    EXPECT_EQ(asked.body.at("filter"), "web*");
    EXPECT_EQ(asked.token, "Bearer token");
    EXPECT_TRUE(asked.query.empty());
}

TEST_F(VmaClientTest, SnapshotsAreFoundAndRemovedByReference) {
    contracts::SourceSnapshot snapshot;
    snapshot.machine_moref = "vm-1";
    snapshot.moref = "snapshot-7";
    snapshot.name = "migratekit-j";
    snapshot.job_id = JobId{"j"};
    vma_.on("POST /api/v1/snapshots/list",
            {{"vcenter_uuid", "vc-1"}, {"snapshots", Json::array({contracts::to_json(snapshot)})}});
    vma_.on("POST /api/v1/snapshots/remove", {{"removed", true}});

    const auto view = client_.find_snapshots(access_, {});
    EXPECT_EQ(view.vcenter_uuid, "vc-1");
    ASSERT_EQ(view.snapshots.size(), 1U);
    EXPECT_EQ(view.snapshots.front().job_id, JobId{"j"});
    client_.remove_snapshot({.vcenter = access_, .moref = "vm-1", .snapshot_moref = "snapshot-7"}, {});
    const auto asked = vma_.asked().back();
    EXPECT_EQ(asked.body.at("moref"), "vm-1");
    EXPECT_EQ(asked.body.at("snapshot_moref"), "snapshot-7");
    EXPECT_EQ(asked.body.at("password"), "p");
}

TEST_F(VmaClientTest, AMachineThatIsGoneIsToldSo) {
    vma_.on("POST /api/v1/discover", inventory(Json::array()));

    const auto error = error_of([&] { client_.look_up(access_, "vm-7", "uuid-1", {}); });
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_FALSE(error.advice().consequence.empty());
    EXPECT_FALSE(error.advice().remedy.empty());
}

TEST_F(VmaClientTest, TheErrorsOfTheVmaKeepTheirAdvice) {
    vma_.fail("POST /api/v1/power",
              Error(ErrorCode::unauthenticated, "wrong password", {.remedy = "Change it.", .retry_safe = true}));

    const auto error = error_of([&] { client_.power({.vcenter = access_, .moref = "vm-7", .action = "state"}, {}); });
    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    EXPECT_EQ(error.advice().remedy, "Change it.");
    EXPECT_EQ(code_of([&] { client_.progress(JobId{"unknown"}, {}); }), ErrorCode::not_found);
}

TEST_F(VmaClientTest, AnAnswerWithoutWhatIsNeededIsAnError) {
    vma_.on("POST /api/v1/discover", {{"machines", Json::array()}});
    EXPECT_EQ(code_of([&] { client_.discover(access_, "", {}); }), ErrorCode::invalid);
    vma_.on("POST /api/v1/snapshots/sweep", {{"remaining", "none"}});
    EXPECT_EQ(code_of([&] { client_.sweep_snapshots(access_, "vm-7", {}); }), ErrorCode::invalid);
}

TEST_F(VmaClientTest, TheVmaWritesThroughTheTunnelWhenItIsReachedThere) {
    contracts::WriteSession session;
    session.nbd_uri = "nbd://10.0.0.5:10809/ws-1";
    session.export_name = "ws-1";
    EXPECT_EQ(client_.target_uri(session), "nbd://10.0.0.5:10809/ws-1");
    route_.is_tunnel = true;
    EXPECT_EQ(client_.target_uri(session), "tunnel:///ws-1");
}

TEST_F(VmaClientTest, CopiesAreComparedThroughTheTunnelOnly) {
    EXPECT_FALSE(client_.can_compare());
    route_.is_tunnel = true;
    EXPECT_TRUE(client_.can_compare());
}

class VmaTurnsTest : public VmaClientTest {
  protected:
    const Error busy_{ErrorCode::exhausted, "too many calls to vCenters are under way", {.retry_safe = true}};
    VmaClient with_limit(std::chrono::milliseconds limit) {
        return VmaClient([this] { return route_; }, {.pause = std::chrono::milliseconds{1}, .limit = limit});
    }
};

TEST_F(VmaTurnsTest, CallsToVcentersWaitForTheirTurn) {
    for (const auto* route : {"POST /api/v1/discover", "POST /api/v1/power", "POST /api/v1/snapshots/sweep"}) {
        vma_.fail(route, busy_).fail(route, busy_);
    }
    vma_.on("POST /api/v1/discover", inventory(Json::array()))
        .on("POST /api/v1/power", contracts::to_json(contracts::PowerState{"poweredOff", false}))
        .on("POST /api/v1/snapshots/sweep", {{"remaining", Json::array()}});
    auto client = with_limit(std::chrono::hours{1});

    EXPECT_EQ(client.discover(access_, "", {}).vcenter_uuid, "vc-1");
    EXPECT_EQ(client.power({.vcenter = access_, .moref = "vm-7", .action = "state"}, {}).power_state, "poweredOff");
    EXPECT_TRUE(client.sweep_snapshots(access_, "vm-7", {}).empty());
    EXPECT_EQ(vma_.asked().size(), 9U);
}

TEST_F(VmaTurnsTest, TheWaitingHasALimitAndCanBeStopped) {
    vma_.fail("POST /api/v1/discover", busy_);
    EXPECT_EQ(code_of([&] { with_limit(std::chrono::milliseconds{5}).discover(access_, "", {}); }),
              ErrorCode::exhausted);
    std::stop_source stop;
    std::jthread waiter([&] {
        EXPECT_EQ(code_of([&] { with_limit(std::chrono::hours{1}).discover(access_, "", stop.get_token()); }),
                  ErrorCode::cancelled);
    });
    const auto before = vma_.asked().size();
    while (vma_.asked().size() < before + 3) {
        std::this_thread::yield();
    }
    stop.request_stop();
}

TEST_F(VmaTurnsTest, OtherFailuresAreToldAtOnce) {
    vma_.fail("POST /api/v1/discover", Error(ErrorCode::unavailable, "the vCenter does not answer"));
    EXPECT_EQ(code_of([&] { with_limit(std::chrono::hours{1}).discover(access_, "", {}); }), ErrorCode::unavailable);
    EXPECT_EQ(vma_.asked().size(), 1U);
}

TEST_F(VmaClientTest, TellsTheLimitAndForgetsCheckpoints) {
    vma_.on("PUT /api/v1/limit", nullptr).on("DELETE /api/v1/checkpoints/uuid-1", nullptr);

    client_.set_limit(12'500'000);
    client_.set_limit(0);
    client_.forget_checkpoint("uuid-1");
    const auto asked = vma_.asked();
    ASSERT_EQ(asked.size(), 3U);
    EXPECT_EQ(asked[0].body, (Json{{"bytes_per_second", 12'500'000}}));
    EXPECT_EQ(asked[1].body, (Json{{"bytes_per_second", 0}}));
    EXPECT_EQ(asked[2].route, "DELETE /api/v1/checkpoints/uuid-1");
    EXPECT_EQ(code_of([&] { client_.forget_checkpoint("uuid-2"); }), ErrorCode::not_found);
}

TEST_F(VmaClientTest, TheRouteIsAskedForEachCall) {
    vma_.on("GET /health", {{"version", "1"}});
    route_.base_url = "unix:/nowhere/a.sock";
    EXPECT_EQ(code_of([&] { client_.version(); }), ErrorCode::unavailable);
    route_.base_url = vma_.url();
    EXPECT_EQ(client_.version(), "1");

    const VmaClient lost([]() -> VmaRoute { throw Error(ErrorCode::conflict, "not paired"); });
    EXPECT_EQ(code_of([&] { lost.target_uri({}); }), ErrorCode::conflict);
}

TEST_F(VmaClientTest, AVmaThatIsAwayIsUnavailableByName) {
    vma_.leave();

    const auto error = error_of([&] { client_.version(); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.cause().find("VMA"), std::string::npos);
    EXPECT_FALSE(error.advice().remedy.empty());
    EXPECT_EQ(code_of([&] { client_.stop_pass(JobId{"job"}); }), ErrorCode::unavailable);
}

}  // namespace
}  // namespace mk::oma
