// Limits and comparison: what is saved, shown and refused. Pairing: the API's side of it.

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "unit/appliance/oma_world.hpp"

namespace mk::oma {
namespace {

class OmaTransfer : public ::testing::Test, protected OmaWorld {
  protected:
    Json answer(const std::string& method, const std::string& path, const Json& body = nullptr, int status = 200) {
        const auto response = call(method, path, token_, body.is_null() ? "" : json::dump(body));
        EXPECT_EQ(response.status, status) << method << " " << path << response.body;
        return json::parse(response.body);
    }
    void pair(const std::string& name) {
        pairings_.all.push_back({.id = "id-" + name,
                                 .name = name,
                                 .fingerprint = "ab",
                                 .fingerprint_for_people = "a b",
                                 .paired_at = clock_.now()});
    }
    VmContextId managed() {
        credentials::Credential vcenter;
        vcenter.name = "vc";
        vcenter.vcenter = "https://vc/sdk";
        vcenter.username = "u";
        SourceMachine source;
        source.name = "web-01";
        source.instance_uuid = "uuid-1";
        source.disks.emplace_back().id = disk_id_from_key(2000);
        return machines_.add(credentials_.add(vcenter, Secret("secret"), "test"), source);
    }

    Secret token_ = tokens_.create("administrator", "administrator");
};

const std::string bandwidth = "/api/v1/settings/bandwidth";

TEST_F(OmaTransfer, NoLimitIsNull) {
    const auto shown = answer("GET", bandwidth);
    EXPECT_TRUE(shown.at("bytes_per_second").is_null());
    EXPECT_TRUE(shown.at("windows").empty());
    EXPECT_TRUE(shown.at("now").at("bytes_per_second").is_null());
    EXPECT_TRUE(shown.at("now").at("window").is_null());
}

TEST_F(OmaTransfer, TheWindowOfTheMomentCounts) {
    const Json all_week = {{"days", {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}},
                           {"from", "00:00"},
                           {"to", "24:00"},
                           {"bytes_per_second", 2'000'000}};
    const auto shown = answer("PUT", bandwidth, {{"bytes_per_second", 1'000'000}, {"windows", {all_week}}});
    EXPECT_EQ(shown.at("bytes_per_second"), 1'000'000);
    EXPECT_EQ(shown.at("windows").at(0), all_week);
    EXPECT_EQ(shown.at("now").at("bytes_per_second"), 2'000'000);
    EXPECT_EQ(shown.at("now").at("window"), all_week);
    EXPECT_EQ(answer("GET", bandwidth), shown);
    EXPECT_EQ(transfer_.limit_now(), 2'000'000U);
}

TEST_F(OmaTransfer, WhatIsRefusedChangesNothing) {
    answer("PUT", bandwidth, {{"bytes_per_second", 1'000'000}});
    const Json window = {{"days", {"mon"}}, {"from", "08:00"}, {"to", "10:00"}};
    const auto problem = answer("PUT", bandwidth, {{"windows", {window, window}}}, 400);
    EXPECT_EQ(problem.at("detail"), "windows 1 and 2 overlap on mon at 08:00");
    EXPECT_EQ(problem.at("consequence"), "Nothing was changed.");
    answer("PUT", bandwidth, {{"bytes_per_second", 0}}, 400);
    EXPECT_EQ(answer("GET", bandwidth).at("bytes_per_second"), 1'000'000);
}

TEST_F(OmaTransfer, TheShareThatIsComparedIsKept) {
    const std::string path = "/api/v1/settings/replication";
    EXPECT_EQ(answer("GET", path), (Json{{"compare_percent", 1}}));
    EXPECT_EQ(answer("PUT", path, {{"compare_percent", 7}}), (Json{{"compare_percent", 7}}));
    answer("PUT", path, {{"compare_percent", 101}}, 400);
    answer("PUT", path, Json::object(), 400);
    EXPECT_EQ(answer("GET", path), (Json{{"compare_percent", 7}}));
}

TEST_F(OmaTransfer, SenselessSyncsAreRefusedBeforeAnythingStarts) {
    const auto path = "/api/v1/vms/" + managed().value;
    for (const Json& body : {Json{{"full", true}, {"compare", true}}, Json{{"priority", 101}},
                             Json{{"bytes_per_second", 0}}, Json{{"bytes_per_second", 100}}}) {
        answer("POST", path + "/sync", body, 400);
    }
    answer("POST", path + "/verify", {{"percent", 0}}, 400);
    answer("POST", path + "/verify", {{"percent", 101}}, 400);
    answer("POST", path + "/verify", Json::object(), 409);
    EXPECT_TRUE(job_log_.list({}, false, 10).empty());
}

TEST_F(OmaTransfer, AppliancesAreShownAsTheyAreNow) {
    pair("york");
    pair("leeds");
    const auto shown = answer("GET", "/api/v1/appliances");
    ASSERT_EQ(shown.at("appliances").size(), 2U);
    const auto& leeds = shown.at("appliances").at(0);
    EXPECT_EQ(leeds.at("name"), "leeds");
    EXPECT_EQ(leeds.at("round_trip_ms"), 7);
    EXPECT_EQ(leeds.at("used"), false) << "of two, none is chosen";
    const auto& york = shown.at("appliances").at(1);
    EXPECT_EQ(york.at("problem"), "nobody answers");
    EXPECT_TRUE(york.at("round_trip_ms").is_null());
    EXPECT_TRUE(york.at("version_matches").is_null());
    EXPECT_EQ(answer("GET", "/api/v1/appliances/le"), leeds);
    answer("GET", "/api/v1/appliances/hull", nullptr, 404);
}

TEST_F(OmaTransfer, AnInvitationIsCountedUntilItIsUsed) {
    EXPECT_EQ(answer("GET", "/api/v1/appliances").at("open_invitations"), 0);
    EXPECT_EQ(answer("POST", "/api/v1/appliances/pairings", Json::object(), 201).at("code"), "ABCDE-FGHIJ");
    EXPECT_EQ(answer("GET", "/api/v1/appliances").at("open_invitations"), 1);
}

TEST_F(OmaTransfer, AnApplianceInUseIsRetiredOnlyByForce) {
    pair("leeds");
    job_log_.start({.type = JobType::migration,
                    .operation = "sync",
                    .owner = "test",
                    .vm_context_id = managed(),
                    .metadata = "{}",
                    .steps = {{"copy", "Copy", 1}}});
    answer("DELETE", "/api/v1/appliances/leeds", nullptr, 409);
    EXPECT_EQ(pairings_.all.size(), 1U);
    http::ServerRequest request;
    request.method = "DELETE";
    request.path = "/api/v1/appliances/leeds";
    request.query["force"] = "true";
    request.headers["authorization"] = "Bearer " + token_.reveal();
    EXPECT_EQ(router_.handle(request).status, 200);
    EXPECT_TRUE(pairings_.all.empty());
}

}  // namespace
}  // namespace mk::oma
