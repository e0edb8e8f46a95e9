#pragma once
// Rows of replication_jobs: the progress that API and GUI show (inventory N). Thread-safe.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "contracts/vma_api.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::replication {

struct ReplicationJob {
    JobId job_id;
    VmContextId vm_context_id;
    std::string replication_type;   ///< "initial" until detected otherwise, then "incremental"; "verification"
    std::string status;             ///< replicating, completed, failed, cancelled
    std::string current_operation;  ///< the stage; ends as "Completed" or "Failed"
    std::string vma_sync_type;
    std::optional<std::int64_t> vma_eta_seconds;
    Bytes bytes_total = 0;  ///< that must be handled
    Bytes bytes_done = 0;
    Bytes bytes_sent = 0;
    Bytes bytes_zeroed = 0;
    Bytes bytes_wire = 0;  ///< on the way to the target, after compression
    Bytes bytes_per_second = 0;
    std::string bottleneck;  ///< "read", "tunnel", "write" or ""
    int attempt = 1;         ///< of the copy; more than 1 when it was interrupted and went on
    std::optional<Instant> heartbeat;
    Instant created{};
    std::optional<Instant> completed;
};

/// The stage as it is shown; "Stalled for 2 min: CAUSE" while nothing moves (gui.md section 5).
std::string operation_of(const contracts::PassProgress& progress);

class ReplicationRepository {
  public:
    ReplicationRepository(std::shared_ptr<db::Database> database, const Clock& clock);
    void add(db::Session& session, const JobId& job, const VmContextId& vm, const std::string& type);
    void set_operation(const JobId& job, const std::string& operation);
    void set_progress(const JobId& job, const contracts::PassProgress& progress);
    void end(db::Session& session, const JobId& job, const std::string& status, const std::string& operation,
             const std::string& error);
    std::optional<ReplicationJob> find(const JobId& job) const;

  private:
    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::replication
