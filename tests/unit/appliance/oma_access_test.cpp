// Who may do what, and what becomes of bodies that make no sense. Both over every route there is: a new one is covered
// by being added.

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "unit/appliance/oma_world.hpp"

namespace mk::oma {
namespace {

/// Changes nothing although it is a POST: its question does not fit into a path.
const std::string reading_post = "POST /api/v1/failover/check";

class OmaAccess : public ::testing::Test, protected OmaWorld {
  protected:
    OmaAccess() {
        credentials::Credential entry;
        entry.name = "vc";
        entry.vcenter = "https://vc/sdk";
        entry.username = "u";
        SourceMachine source;
        source.instance_uuid = "uuid";
        source.name = "web";
        source.disks.emplace_back();
        source.disks.back().id = DiskId{"disk-2000"};
        vm_ = machines_.add(credentials_.add(entry, Secret("secret"), "test"), source);
    }

    /// The routes as "METHOD" and a path of things that exist where that is possible.
    std::vector<std::pair<std::string, std::string>> routes(bool reading) const {
        std::vector<std::pair<std::string, std::string>> found;
        for (const auto& route : router_.routes()) {
            const auto space = route.find(' ');
            auto path = route.substr(space + 1);
            if (const auto brace = path.find('{'); brace != std::string::npos) {
                const bool is_machine = path.starts_with("/api/v1/vms/");
                path.replace(brace, path.find('}') - brace + 1, is_machine ? vm_.value : "none");
            }
            if (route.starts_with("GET ") == reading) {
                found.emplace_back(route.substr(0, space), path);
            }
        }
        return found;
    }
    static std::string code_of(const http::ServerResponse& response) {
        return json::value_or<std::string>(json::parse(response.body), "code", "");
    }

