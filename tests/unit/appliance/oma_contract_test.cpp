// api/oma.yaml against the router and the views: a route or a field that is in one and not in the other fails here.

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "appliance/oma/failover_views.hpp"
#include "appliance/oma/reconcile_views.hpp"
#include "appliance/oma/views.hpp"
#include "unit/appliance/oma_world.hpp"

namespace mk::oma {
namespace {

std::size_t indent_of(const std::string& line) {
    return std::min(line.find_first_not_of(' '), line.size());
}

/// "  /path:" -> "/path"; empty when the line is no key at that depth.
std::string key_at(const std::string& line, std::size_t indent) {
    const auto colon = line.find(':', indent);
    return indent_of(line) == indent && colon != std::string::npos ? line.substr(indent, colon - indent) : "";
}

/// What a reader of lines can know about the document; its layout is two blanks per level.
class Document {
  public:
    Document() {
        std::ifstream file(MK_SOURCE_DIR "/api/oma.yaml");
        std::string section, path, schema;
        bool in_properties = false;
        for (std::string line; std::getline(file, line);) {
            if (const auto top = key_at(line, 0); !top.empty()) {
                section = top;
            }
            if (section == "paths") {
                if (const auto key = key_at(line, 2); key.starts_with('/')) {
                    path = key;
                } else if (is_method(key_at(line, 4))) {
                    routes_.insert(upper(key_at(line, 4)) + " " + path);
                }
            }
            if (section == "components") {
                if (const auto key = key_at(line, 4); !key.empty()) {
                    schema = key;
                    in_properties = false;
                } else if (indent_of(line) == 6) {
                    in_properties = key_at(line, 6) == "properties";
                } else if (const auto field = key_at(line, 8); in_properties && !field.empty()) {
                    fields_[schema].insert(field);
                }
            }
        }
    }
    const std::set<std::string>& routes() const { return routes_; }
    std::set<std::string> fields(const std::string& schema) const {
        const auto found = fields_.find(schema);
        return found == fields_.end() ? std::set<std::string>{} : found->second;
    }

  private:
    static bool is_method(const std::string& word) {
        return word == "get" || word == "post" || word == "put" || word == "delete" || word == "patch";
    }
    static std::string upper(std::string word) {
        std::transform(word.begin(), word.end(), word.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        return word;
    }
    std::set<std::string> routes_;
    std::map<std::string, std::set<std::string>> fields_;
};

class OmaContract : public ::testing::Test, protected OmaWorld {
  protected:
    Document document_;

