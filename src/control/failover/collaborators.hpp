#pragma once
// What every failover and rollback needs; owned by apps/oma-api, outlives all runs.

#include <chrono>
#include <memory>

#include "base/clock.hpp"
#include "control/credentials/credential_repository.hpp"
#include "control/failover/failover_repository.hpp"
#include "control/failover/inspection_cache.hpp"
#include "control/failover/ports.hpp"
#include "control/joblog/job_log.hpp"
#include "control/ledger/ledger.hpp"
#include "control/machines/machine_repository.hpp"
#include "control/networks/network_mapping_repository.hpp"
#include "control/recovery/recovery_point_repository.hpp"
#include "control/settings/cloudstack_settings.hpp"

namespace mk::failover {

/// How often is looked and how long is waited. Tests make it short.
struct Pacing {
    std::chrono::milliseconds power_poll = std::chrono::seconds{2};
    /// A hard power-off is a matter of seconds; a source that does not obey for so long needs a person.
    std::chrono::milliseconds power_off_limit = std::chrono::minutes{2};
    /// Between two looks for tests whose time is over.
    std::chrono::milliseconds timer_interval = std::chrono::seconds{5};
    /// Between two tries to record the end of a job.
    std::chrono::milliseconds record_pause = std::chrono::seconds{5};
};

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
    Pacing pacing = {};
    /// What the preflight saw on the guests' disks.
    std::shared_ptr<InspectionCache> inspections = std::make_shared<InspectionCache>();
};

}  // namespace mk::failover