    Secret viewer_ = tokens_.create("viewer", "viewer");
    Secret operator_ = tokens_.create("operator", "operator");
    Secret administrator_ = tokens_.create("administrator", "administrator");
    VmContextId vm_;
};

TEST_F(OmaAccess, AViewerChangesNothing) {
    const auto writing = routes(false);
    ASSERT_GT(writing.size(), 10u);
    for (const auto& [method, path] : writing) {
        // Whatever the body says, and also when it says nothing: the role comes first.
        for (const char* body : {"{}", "", "[]", R"({"context_id":"none"})"}) {
            const auto answer = call(method, path, viewer_, body);
            if (method + " " + path == reading_post) {
                EXPECT_NE(answer.status, 403) << path;
            } else {
                EXPECT_EQ(answer.status, 403) << method << " " << path << " " << body;
                EXPECT_EQ(code_of(answer), "forbidden");
            }
        }
    }
}

TEST_F(OmaAccess, AViewerReadsEverything) {
    for (const auto& [method, path] : routes(true)) {
        const auto answer = call(method, path, viewer_);
        EXPECT_NE(answer.status, 401) << path;
        EXPECT_NE(answer.status, 403) << path;
        // 503: discovery and volumes ask somebody, and nobody answers here.
        EXPECT_TRUE(answer.status < 500 || answer.status == 503) << path << " " << answer.status << answer.body;
    }
}

TEST_F(OmaAccess, AnOperatorDoesNotChangeAccessesAndTokens) {
    for (const char* path : {"/api/v1/tokens", "/api/v1/vmware-credentials", "/api/v1/ossea/discover-resources"}) {
        EXPECT_EQ(call("POST", path, operator_, "{}").status, 403) << path;
    }
    EXPECT_EQ(call("PUT", "/api/v1/ossea/config", operator_, "{}").status, 403);
    EXPECT_EQ(call("DELETE", "/api/v1/vmware-credentials/vc", operator_).status, 403);
    EXPECT_EQ(call("POST", "/api/v1/appliances/pairings", operator_, "{}").status, 403);
    EXPECT_EQ(call("DELETE", "/api/v1/appliances/leeds", operator_).status, 403);
    EXPECT_EQ(pairings_.codes, 0U);
    EXPECT_EQ(call("POST", "/api/v1/vms/nobody/sync", operator_, "{}").status, 404);
}

TEST_F(OmaAccess, NobodyWithoutTokenLearnsAnything) {
    for (const bool reading : {true, false}) {
        for (const auto& [method, path] : routes(reading)) {
            EXPECT_EQ(call(method, path, Secret("wrong")).status, path == "/health" ? 200 : 401)
                << method << " " << path;
        }
    }
}

/// Routes that read a body; the others do not look at it.
const std::set<std::string> bodiless = {"DELETE", "POST /api/v1/jobs/none/cancel", "POST /api/v1/appliances/pairings",
                                        "POST /api/v1/reconcile/run"};

TEST_F(OmaAccess, BodiesThatAreNoObjectAreInvalid) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    const std::vector<std::string> bodies = {"[]",
                                             "null",
                                             "5",
                                             R"("text")",
                                             "{",
                                             R"({"a":})",
                                             nested(60),
                                             nested(10'000),
                                             R"({"a":)" + nested(200) + "}",
                                             "\xff\xfe{}",
                                             std::string(R"({"a":"x)") + '\0' + "\"}",
                                             "{}{}"};
    for (const auto& [method, path] : routes(false)) {
        if (bodiless.contains(method) || bodiless.contains(method + " " + path)) {
            continue;
        }
        for (const auto& body : bodies) {
            const auto answer = call(method, path, administrator_, body);
            EXPECT_EQ(answer.status, 400) << method << " " << path << " " << body.substr(0, 40) << answer.body;
            EXPECT_EQ(code_of(answer), "invalid") << method << " " << path << " " << body.substr(0, 40);
        }
    }
}

TEST_F(OmaAccess, FieldsOfAWrongTypeAreInvalid) {
    struct Case {
        const char* method;
        std::string path;
        Json right;
    };
    const Json failover = {{"context_id", vm_.value},  {"network_ids", {"n"}},  {"probe", "tcp:22"},
                           {"boot_limit_s", 60},       {"test_duration_s", 60}, {"auto_cleanup", true},
                           {"force_power_off", false}, {"shutdown_limit_s", 60}};
    const std::vector<Case> cases = {
        {"POST", "/api/v1/tokens", {{"name", "n"}, {"role", "viewer"}}},
        {"POST",
         "/api/v1/vmware-credentials",
         {{"name", "n"}, {"vcenter", "v"}, {"username", "u"}, {"password", "p"}, {"certificate_sha256", ""}}},
        {"PUT", "/api/v1/networks", {{"source_network", "n"}, {"live_network", ""}, {"test_network", ""}}},
        {"POST", "/api/v1/ossea/discover-resources", {{"api_url", "u"}, {"api_key", "k"}, {"secret_key", "s"}}},
        {"PUT",
         "/api/v1/ossea/config",
         {{"api_url", "u"}, {"zone", "z"}, {"template", "t"}, {"disk_offering", "d"}, {"appliance_vm", "a"}}},
        {"POST", "/api/v1/replications", {{"vcenter", "vc"}, {"machine", "web"}, {"start_replication", true}}},
        {"POST",
         "/api/v1/vms/" + vm_.value + "/sync",
         {{"full", true}, {"compare", false}, {"priority", 5}, {"bytes_per_second", 1 << 20}}},
        {"POST", "/api/v1/vms/" + vm_.value + "/verify", {{"percent", 5}}},
        {"PUT", "/api/v1/settings/bandwidth", {{"bytes_per_second", 1 << 20}, {"windows", Json::array()}}},
        {"PUT", "/api/v1/settings/replication", {{"compare_percent", 5}}},
        {"POST", "/api/v1/failover/check", failover},
        {"POST", "/api/v1/failover/test", failover},
        {"POST", "/api/v1/failover/live", failover},
        {"POST", "/api/v1/failover/finish", {{"context_id", vm_.value}, {"verdict", "passed"}, {"note", ""}}},
        {"POST", "/api/v1/failover/cleanup", {{"context_id", vm_.value}}},
    };
    for (const auto& [method, path, right] : cases) {
        for (const auto& [field, value] : right.items()) {
            for (const Json& wrong :
                 {Json::object({{"x", 1}}), Json::array({Json::array()}), value.is_string() ? Json(5) : Json("text"),
                  value.is_number() ? Json(1e300) : Json(-1.5), value.is_number() ? Json(true) : Json(7)}) {
                auto body = right;
                body[field] = wrong;
                const auto answer = call(method, path, administrator_, json::dump(body));
                EXPECT_EQ(answer.status, 400) << method << " " << path << " " << json::dump(body) << answer.body;
                EXPECT_EQ(code_of(answer), "invalid") << method << " " << path << " " << field;
            }
        }
    }
}

}  // namespace
}  // namespace mk::oma
