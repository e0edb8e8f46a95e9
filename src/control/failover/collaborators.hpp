#pragma once
// What every failover and rollback needs; owned by apps/oma-api, outlives all runs.

#include <memory>

#include "base/clock.hpp"
#include "control/credentials/credential_repository.hpp"
#include "control/failover/failover_repository.hpp"
#include "control/failover/ports.hpp"
#include "control/joblog/job_log.hpp"
#include "control/ledger/ledger.hpp"
#include "control/machines/machine_repository.hpp"
#include "control/networks/network_mapping_repository.hpp"
#include "control/recovery/recovery_point_repository.hpp"
#include "control/settings/cloudstack_settings.hpp"

namespace mk::failover {

struct Collaborators {
    joblog::JobLog& job_log;
    ledger::Ledger& ledger;
    machines::MachineRepository& machines;
    recovery::RecoveryPointRepository& recovery_points;
    credentials::CredentialRepository& credentials;
    networks::NetworkMappingRepository& networks;
    settings::CloudStackSettingsRepository& cloudstack;
    FailoverRepository& failovers;
    FailoverVolumes& volumes;
    CloudMachines& cloud;
    GuestPreparation& guest;
    BootCheck& boot;
    SourcePower& power;
    FinalSync& final_sync;
    const Clock& clock;
};

}  // namespace mk::failover
