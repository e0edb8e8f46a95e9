// The routes without a cloud: what needs none must work, and what needs one must say so. The rest is tried against a
// simulator in tests/integration/volumes.

#include "appliance/volumes/routes.hpp"

#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::volumes_api {
namespace {

using namespace volumes;

class NoSettings : public CloudSettingsSource {
  public:
    CloudSettings require() const override {
        throw Error(ErrorCode::conflict, "CloudStack is not configured", {.remedy = "Configure it."});
    }
};

class NoLedger : public Ledger {
  public:
    std::string intend(const std::string&, const std::string&, const VmContextId&, const JobId&) override {
        return "entry";
    }
    void confirm(const std::string&, const std::string&) override {}
    void gone(const std::string&, const std::string&) override {}
    void name_gone(const std::string&, const std::string&) override {}
    std::optional<std::string> find_object(const std::string&, const std::string&) const override {
        return std::nullopt;
    }
};

std::shared_ptr<db::Database> migrated(const std::string& path) {
    auto database = db::Database::open("sqlite:" + path);
    db::migrate(*database, std::string(MK_SOURCE_DIR) + "/migrations");
    return database;
}

class RoutesTest : public testing::Test {
  protected:
    test::TemporaryFolder folder;
    std::shared_ptr<db::Database> database = migrated(folder / "test.db");
    test::FakeClock clock;
    NoSettings settings;
    NoLedger ledger;
    KeyLocks locks;
    CloudAccess cloud{settings};
    VolumeRepository rows{database, clock};
    WriteSessionRepository session_rows{database, clock};
    DeviceLocator locator{{.by_id = folder / "by-id", .sysfs_block = folder / "sys", .nodes = folder / "dev"}};
    PersistentNames names{folder / "links"};
    DigestMap digests{folder / "digests"};
    NbdServer nbd{NbdServerOptions{.address = "127.0.0.1", .port = 0, .socket = "", .max_connections = 4}};
    OperationRunner operations{
        database, clock, locks, {.workers = 2, .max_waiting = 10, .error_to_json = [](const Error& error) {
                                     return Json{{"code", std::string(to_string(error.code()))}};
                                 }}};
    VolumeService volumes{{cloud, rows, session_rows, locator, names, digests, ledger, locks}};
    CloneService clones{{cloud, rows, volumes, ledger}};
    SnapshotService snapshots{{cloud, rows, session_rows, digests, ledger, clock, clones}};
    DefaultRootService default_roots{{cloud, rows, ledger, locks}};
    WriteSessionService sessions{{rows, session_rows, locator, digests, nbd, locks},
                                 {.folder = folder / "staging", .reserve = 0, .quota = 0}};
    http::Router router =
        make_router({volumes, clones, snapshots, default_roots, sessions, operations}, Secret("token"));

    http::ServerResponse call(const std::string& method, const std::string& path, const std::string& body = "",
                              const std::string& token = "token") {
        http::ServerRequest request;
        request.method = method;
        request.path = path.substr(0, path.find('?'));
        if (const auto query = path.find('?'); query != std::string::npos) {
            const auto sign = path.find('=', query);
            request.query[path.substr(query + 1, sign - query - 1)] = path.substr(sign + 1);
        }
        request.headers["authorization"] = "Bearer " + token;
        request.body = body;
        return router.handle(request);
    }
};

/// "GET /path" of each operation: paths are the lines indented by two, methods those indented by four below them.
std::set<std::string> documented_routes() {
    std::ifstream file(std::string(MK_SOURCE_DIR) + "/api/volumes.yaml");
    std::set<std::string> documented;
    std::string path;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("  /") && line.ends_with(":")) {
            path = line.substr(2, line.size() - 3);
        }
        for (const auto& [word, method] :
             {std::pair{"    get:", "GET "}, {"    post:", "POST "}, {"    delete:", "DELETE "}}) {
            if (line == word) {
                documented.insert(method + path);
            }
        }
    }
    return documented;
}

TEST_F(RoutesTest, AreTheOnesOfTheDocument) {
    const auto served = router.routes();
    EXPECT_EQ(std::set<std::string>(served.begin(), served.end()), documented_routes());
}

TEST_F(RoutesTest, NeedTheTokenExceptForHealth) {
    EXPECT_EQ(call("GET", "/health", "", "").status, 200);
    for (const auto& route : documented_routes()) {
        const auto space = route.find(' ');
        if (route != "GET /health") {
            EXPECT_EQ(call(route.substr(0, space), route.substr(space + 1), "", "wrong").status, 401) << route;
        }
    }
}

