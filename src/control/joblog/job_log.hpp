#pragma once
// The JobLog: every business operation is a job with steps and log events (inventory M). State is written before and
// after each effect, so that after a crash the database tells what was going on. Thread-safe.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "db/database.hpp"
#include "model/ids.hpp"
#include "model/job.hpp"

namespace mk::joblog {

enum class Level { debug, info, warn, error };
std::string_view to_string(Level level);  ///< DEBUG, INFO, WARN, ERROR
Level level_from(std::string_view word);

struct StepPlan {
    std::string name;   ///< stable: "volume-attachment"
    std::string title;  ///< for people: "Attach the volumes"
    int weight = 1;     ///< share of the progress bar
};

struct JobStart {
    JobType type = JobType::migration;
    std::string operation;  ///< "sync", "test-failover", "rollback", "live-failover"
    std::string owner;      ///< who asked: user, schedule, token name
    VmContextId vm_context_id;
    std::string metadata;  ///< JSON text
    std::vector<StepPlan> steps;
};

struct Step {
    int order = 0;
    std::string name;
    std::string title;
    int weight = 1;
    StepStatus status = StepStatus::pending;
    std::string detail;
    std::string error_message;
    std::optional<Instant> started;
    std::optional<Instant> completed;
};

struct Job {
    JobId id;
    JobType type = JobType::migration;
    std::string operation;
    VmContextId vm_context_id;
    std::string owner;
    JobStatus status = JobStatus::pending;
    int percent = 0;  ///< weight of finished steps, plus the running one's share
    bool cancel_requested = false;
    std::string metadata;
    std::string error;  ///< JSON text of the problem, or empty
    Instant created{};
    std::optional<Instant> started;
    std::optional<Instant> completed;
    std::vector<Step> steps;  ///< filled by find(), not by list()
};

struct Event {
    std::string id;
    std::optional<int> step_order;
    Level level = Level::info;
    std::string message;
    Instant created{};
};

/// Says what the job does right now; handed to the running step.
class StepContext;

class JobLog {
  public:
    JobLog(std::shared_ptr<db::Database> database, const Clock& clock);

    /// Writes job and steps inside the caller's transaction, so that a state guard and the job appear together.
    JobId start(db::Session& session, const JobStart& start);
    JobId start(const JobStart& start);

    /// Runs one step: state "running" is written before, the outcome after it. An exception marks the step failed, is
    /// logged with its advice, and is rethrown. A step that is already completed is skipped (repeatable after a
    /// restart).
    void run_step(const JobId& job, const std::string& name, const std::function<void(StepContext&)>& body);
    /// Marks a step that had nothing to do.
    void skip_step(const JobId& job, const std::string& name, const std::string& reason);

    /// After a restart: the step had not ended when the process died, and its effect was found complete.
    void complete_interrupted_step(const JobId& job, const std::string& name);

    /// Sets steps back to pending that have to be done again as a whole, whatever became of them. The job must be open.
    void reset_steps(const JobId& job, const std::vector<std::string>& names);

    /// Ends the job with its worst step; `error` (may be null) is stored as the cause. Steps still pending become
    /// cancelled, or skipped after a success. Idempotent: an ended job stays as it is.
    JobStatus end(const JobId& job, const Error* error = nullptr);
    /// The same inside the caller's transaction, so that a job and what hangs on it end together. Writes nothing to
    /// stderr.
    JobStatus end(db::Session& session, const JobId& job, const Error* error);

    /// One entry of the job's metadata: facts that a later job or a restart needs. recall() answers null for what is
    /// unknown.
    void remember(const JobId& job, const std::string& key, const Json& value);
    Json recall(const JobId& job, const std::string& key) const;
    /// The same inside the caller's transaction, so that what is decided on it stays true.
    static void remember(db::Session& session, const JobId& job, const std::string& key, const Json& value);
    static Json recall(db::Session& session, const JobId& job, const std::string& key);

    void log(const JobId& job, Level level, const std::string& message, std::optional<int> step_order = {});
    void set_percent(const JobId& job, int percent);
    void set_detail(const JobId& job, const std::string& step, const std::string& detail);

    void request_cancel(const JobId& job);
    bool is_cancel_requested(const JobId& job) const;

    std::optional<Job> find(const JobId& job) const;
    /// Newest first. `vm` and `only_open` narrow it.
    std::vector<Job> list(const std::optional<VmContextId>& vm, bool only_open, int limit) const;
    /// Every job of the machine whose metadata holds `text`, a piece of compact JSON without % and _; newest first. For
    /// notes that must be found again however many jobs came after them.
    std::vector<Job> list_noting(const VmContextId& vm, const std::string& text) const;
    /// In order, after the event `after` (empty = from the start).
    std::vector<Event> events(const JobId& job, const std::string& after, int limit) const;

  private:
    friend class StepContext;
    void note_failure(const JobId& job, const Step& step, const Error& error);
    void insert_event(db::Session& session, const JobId& job, Level level, const std::string& message,
                      std::optional<int> step_order);
    void set_step(const JobId& job, int order, StepStatus status, const std::string& error);
    int finished_weight_percent(const JobId& job, int running_order, double share) const;

    std::shared_ptr<db::Database> database_;
    const Clock& clock_;
};

class StepContext {
  public:
    StepContext(JobLog& log, JobId job, int order, std::string name);
    const JobId& job() const { return job_; }
    /// "1 of 2 attached": shown beside the step, also logged.
    void detail(const std::string& text);
    void info(const std::string& message);
    void warn(const std::string& message);
    /// The step ends as "warning" instead of "completed".
    void finish_with_warning(const std::string& message);
    /// 0..1 of this step, for the job's bar.
    void progress(double share);
    bool has_warning() const { return warning_; }

  private:
    JobLog& log_;
    JobId job_;
    int order_;
    std::string name_;
    bool warning_ = false;
    int last_percent_ = -1;
};

}  // namespace mk::joblog
