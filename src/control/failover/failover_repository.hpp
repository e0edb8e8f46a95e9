#pragma once
// Rows of failover_jobs. Thread-safe.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "control/failover/failover_plan.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"

namespace mk::failover {

struct FailoverJob {
    JobId job_id;
    VmContextId vm_context_id;
    bool live = false;
    std::string status;  ///< pending, running, completed, failed, cleanup, rolled_back
    std::string source_vm_name;
    std::string source_vm_spec;
    RecoveryPointId recovery_point_id;
    CloudMachineId destination_vm_id;
    std::string destination_vm_name;
    FailoverRequest request;       ///< as it was asked for
    std::string network_mappings;  ///< JSON text: {nics: [{network_id, mac, address}]}, as decided by the validation
    std::optional<std::int64_t> test_duration_s;
    bool auto_cleanup = false;
    std::string boot_verdict;
    std::string boot_evidence;
    std::string boot_observations;  ///< JSON text: [{when, probe, is_proof, text}]; empty before a boot was looked at
    std::string verdict;
    std::string verdict_note;
    std::optional<Instant> rollback_at;  ///< a test that ends by itself: when
    Instant created{};
    std::optional<Instant> completed;
};

/// The network cards that the validation decided on.
std::vector<NicOrder> nics_of(const FailoverJob& job);

class FailoverRepository {
  public:
    FailoverRepository(std::shared_ptr<db::Database> database, const Clock& clock);
    void add(db::Session& session, const FailoverJob& job);
    std::optional<FailoverJob> find(const JobId& job) const;
    /// The newest of the machine.
    std::optional<FailoverJob> latest(const VmContextId& vm) const;
    static std::optional<FailoverJob> find(db::Session& session, const JobId& job);
    /// Tests that run, whose time is over and that asked to be rolled back by themselves.
    std::vector<FailoverJob> due_for_rollback(Instant now) const;
    void set_status(const JobId& job, const std::string& status, const std::string& error = {});
    void set_status(db::Session& session, const JobId& job, const std::string& status, const std::string& error = {});
    void set_recovery_point(const JobId& job, const RecoveryPointId& point);
    void set_destination(const JobId& job, const CloudMachineId& machine, const std::string& name);
    void set_nics(const JobId& job, const std::vector<NicOrder>& nics);
    void set_boot(const JobId& job, const BootEvidence& evidence);
    void set_verdict(db::Session& session, const JobId& job, const std::string& verdict, const std::string& note);
    /// It is done; the clock of a test that ends by itself begins.
    void complete(const JobId& job);
    /// Moves the end of a test that ends by itself; answers when it ends then. Throws Error{conflict} for a test that
    /// does not run or does not end by itself, Error{invalid} when it would run longer than longest_duration.
    Instant extend(const JobId& job, std::chrono::seconds by);

  private:
    void set_rollback_at(db::Session& session, const JobId& job, Instant when);
    void update(const JobId& job, const std::string& assignments, db::Parameters values);
    void update(db::Session& session, const JobId& job, const std::string& assignments, db::Parameters values);

    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

}  // namespace mk::failover
