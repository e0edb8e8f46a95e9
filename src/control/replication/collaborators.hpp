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
    /// A VMA that cannot be asked for this long cannot be told to stop either; also when a loss is told to the
    /// operator.
    std::chrono::milliseconds heartbeat_limit = std::chrono::seconds{60};
    /// How long a pass goes on without a byte of progress: through a cut of the tunnel, while the engine at the VMA may
    /// work on, and from one attempt to the next. What arrived is kept beyond that for the next job.
    std::chrono::milliseconds patience = std::chrono::hours{1};
    /// Of one pass, however much progress they make: an engine that dies so often is ill.
    int attempts = 200;
    /// Of one pass without progress between them.
    int idle_attempts = 8;
    /// Before the next attempt; doubled with each one that brought no progress.
    std::chrono::milliseconds attempt_pause = std::chrono::seconds{5};
    std::chrono::milliseconds longest_attempt_pause = std::chrono::minutes{5};
    /// Sessions that nobody went on with for so long are dropped: they hold space of the staging area.
    std::chrono::milliseconds keep_sessions = std::chrono::days{7};
    /// Between two looks for such sessions.
    std::chrono::milliseconds timer_interval = std::chrono::hours{1};
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
    BandwidthPolicy& bandwidth;
    SamplingPolicy& sampling;
    const Clock& clock;
    Pacing pacing = {};
};

}  // namespace mk::replication
