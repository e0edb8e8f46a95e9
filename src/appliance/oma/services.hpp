#pragma once
// What the routes of the OMA may call. Owned by apps/oma-api; outlives the server.

#include "control/access/token_service.hpp"
#include "control/credentials/credential_repository.hpp"
#include "control/discovery/discovery_service.hpp"
#include "control/failover/failover_service.hpp"
#include "control/joblog/job_log.hpp"
#include "control/ledger/effects.hpp"
#include "control/ledger/ledger.hpp"
#include "control/machines/machine_repository.hpp"
#include "control/networks/network_mapping_repository.hpp"
#include "control/reconcile/reconcile_service.hpp"
#include "control/recovery/recovery_point_repository.hpp"
#include "control/replication/replication_service.hpp"
#include "control/settings/cloudstack_setup.hpp"
#include "control/settings/source_appliances.hpp"
#include "control/settings/transfer_settings.hpp"

namespace mk::oma {

struct PeerState {
    std::string name;
    std::string address;
    bool reachable = false;
    std::string version;
    std::string problem;
};

/// An appliance at the source site, as asked just now.
struct ApplianceState {
    bool reachable = false;
    std::string version{};
    bool is_same_version = false;            ///< as this OMA's
    std::chrono::milliseconds round_trip{};  ///< of one question and its answer
    std::string problem{};
};

struct Services {
    access::TokenService& tokens;
    credentials::CredentialRepository& credentials;
    settings::CloudStackSettingsRepository& cloudstack;
    settings::CloudStackSetup& cloudstack_setup;
    settings::TransferSettings& transfer;
    settings::SourceAppliances& appliances;
    discovery::DiscoveryService& discovery;
    machines::MachineRepository& machines;
    networks::NetworkMappingRepository& networks;
    recovery::RecoveryPointRepository& recovery_points;
    replication::ReplicationRepository& replications;
    replication::ReplicationService& replication;
    replication::ReplicaVolumes& volumes;
    failover::FailoverRepository& failovers;
    failover::FailoverService& failover;
    joblog::JobLog& job_log;
    ledger::Ledger& ledger;
    ledger::Effects& effects;
    reconcile::ReconcileService& reconcile;
    std::function<std::vector<PeerState>()> peers;  ///< asks VMA and Volume Daemon how they are
    std::function<ApplianceState(const settings::PairedAppliance&)> appliance_state;  ///< answers within seconds
};

}  // namespace mk::oma
