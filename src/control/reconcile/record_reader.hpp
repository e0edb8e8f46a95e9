#pragma once
// Reads what is recorded of objects outside: the tables of all capabilities and of the Volume Daemon, which share the
// database. Thread-safe.

#include <memory>
#include <set>

#include "control/joblog/job_log.hpp"
#include "control/ledger/ledger.hpp"
#include "control/machines/machine_repository.hpp"
#include "control/reconcile/records.hpp"
#include "db/database.hpp"

namespace mk::reconcile {

class RecordReader {
  public:
    struct Parts {
        std::shared_ptr<db::Database> database;
        const joblog::JobLog& job_log;
        const ledger::Ledger& ledger;
        const machines::MachineRepository& machines;
    };
    explicit RecordReader(Parts parts) : parts_(std::move(parts)) {}

    /// `own_job` does not count as a job that has not ended.
    Records read(const JobId& own_job = {}) const;
    /// Which of the jobs are, or were, of this installation.
    std::set<JobId> known_of(const std::set<JobId>& jobs) const;

  private:
    void read_jobs(Records& records, const JobId& own_job) const;
    void read_volumes(Records& records) const;
    void read_failovers(Records& records) const;
    void read_contexts(Records& records) const;

    Parts parts_;
};

}  // namespace mk::reconcile
