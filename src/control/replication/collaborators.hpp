#pragma once
// What every pass needs; owned by apps/oma-api, outlives all passes.

#include <chrono>
#include <memory>

#include "base/clock.hpp"
#include "control/credentials/credential_repository.hpp"
#include "control/joblog/job_log.hpp"
#include "control/ledger/ledger.hpp"
#include "control/machines/machine_repository.hpp"
#include "control/recovery/recovery_point_repository.hpp"
#include "control/replication/ports.hpp"
#include "control/replication/replication_repository.hpp"

namespace mk::replication {

/// How often is looked and how long is waited. Tests make it short.
struct Pacing {
    std::chrono::milliseconds poll{500};
    /// A VMA that cannot be asked for this long has lost the pass (DD 1: a dead worker is seen within a bounded time).
    std::chrono::milliseconds heartbeat_limit = std::chrono::seconds{60};
    /// How long a stopped copy may take to end: the source snapshot is removed first, and consolidation takes its time.
    std::chrono::milliseconds stop_limit = std::chrono::minutes{15};
    /// For each thing that is cleaned up after a failure.
    std::chrono::milliseconds clean_up_limit = std::chrono::seconds{60};
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
    ReplicationRepository& replications;
    SourceSite& source;
    ReplicaVolumes& volumes;
    const Clock& clock;
    Pacing pacing = {};
};

}  // namespace mk::replication