    Json answer(const std::string& path) { return json::parse(call("GET", path, token_).body); }
    Json post(const std::string& path, const Json& body) {
        http::ServerRequest request;
        request.method = "POST";
        request.path = path;
        request.headers["authorization"] = "Bearer " + token_.reveal();
        request.body = json::dump(body);
        return json::parse(router_.handle(request).body);
    }
    Secret token_;
};

std::set<std::string> keys_of(const Json& object) {
    std::set<std::string> keys;
    for (const auto& item : object.items()) {
        keys.insert(item.key());
    }
    return keys;
}

std::set<std::string> without(std::set<std::string> fields, const std::set<std::string>& absent) {
    for (const auto& field : absent) {
        fields.erase(field);
    }
    return fields;
}

TEST_F(OmaContract, DescribesEveryRouteAndNoOther) {
    const auto served = router_.routes();
    EXPECT_EQ(document_.routes(), std::set<std::string>(served.begin(), served.end()));
}

TEST_F(OmaContract, DescribesEveryFieldOfAMachine) {
    machines::Machine machine;
    machine.source.disks.emplace_back();
    const auto shown = view(machine, {machines::MachineDisk{}});

    // The routes add these two.
    EXPECT_EQ(keys_of(shown), without(document_.fields("Machine"), {"job", "failover"}));
    EXPECT_EQ(keys_of(shown.at("disks").at(0)), document_.fields("MachineDisk"));
    EXPECT_EQ(keys_of(shown.at("source")), document_.fields("SourceMachine"));
    EXPECT_EQ(keys_of(shown.at("source").at("disks").at(0)), document_.fields("SourceDisk"));
}

TEST_F(OmaContract, DescribesEveryFieldOfAJob) {
    joblog::Job job;
    job.steps.emplace_back();
    const auto shown = view(job);

    EXPECT_EQ(keys_of(shown), without(document_.fields("Job"),
                                      {"machine", "replication", "recovery_point", "verification", "failover"}));
    EXPECT_EQ(keys_of(shown.at("steps").at(0)), document_.fields("Step"));
    EXPECT_EQ(keys_of(view(joblog::Event{})), document_.fields("Event"));
    EXPECT_EQ(keys_of(view(replication::ReplicationJob{})), without(document_.fields("ReplicationJob"), {"disks"}));
    EXPECT_EQ(keys_of(view(failover::FailoverJob{})), document_.fields("FailoverJob"));
}

TEST_F(OmaContract, DescribesEveryFieldOfWhatIsLeft) {
    RecoveryPoint point;
    point.disks.emplace_back();
    failover::PreflightResult checks;
    checks.findings.emplace_back();
    settings::Resources resources;
    resources.zones.emplace_back();

    EXPECT_EQ(keys_of(view(point)), document_.fields("RecoveryPoint"));
    EXPECT_EQ(keys_of(view(point).at("disks").at(0)), document_.fields("RecoveryPointDisk"));
    checks.nics.emplace_back();
    checks.forecast.emplace().parts.emplace_back();
    EXPECT_EQ(keys_of(view(checks)), document_.fields("PreflightResult"));
    EXPECT_EQ(keys_of(view(checks).at("nics").at(0)), document_.fields("Nic"));
    EXPECT_EQ(keys_of(view(checks).at("forecast")), document_.fields("Forecast"));
    EXPECT_EQ(keys_of(view(checks).at("forecast").at("parts").at(0)), document_.fields("ForecastPart"));
    EXPECT_EQ(keys_of(view(checks).at("checks").at(0)), document_.fields("Finding"));
    EXPECT_EQ(keys_of(view(resources)), document_.fields("CloudStackResources"));
    EXPECT_EQ(keys_of(view(resources).at("zones").at(0)), document_.fields("CloudStackResource"));
    EXPECT_EQ(keys_of(view(credentials::Credential{})), document_.fields("Vcenter"));
    EXPECT_EQ(keys_of(view(settings::CloudStackSettings{})), document_.fields("CloudStackSettings"));
    EXPECT_EQ(keys_of(view(networks::NetworkMapping{})), document_.fields("NetworkMapping"));
    EXPECT_EQ(keys_of(view(ledger::Entry{})), document_.fields("LedgerEntry"));
}

TEST_F(OmaContract, DescribesEveryFieldOfTheWayBetweenTheSites) {
    token_ = tokens_.create("reader", "viewer");
    pairings_.all.emplace_back().name = "leeds";
    const auto limits = answer("/api/v1/settings/bandwidth");
    EXPECT_EQ(keys_of(limits), document_.fields("Bandwidth"));
    EXPECT_EQ(keys_of(limits.at("now")), document_.fields("BandwidthNow"));
    EXPECT_EQ(without(keys_of(limits), {"now"}), document_.fields("BandwidthLimits"));
    EXPECT_EQ(keys_of(settings::to_json(settings::BandwidthWindow{})), document_.fields("BandwidthWindow"));
    EXPECT_EQ(keys_of(answer("/api/v1/settings/replication")), document_.fields("ReplicationSettings"));
    EXPECT_EQ(keys_of(answer("/api/v1/appliances")), document_.fields("ApplianceList"));
    EXPECT_EQ(keys_of(view(settings::PairedAppliance{})), document_.fields("PairedAppliance"));
    EXPECT_EQ(keys_of(view(ApplianceState{})), document_.fields("ApplianceState"));
    EXPECT_EQ(keys_of(view(settings::Invitation{})), document_.fields("Invitation"));
    auto appliance = document_.fields("PairedAppliance");
    appliance.merge(document_.fields("ApplianceState"));
    appliance.insert("used");
    EXPECT_EQ(keys_of(answer("/api/v1/appliances/leeds")), appliance);
}

TEST_F(OmaContract, DescribesEveryFieldOfAFailover) {
    failover::FailoverJob job;
    job.boot_observations = R"([{"when":"2026-01-01T00:00:00.000Z","probe":"tcp:22","is_proof":true,"text":"SSH"}])";
    job.network_mappings = R"({"nics":[{"network_id":"n","mac":"","address":"10.1.1.7"}]})";
    const auto shown = view(job);
    EXPECT_EQ(keys_of(shown), document_.fields("FailoverJob"));
    EXPECT_EQ(keys_of(shown.at("boot_observations").at(0)), document_.fields("BootObservation"));
    EXPECT_EQ(shown.at("boot_observations").at(0).at("at"), "2026-01-01T00:00:00.000Z");
    EXPECT_EQ(keys_of(shown.at("nics").at(0)), document_.fields("Nic"));
    EXPECT_TRUE(shown.at("nics").at(0).at("mac").is_null());
    auto whole = document_.fields("FailoverJob");
    whole.merge(document_.fields("FailoverReportParts"));
    EXPECT_EQ(keys_of(report_of(services_, job)), whole);
    EXPECT_EQ(keys_of(view(ledger::Effect{})), document_.fields("SentCommand"));
    failover::PlannedStep step;
    step.actions.emplace_back();
    EXPECT_EQ(keys_of(view(step)), document_.fields("PlannedStep"));
    EXPECT_EQ(keys_of(view(step).at("actions").at(0)), document_.fields("PlannedAction"));
}

TEST_F(OmaContract, DescribesEveryFieldOfAVerification) {
    const Json kept = {{"verdict", "differs"}, {"percent", 5},   {"snapshot_ms", 1'767'225'600'000},
                       {"compared", 2},        {"different", 1}, {"disks", Json::array()}};
    const auto shown = verification_view(kept);
    EXPECT_EQ(keys_of(shown), document_.fields("Verification"));
    EXPECT_EQ(shown.at("snapshot_time"), "2026-01-01T00:00:00.000Z");
    EXPECT_TRUE(verification_view(nullptr).is_null());
}

TEST_F(OmaContract, EndsOfALiveFailoverNeedAnOperatorAndAMachineThatIsFailedOver) {
    credentials::Credential vcenter;
    vcenter.name = "vc";
    vcenter.vcenter = "https://vc/sdk";
    vcenter.username = "u";
    SourceMachine source;
    source.name = "web-01";
    source.vcenter_uuid = "vc-1";
    source.instance_uuid = "uuid-1";
    source.disks.emplace_back().id = disk_id_from_key(2000);
    const auto vm = machines_.add(credentials_.add(vcenter, Secret("secret"), "test"), source);
    const Json body = {{"context_id", vm.value}};
    for (const auto* path : {"/api/v1/failover/commit", "/api/v1/failover/back"}) {
        token_ = tokens_.create(std::string("viewer of ") + path, "viewer");
        EXPECT_EQ(post(path, body).at("code"), "forbidden");
        token_ = tokens_.create(std::string("operator of ") + path, "operator");
        EXPECT_EQ(post(path, Json::object()).at("code"), "invalid");
        EXPECT_EQ(post(path, {{"context_id", "none"}}).at("code"), "not_found");
        const auto problem = post(path, body);
        EXPECT_EQ(problem.at("code"), "conflict");
        EXPECT_FALSE(problem.at("remedy").get<std::string>().empty());
    }
    EXPECT_TRUE(job_log_.list({}, false, 10).empty());
}

TEST_F(OmaContract, DescribesEveryFieldOfTheReconciler) {
    reconcile::Report report;
    report.unreachable.emplace_back();
    EXPECT_EQ(keys_of(view(report)), document_.fields("ReconcileReport"));
    EXPECT_EQ(keys_of(view(report).at("unreachable").at(0)), document_.fields("ReconcileUnreachable"));
    // The routes add it.
    EXPECT_EQ(keys_of(view(reconcile::Finding{})), without(document_.fields("ReconcileFinding"), {"machine"}));
}

TEST_F(OmaContract, DescribesStatusAndProblems) {
    token_ = tokens_.create("reader", "viewer");
    EXPECT_EQ(keys_of(answer("/api/v1/status")), document_.fields("Status"));
    EXPECT_EQ(keys_of(answer("/api/v1/status").at("peers").at(0)), document_.fields("Peer"));
    EXPECT_EQ(keys_of(answer("/health")), document_.fields("Health"));
    EXPECT_EQ(keys_of(answer("/api/v1/vms/none")), without(document_.fields("Problem"), {"native"}));
    EXPECT_EQ(keys_of(answer("/api/v1/vms")), document_.fields("MachineList"));
    EXPECT_EQ(keys_of(answer("/api/v1/jobs")), document_.fields("JobList"));
    EXPECT_EQ(keys_of(answer("/api/v1/ledger")), document_.fields("LedgerList"));
}

}  // namespace
}  // namespace mk::oma
