#pragma once
// Applies one finding, as the steps of a job. Whether the finding still holds is seen first, and that its object is
// gone afterwards; so it may begin anew wherever an earlier process was cut off. One thread.

#include <stop_token>
#include <vector>

#include "control/joblog/job_log.hpp"
#include "control/reconcile/finding_repository.hpp"
#include "control/reconcile/lookout.hpp"

namespace mk::reconcile {

std::vector<joblog::StepPlan> apply_steps(const Observation& what);

/// A replica whose volume is gone: without it the machine has no copy.
bool gives_up_copy(const Observation& what);

class ApplyRun {
  public:
    ApplyRun(Collaborators& use, FindingRepository& findings, JobId job, Observation what)
        : use_(use), findings_(findings), lookout_(use), job_(std::move(job)), what_(std::move(what)) {}

    void run(const std::stop_token& stop);

  private:
    void act(joblog::StepContext& step, const std::stop_token& stop);
    void verify(joblog::StepContext& step, const std::stop_token& stop);
    bool is_left(const Look& look) const;
    bool exists(const Look& look) const;
    void note_in_ledger();
    void remove(joblog::StepContext& step, const std::stop_token& stop);
    void forget(const std::stop_token& stop);
    void remove_snapshot_of(const std::string& object_id, const std::stop_token& stop);
    void close_entries();
    bool is_entry(const ledger::Entry& entry) const;

    Collaborators& use_;
    FindingRepository& findings_;
    Lookout lookout_;
    const JobId job_;
    const Observation what_;
};

}  // namespace mk::reconcile
