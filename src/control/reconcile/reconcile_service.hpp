#pragma once
// The reconciler: looks periodically and on demand whether what is recorded and what exists are the same, keeps the
// findings, and applies one when it is asked to. Looking never changes anything outside. Thread-safe.

#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/joblog/job_runner.hpp"
#include "control/reconcile/apply_run.hpp"
#include "control/reconcile/collaborators.hpp"
#include "control/reconcile/finding_repository.hpp"
#include "control/reconcile/lookout.hpp"
#include "control/settings/setting_rows.hpp"

namespace mk::reconcile {

struct Report {
    std::vector<Finding> findings;  ///< oldest first
    std::optional<Instant> last_run;
    std::vector<Unreachable> unreachable;  ///< in the last run: the findings of these are older
};

class ReconcileService {
  public:
    explicit ReconcileService(Collaborators use);
    ~ReconcileService() { stop(); }

    /// Looks now; a run that is under way is waited for. A site that cannot be reached keeps its findings, and the
    /// report names it. Throws Error{cancelled} when stopped.
    Report run_now(const std::stop_token& stop);
    Report report() const;
    /// The machine has findings: it is flagged.
    bool has_leftovers(const VmContextId& vm) const { return findings_.count_of(vm) > 0; }
    /// All machines that have findings, for lists.
    std::vector<VmContextId> machines_with_leftovers() const { return findings_.machines(); }

    /// Starts the job that applies the finding and answers at once. What may hold data needs the object's id as
    /// `confirmation`. Throws Error{not_found}; Error{invalid} without the right confirmation; Error{conflict} for what
    /// only a person can do, while a job of the machine runs, or when the machine's state forbids it.
    JobId apply(const std::string& finding_id, const std::string& confirmation, const std::string& owner);

    /// At start-up: jobs that were interrupted go on.
    void settle_interrupted();
    void start_timer();
    /// Idempotent.
    void stop();

  private:
    JobId begin(const Finding& finding, const std::string& owner);
    void launch(const JobId& job, const Observation& what);
    void run(const JobId& job, const Observation& what, const std::stop_token& stop);
    void end(const JobId& job, const Observation& what, const Error* error);
    bool is_under_way(const Finding& finding) const;
    void store(const Look& look);

    Collaborators use_;
    Lookout lookout_{use_};
    FindingRepository findings_;
    settings::SettingRows settings_;
    std::mutex run_mutex_;    // held during a run: there is one at a time
    std::mutex begin_mutex_;  // held while a job is begun: of two that are asked for at once the second sees the first
    joblog::JobRunner runner_;
    std::jthread timer_;
};

}  // namespace mk::reconcile