TEST_F(RoutesTest, AnswerUnknownObjectsWith404) {
    for (const char* path : {"/api/v1/volumes/unknown", "/api/v1/operations/unknown"}) {
        EXPECT_EQ(call("GET", path).status, 404) << path;
    }
    EXPECT_EQ(call("POST", "/api/v1/write-sessions/unknown/commit").status, 404);
    EXPECT_EQ(call("DELETE", "/api/v1/write-sessions/unknown").status, 404);
    EXPECT_EQ(
        call("POST", "/api/v1/write-sessions", R"({"job_id":"j","volume_id":"v","length":512,"kind":"direct"})").status,
        404);
}

TEST_F(RoutesTest, AnEmptyInstallationHasNoVolumesAndNoSessions) {
    EXPECT_EQ(json::parse(call("GET", "/api/v1/volumes").body), (Json{{"volumes", Json::array()}}));
    EXPECT_EQ(json::parse(call("GET", "/api/v1/write-sessions?job_id=j").body), (Json{{"sessions", Json::array()}}));
    EXPECT_EQ(json::parse(call("GET", "/api/v1/snapshots/vm/ctx").body), (Json{{"snapshots", Json::array()}}));
    EXPECT_EQ(json::parse(call("GET", "/api/v1/volumes?clones=true").body), (Json{{"volumes", Json::array()}}));
}

TEST_F(RoutesTest, RefuseBodiesThatLackAField) {
    EXPECT_EQ(call("POST", "/api/v1/volumes", "{}").status, 400);
    EXPECT_EQ(call("POST", "/api/v1/volumes/v/resize", "{}").status, 400);
    EXPECT_EQ(call("POST", "/api/v1/volumes/v/attach-root", "not json").status, 400);
    EXPECT_EQ(call("POST", "/api/v1/volumes/v/clones", "{}").status, 400);
    EXPECT_EQ(call("GET", "/api/v1/write-sessions").status, 400);
}

TEST_F(RoutesTest, RefuseWordsThatTheyDoNotKnow) {
    EXPECT_EQ(call("GET", "/api/v1/volumes?clones=perhaps").status, 400);
    EXPECT_EQ(call("DELETE", "/api/v1/volumes/v?only=replica").status, 400);
    EXPECT_EQ(call("DELETE", "/api/v1/volumes/v?only=clone").status, 202);
}

TEST_F(RoutesTest, TellTheStagingSpace) {
    const auto space = json::parse(call("GET", "/api/v1/staging").body);
    EXPECT_GT(space.at("total_bytes"), 0);
    EXPECT_EQ(space.at("reserved_bytes"), 0);
    EXPECT_LE(space.at("available_bytes"), space.at("free_bytes"));
}

TEST_F(RoutesTest, AWriteSessionOnACloneIsRefused) {
    VolumeRow replica;
    replica.id = VolumeId{"replica"};
    replica.vm_context_id = VmContextId{"ctx"};
    replica.disk_id = DiskId{"disk-2000"};
    replica.name = "web";
    replica.size = GiB;
    rows.insert(replica);
    const auto record = rows.insert_clone({.id = "",
                                           .name = "web-test",
                                           .clone_of = replica.id,
                                           .vm_context_id = replica.vm_context_id,
                                           .disk_id = replica.disk_id,
                                           .size = GiB});
    rows.set_clone_volume(record.id, VolumeId{"clone"});
    const auto answer =
        call("POST", "/api/v1/write-sessions", R"({"job_id":"j","volume_id":"clone","length":512,"kind":"direct"})");
    EXPECT_EQ(answer.status, 409);
    EXPECT_NE(answer.body.find("clone"), std::string::npos);
    EXPECT_NE(answer.body.find("replica"), std::string::npos) << "it says where data goes";
}

TEST_F(RoutesTest, GiveUpACommitOnlyWhenToldSoInPlainWords) {
    for (const char* word : {"perhaps", "1", ""}) {
        EXPECT_EQ(call("DELETE", std::string("/api/v1/write-sessions/unknown?give_up=") + word).status, 400) << word;
    }
    for (const char* word : {"true", "false"}) {
        EXPECT_EQ(call("DELETE", std::string("/api/v1/write-sessions/unknown?give_up=") + word).status, 404) << word;
    }
}

TEST_F(RoutesTest, SayThatTheCloudIsNotConfigured) {
    const auto answer = call("GET", "/api/v1/machines/vm/volumes");
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(json::parse(answer.body).at("remedy"), "Configure it.");
}

}  // namespace
}  // namespace mk::volumes_api
