#pragma once
// The OMA's router with every service behind it.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "appliance/oma/routes.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"
#include "unit/appliance/absent_world.hpp"

namespace mk::oma {

/// Every service of the OMA over a database of its own; nobody outside answers.
struct OmaWorld {
    OmaWorld() { db::migrate(*database_, MK_SOURCE_DIR "/migrations"); }

    replication::Collaborators replication_use() {
        return {.database = database_,
                .job_log = job_log_,
                .ledger = ledger_,
                .machines = machines_,
                .recovery_points = recovery_points_,
                .credentials = credentials_,
                .replications = replications_,
                .source = source_,
                .volumes = replica_volumes_,
                .bandwidth = policies_,
                .sampling = policies_,
                .clock = clock_};
    }
    failover::Collaborators failover_use() {
        return {.job_log = job_log_,
                .ledger = ledger_,
                .machines = machines_,
                .recovery_points = recovery_points_,
                .credentials = credentials_,
                .networks = networks_,
                .cloudstack = cloudstack_,
                .failovers = failovers_,
                .volumes = failover_volumes_,
                .cloud = cloud_,
                .guest = tools_,
                .boot = tools_,
                .power = source_,
                .final_sync = tools_,
                .clock = clock_};
    }

    test::TemporaryFolder folder_;
    test::FakeClock clock_;
    SecretBox box_{std::string(32, 'k')};
    std::shared_ptr<db::Database> database_ = db::Database::open("sqlite:" + (folder_ / "oma.db"));
    joblog::JobLog job_log_{database_, clock_};
    ledger::Ledger ledger_{database_, clock_};
    ledger::Effects effects_{database_, clock_, "oma-api"};
    machines::MachineRepository machines_{database_, job_log_, clock_};
    recovery::RecoveryPointRepository recovery_points_{database_, clock_};
    credentials::CredentialRepository credentials_{database_, box_, clock_};
    networks::NetworkMappingRepository networks_{database_, clock_};
    settings::CloudStackSettingsRepository cloudstack_{database_, box_, clock_};
    replication::ReplicationRepository replications_{database_, clock_};
    failover::FailoverRepository failovers_{database_, clock_};
    access::TokenService tokens_{database_, clock_};
    test::AbsentSource source_;
    test::AbsentReplicaVolumes replica_volumes_;
    test::AbsentFailoverVolumes failover_volumes_;
    test::AbsentCloud cloud_;
    test::AbsentTools tools_;
    test::AbsentSites sites_;
    test::PlainPolicies policies_;
    test::FakePairings pairings_;
    settings::TransferSettings transfer_{database_, clock_};
    settings::SourceAppliances appliances_{pairings_, job_log_, settings::SettingRows(database_, clock_), {}};
    settings::CloudStackSetup setup_{cloudstack_, cloud_};
    discovery::DiscoveryService discovery_{credentials_, machines_, source_};
    replication::ReplicationService replication_{replication_use()};
    failover::FailoverService failover_{failover_use()};
    reconcile::ReconcileService reconcile_{{.database = database_,
                                            .job_log = job_log_,
                                            .ledger = ledger_,
                                            .machines = machines_,
                                            .recovery_points = recovery_points_,
                                            .credentials = credentials_,
                                            .target = sites_,
                                            .removal = sites_,
                                            .source = sites_,
                                            .clock = clock_}};
    Services services_{.tokens = tokens_,
                       .credentials = credentials_,
                       .cloudstack = cloudstack_,
                       .cloudstack_setup = setup_,
                       .transfer = transfer_,
                       .appliances = appliances_,
                       .discovery = discovery_,
                       .machines = machines_,
                       .networks = networks_,
                       .recovery_points = recovery_points_,
                       .replications = replications_,
                       .replication = replication_,
                       .volumes = replica_volumes_,
                       .failovers = failovers_,
                       .failover = failover_,
                       .job_log = job_log_,
                       .ledger = ledger_,
                       .effects = effects_,
                       .reconcile = reconcile_,
                       .peers = [] { return std::vector<PeerState>{PeerState{}}; },
                       .appliance_state =
                           [](const settings::PairedAppliance& appliance) {
                               return appliance.name == "leeds"
                                          ? ApplianceState{.reachable = true,
                                                           .version = "0.1.0",
                                                           .is_same_version = true,
                                                           .round_trip = std::chrono::milliseconds{7}}
                                          : ApplianceState{.problem = "nobody answers"};
                           }};
    http::Router router_ = make_router(services_);

    http::ServerResponse call(const std::string& method, const std::string& path, const Secret& token,
                              const std::string& body = "") {
        http::ServerRequest request;
        request.method = method;
        request.path = path;
        request.headers["authorization"] = "Bearer " + token.reveal();
        request.body = body;
        return router_.handle(request);
    }
};

}  // namespace mk::oma
