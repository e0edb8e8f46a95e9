#pragma once
// Managed machines in the database, and the one gate through which every job of a machine must go. Thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "control/joblog/job_log.hpp"
#include "control/machines/machine.hpp"
#include "db/database.hpp"

namespace mk::machines {

/// The operation of the job that takes a machine out of management.
inline constexpr const char* removal_operation = "remove";
/// The operation of the job that drops what an interrupted sync kept for too long.
inline constexpr const char* expiry_operation = "drop-sessions";
/// The operation of the job that applies a finding of the reconciler.
inline constexpr const char* reconcile_operation = "reconcile";

/// In the metadata of a test failover's job: it has volumes of its own, so that replication may go on beside it.
inline constexpr const char* on_clones_key = "on_clones";

/// A comparison of the copy with its source.
struct Verified {
    Instant when{};
    std::string verdict;  ///< "identical" or "differs"
    int percent = 0;      ///< of the machine
};

class MachineRepository {
  public:
    MachineRepository(std::shared_ptr<db::Database> database, joblog::JobLog& job_log, const Clock& clock);

    /// Adds the machine as "discovered". Throws Error{conflict} naming the context when it is managed already.
    VmContextId add(const CredentialId& credential, const SourceMachine& source);
    /// Updates what discovery saw; disk rows are added, never dropped. Specification changes go to the history.
    void update_source(const VmContextId& id, const SourceMachine& source);
    /// The end of a removal that began through the gate: in one transaction the machine leaves with everything that is
    /// recorded of it, and `job`, which must be its current one, ends. Throws Error{conflict} otherwise.
    void remove(const VmContextId& id, const JobId& job);

    std::optional<Machine> find(const VmContextId& id) const;
    /// By context id, name, or unique prefix of either. Throws Error{not_found}, or Error{conflict} naming the
    /// candidates.
    Machine require(const std::string& words) const;
    std::optional<Machine> find_by_source(const std::string& vcenter_uuid, const std::string& instance_uuid) const;
    std::vector<Machine> list() const;
    /// In source order.
    std::vector<MachineDisk> disks(const VmContextId& id) const;
    void set_disk_volume(const VmContextId& id, const DiskId& disk, const VolumeId& volume);
    void set_disk_progress(const VmContextId& id, const DiskId& disk, Bytes total, Bytes done);

    /// The gate: in one transaction checks that `action` is allowed in the machine's state and that no job runs, starts
    /// the job, and moves the machine to `during`; without one it stays in its state. Throws Error{conflict} with the
    /// reason and what to do instead. `also` may write more rows of the same start (job id given) or refuse by
    /// throwing. The status before is kept in the job's metadata: see status_before(). What is allowed beside a test on
    /// clones leaves the machine in the test's state, whatever `during` says; end_job() is to be given beside_a_test().
    JobId begin(const VmContextId& id, MachineAction action, std::optional<MachineStatus> during,
                const joblog::JobStart& start, const std::function<void(db::Session&, const JobId&)>& also = {});
    /// What the machine was when the job began, for jobs that end without having changed anything.
    std::optional<MachineStatus> status_before(const JobId& job) const;
    /// Moves the machine on while its job runs. The change must be in the table.
    void set_status(const VmContextId& id, MachineStatus status, const std::string& reason = {});
    /// The job is over: in one transaction ends it (JobLog::end) and releases the machine in the state `status`, so
    /// that nobody sees the one without the other. `also` may write more rows of the same end. Repeatable; a machine
    /// that has been removed, or that another job holds, stays as it is.
    JobStatus end_job(const VmContextId& id, const JobId& job, MachineStatus status, const std::string& reason = {},
                      const Error* error = nullptr, const std::function<void(db::Session&)>& also = {});
    /// Overrides which disk the machine boots from. Throws Error{invalid} for a disk that it has not, Error{conflict}
    /// while a job runs or a failover is under way.
    void set_boot_disk(const VmContextId& id, const DiskId& disk);
    void set_last_sync(const VmContextId& id, Instant when);
    /// Nothing: the copy was made anew, and what was found in the old one says nothing of it.
    void set_verified(db::Session& session, const VmContextId& id, const std::optional<Verified>& verified);
    /// Why the next pass is to compare everything; empty: it need not.
    void set_compare_reason(const VmContextId& id, const std::string& reason);
    void set_compare_reason(db::Session& session, const VmContextId& id, const std::string& reason);
    void set_last_test(db::Session& session, const VmContextId& id, Instant when, const std::string& verdict);

  private:
    std::shared_ptr<db::Database> database_;
    joblog::JobLog& job_log_;
    const Clock& clock_;
};

}  // namespace mk::machines
