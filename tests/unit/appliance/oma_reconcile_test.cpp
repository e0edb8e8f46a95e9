// Findings over the API: who may look, run and apply, and what is said when a site is silent.

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "unit/appliance/oma_world.hpp"

namespace mk::oma {
namespace {

class OmaReconcile : public ::testing::Test, protected OmaWorld {
  protected:
    Json answer(const std::string& method, const std::string& path, int status = 200, const Json& body = nullptr) {
        const auto response = call(method, path, token_, body.is_null() ? "" : json::dump(body));
        EXPECT_EQ(response.status, status) << method << " " << path << response.body;
        return json::parse(response.body);
    }
    /// A cloud with a volume of a managed machine that the Volume Daemon does not know; returns the machine.
    VmContextId leave_a_volume() {
        credentials::Credential vcenter;
        vcenter.name = "vc";
        vcenter.vcenter = "https://vc/sdk";
        vcenter.username = "u";
        SourceMachine source;
        source.name = "web-01";
        source.instance_uuid = "uuid-1";
        source.disks.emplace_back().id = disk_id_from_key(2000);
        const auto vm = machines_.add(credentials_.add(vcenter, Secret("secret"), "test"), source);
        reconcile::TargetView view{.appliance = CloudMachineId{"m-1"}, .machines = {}, .volumes = {}, .snapshots = {}};
        view.volumes.push_back({.id = VolumeId{"v-1"}, .name = "lost", .state = "Ready", .context = vm.value});
        sites_.view = view;
        return vm;
    }

    Secret token_ = tokens_.create("operator", "operator");
};

const std::string path = "/api/v1/reconcile";

TEST_F(OmaReconcile, BeforeTheFirstRunNothingIsKnown) {
    const auto report = answer("GET", path);
    EXPECT_TRUE(report.at("findings").empty());
    EXPECT_TRUE(report.at("last_run").is_null());
}

TEST_F(OmaReconcile, ARunNamesWhatIsSilentAndFlagsTheMachine) {
    const auto vm = leave_a_volume();
    answer("POST", path + "/run", 200, Json::object());
    const auto report = answer("POST", path + "/run", 200, Json::object());
    ASSERT_EQ(report.at("findings").size(), 1U);
    const auto& finding = report.at("findings").at(0);
    EXPECT_EQ(finding.at("object_id"), "v-1");
    EXPECT_EQ(finding.at("machine"), "web-01");
    EXPECT_EQ(finding.at("context_id"), vm.value);
    EXPECT_EQ(finding.at("action"), "review");
    EXPECT_EQ(finding.at("needs_confirmation"), false);
    ASSERT_EQ(report.at("unreachable").size(), 1U);
    EXPECT_EQ(report.at("unreachable").at(0).at("name"), "vc");
    EXPECT_EQ(report.at("unreachable").at(0).at("problem"), "nobody answers");
    EXPECT_EQ(answer("GET", path), report);
    const auto flags = answer("GET", "/api/v1/vms/web-01").at("flags");
    EXPECT_NE(std::find(flags.begin(), flags.end(), "leftovers"), flags.end());
}

TEST_F(OmaReconcile, WhatIsForAPersonIsRefusedWithTheReason) {
    leave_a_volume();
    answer("POST", path + "/run", 200, Json::object());
    const auto report = answer("POST", path + "/run", 200, Json::object());
    const auto id = report.at("findings").at(0).at("id").get<std::string>();
    const auto problem = answer("POST", path + "/" + id + "/apply", 409, {{"confirm", "v-1"}});
    EXPECT_NE(problem.at("detail").get<std::string>().find("lost"), std::string::npos);
    EXPECT_FALSE(problem.at("remedy").get<std::string>().empty());
    answer("POST", path + "/none/apply", 404, Json::object());
    answer("POST", path + "/" + id + "/apply", 400, {{"confirm", 7}});
    EXPECT_TRUE(job_log_.list({}, false, 10).empty());
}

TEST_F(OmaReconcile, AViewerMayOnlyLook) {
    token_ = tokens_.create("reader", "viewer");
    answer("GET", path);
    answer("POST", path + "/run", 403, Json::object());
    answer("POST", path + "/none/apply", 403, Json::object());
}

}  // namespace
}  // namespace mk::oma
