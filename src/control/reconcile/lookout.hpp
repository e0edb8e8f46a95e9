#pragma once
// Looks at both sites and at the records, and compares them. Changes nothing. Thread-safe.

#include <stop_token>
#include <vector>

#include "control/reconcile/collaborators.hpp"
#include "control/reconcile/finding.hpp"
#include "control/reconcile/record_reader.hpp"

namespace mk::reconcile {

struct Look {
    Reality reality;
    std::vector<Observation> seen;
};

class Lookout {
  public:
    explicit Lookout(Collaborators& use) : use_(use), reader_({use.database, use.job_log, use.ledger, use.machines}) {}

    /// A site that does not answer is in the look as unreachable. Throws Error{cancelled} when stopped.
    Look look(const std::stop_token& stop) const;
    /// The site of one object, for the job that acts on it. Throws when it cannot be asked.
    Look look_at(const Observation& object, const JobId& own_job, const std::stop_token& stop) const;
    /// Of the vCenter. Throws Error{not_found} when there is none any more.
    contracts::VcenterAccess access_to(const std::string& vcenter_uuid) const;

  private:
    Reality reality(const std::stop_token& stop) const;

    Collaborators& use_;
    RecordReader reader_;
};

}  // namespace mk::reconcile
