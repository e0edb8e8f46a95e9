#pragma once
// What the reconciler needs; owned by apps/oma-api, outlives it.

#include <chrono>
#include <memory>

#include "base/clock.hpp"
#include "control/credentials/credential_repository.hpp"
#include "control/joblog/job_log.hpp"
#include "control/ledger/ledger.hpp"
#include "control/machines/machine_repository.hpp"
#include "control/reconcile/ports.hpp"
#include "control/recovery/recovery_point_repository.hpp"
#include "db/database.hpp"

namespace mk::reconcile {

struct Pacing {
    /// Between two looks of the timer.
    std::chrono::milliseconds interval = std::chrono::minutes{15};
    /// An object that is older is not in the making. More than clocks of two sites may differ by.
    std::chrono::milliseconds settled_age = std::chrono::minutes{15};
    /// For each site of a look: a person may wait for the answer.
    std::chrono::milliseconds site_limit = std::chrono::minutes{2};
    /// Between two tries to record the end of a job.
    std::chrono::milliseconds record_pause = std::chrono::seconds{5};
};

struct Collaborators {
    std::shared_ptr<db::Database> database;
    joblog::JobLog& job_log;
    ledger::Ledger& ledger;
    machines::MachineRepository& machines;
    recovery::RecoveryPointRepository& recovery_points;
    credentials::CredentialRepository& credentials;
    TargetInventory& target;
    TargetRemoval& removal;
    SourceSnapshots& source;
    const Clock& clock;
    Pacing pacing = {};
};

}  // namespace mk::reconcile
