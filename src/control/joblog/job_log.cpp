#include "control/joblog/job_log.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "control/joblog/job_rows.hpp"

namespace mk::joblog {

namespace {

constexpr const char* select_metadata = "SELECT metadata FROM job_tracking WHERE id = :job";

Json entry_of(const std::optional<db::Row>& row, const std::string& key) {
    if (!row) {
        return nullptr;
    }
    const auto metadata = json::parse(row->text("metadata"));
    return metadata.contains(key) ? metadata.at(key) : Json(nullptr);
}

std::string error_text(const Error& error) {
    return json::dump(Json{{"code", to_string(error.code())},
                           {"message", error.cause()},
                           {"consequence", error.advice().consequence},
                           {"remedy", error.advice().remedy},
                           {"retry_safe", error.advice().retry_safe},
                           {"native", error.native()}});
}

}  // namespace

std::string_view to_string(Level level) {
    switch (level) {
        case Level::debug:
            return "DEBUG";
        case Level::info:
            return "INFO";
        case Level::warn:
            return "WARN";
        case Level::error:
            return "ERROR";
    }
    return "INFO";
}

Level level_from(std::string_view word) {
    for (const auto level : {Level::debug, Level::info, Level::warn, Level::error}) {
        if (to_string(level) == word) {
            return level;
        }
    }
    throw Error(ErrorCode::invalid, "unknown log level '" + std::string(word) + "'");
}

JobLog::JobLog(std::shared_ptr<db::Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}

JobId JobLog::start(db::Session& session, const JobStart& start) {
    const JobId id{new_uuid()};
    const auto now = to_ms(clock_.now());
    session.execute(
        "INSERT INTO job_tracking (id, job_type, operation, vm_context_id, owner, status, percent_complete, "
        "cancel_requested,"
        " metadata, created_ms, started_ms)"
        " VALUES (:id, :type, :operation, :vm, :owner, 'running', 0, 0, :metadata, :now, :now2)",
        {{"id", id.value},
         {"type", std::string(to_string(start.type))},
         {"operation", start.operation},
         {"vm", start.vm_context_id.empty() ? db::Value(nullptr) : db::Value(start.vm_context_id.value)},
         {"owner", start.owner},
         {"metadata", start.metadata.empty() ? std::string("{}") : start.metadata},
         {"now", now},
         {"now2", now}});
    std::int64_t order = 1;
    for (const auto& step : start.steps) {
        session.execute(
            "INSERT INTO job_steps (job_id, step_order, step_name, title, weight, status)"
            " VALUES (:job, :step_order, :name, :title, :weight, 'pending')",
            {{"job", id.value},
             {"step_order", order++},
             {"name", step.name},
             {"title", step.title},
             {"weight", std::int64_t{step.weight}}});
    }
    return id;
}

JobId JobLog::start(const JobStart& start_request) {
    JobId id;
    database_->transact([&](db::Session& session) { id = start(session, start_request); });
    return id;
}

void JobLog::run_step(const JobId& job, const std::string& name, const std::function<void(StepContext&)>& body) {
    const auto row = database_->query_one(
        std::string("SELECT ") + step_columns + " FROM job_steps WHERE job_id = :job AND step_name = :name",
        {{"job", job.value}, {"name", name}});
    if (!row) {
        throw Error(ErrorCode::internal, "job " + job.value + " has no step '" + name + "'");
    }
    const auto step = step_from(*row);
    if (counts_as_done(step.status)) {
        return;
    }
    set_step(job, step.order, StepStatus::running, "");
    log(job, Level::info, step.title, step.order);
    StepContext context(*this, job, step.order, name);
    try {
        body(context);
    } catch (const std::exception& caught) {
        const auto error = as_error(caught);
        note_failure(job, step, error);
        throw error;
    }
    set_step(job, step.order, context.has_warning() ? StepStatus::warning : StepStatus::completed, "");
}

/// What the step failed with matters more than a failure to write that down: end() marks a step that still runs.
void JobLog::note_failure(const JobId& job, const Step& step, const Error& error) {
    const auto status = error.code() == ErrorCode::cancelled ? StepStatus::cancelled : StepStatus::failed;
    try {
        log(job, status == StepStatus::cancelled ? Level::warn : Level::error, error.full_text(), step.order);
        set_step(job, step.order, status, error.full_text());
    } catch (const std::exception& second) {
        log::error("job={} step={} failed: {} (not recorded: {})", job.value, step.name, error.full_text(),
                   second.what());
    }
}

void JobLog::skip_step(const JobId& job, const std::string& name, const std::string& reason) {
    database_->execute(
        "UPDATE job_steps SET status = 'skipped', detail = :reason, completed_ms = :now"
        " WHERE job_id = :job AND step_name = :name AND status = 'pending'",
        {{"reason", reason}, {"now", to_ms(clock_.now())}, {"job", job.value}, {"name", name}});
}

void JobLog::complete_interrupted_step(const JobId& job, const std::string& name) {
    database_->execute(
        "UPDATE job_steps SET status = 'completed', error_message = NULL, completed_ms = :now"
        " WHERE job_id = :job AND step_name = :name AND status IN ('running', 'failed')",
        {{"now", to_ms(clock_.now())}, {"job", job.value}, {"name", name}});
}

void JobLog::reset_steps(const JobId& job, const std::vector<std::string>& names) {
    database_->transact([&](db::Session& session) {
        const auto found = read_job(session, job);
        if (!found || is_final(found->status)) {
            throw Error(ErrorCode::internal, "steps of job " + job.value + ", which is not open, were to be repeated");
        }
        for (const auto& name : names) {
            session.execute(
                "UPDATE job_steps SET status = 'pending', detail = NULL, error_message = NULL, started_ms = NULL,"
                " completed_ms = NULL WHERE job_id = :job AND step_name = :name",
                {{"job", job.value}, {"name", name}});
        }
    });
}

void JobLog::set_step(const JobId& job, int order, StepStatus status, const std::string& error) {
    const auto now = to_ms(clock_.now());
    const bool running = status == StepStatus::running;
    database_->execute(std::string("UPDATE job_steps SET status = :status, error_message = :error, ") +
                           (running ? "started_ms = :now" : "completed_ms = :now") +
                           " WHERE job_id = :job AND step_order = :step_order",
                       {{"status", std::string(to_string(status))},
                        {"error", error.empty() ? db::Value(nullptr) : db::Value(error)},
                        {"now", now},
                        {"job", job.value},
                        {"step_order", std::int64_t{order}}});
    set_percent(job, finished_weight_percent(job, order, 0));
}

int JobLog::finished_weight_percent(const JobId& job, int running_order, double share) const {
    double done = 0;
    double all = 0;
    for (const auto& row : database_->query("SELECT step_order, weight, status FROM job_steps WHERE job_id = :job",
                                            {{"job", job.value}})) {
        const auto weight = static_cast<double>(row.number("weight"));
        all += weight;
        if (counts_as_done(step_status_from(row.text("status")))) {
            done += weight;
        } else if (row.number("step_order") == running_order) {
            done += weight * std::clamp(share, 0.0, 1.0);
        }
    }
    return all > 0 ? static_cast<int>(100.0 * done / all) : 0;
}

JobStatus JobLog::end(const JobId& job, const Error* error) {
    JobStatus outcome = JobStatus::failed;
    database_->transact([&](db::Session& session) { outcome = end(session, job, error); });
    return outcome;
}

JobStatus JobLog::end(db::Session& session, const JobId& job, const Error* error) {
    const auto found = read_job(session, job);
    if (!found) {
        throw Error(ErrorCode::not_found, "there is no job " + job.value);
    }
    if (is_final(found->status)) {
        return found->status;
    }
    auto outcome = outcome_of(found->steps);
    if (error != nullptr) {
        outcome = worse(outcome, error->code() == ErrorCode::cancelled ? JobStatus::cancelled : JobStatus::failed);
    }
    const bool went_well = outcome == JobStatus::completed || outcome == JobStatus::warning;
    const auto now = to_ms(clock_.now());
    session.execute(
        "UPDATE job_steps SET status = 'failed', error_message = 'interrupted', completed_ms = :now"
        " WHERE job_id = :job AND status = 'running'",
        {{"now", now}, {"job", job.value}});
    session.execute("UPDATE job_steps SET status = :status WHERE job_id = :job AND status = 'pending'",
                    {{"status", std::string(went_well ? "skipped" : "cancelled")}, {"job", job.value}});
    session.execute(
        "UPDATE job_tracking SET status = :status, error = :error, completed_ms = :now, percent_complete ="
        " CASE WHEN :went_well = 1 THEN 100 ELSE percent_complete END WHERE id = :job",
        {{"status", std::string(to_string(outcome))},
         {"error", error != nullptr ? db::Value(error_text(*error)) : db::Value(nullptr)},
         {"now", now},
         {"went_well", std::int64_t{went_well ? 1 : 0}},
         {"job", job.value}});
    const auto text =
        "The job ended " + std::string(to_string(outcome)) + (error != nullptr ? ": " + error->full_text() : ".");
    insert_event(session, job, error != nullptr ? Level::error : Level::info, text, {});
    return outcome;
}

void JobLog::remember(const JobId& job, const std::string& key, const Json& value) {
    database_->transact([&](db::Session& session) { remember(session, job, key, value); });
}

void JobLog::remember(db::Session& session, const JobId& job, const std::string& key, const Json& value) {
    const auto row = session.query_one(select_metadata, {{"job", job.value}});
    if (!row) {
        throw Error(ErrorCode::not_found, "there is no job " + job.value);
    }
    auto metadata = json::parse(row->text("metadata"));
    metadata[key] = value;
    session.execute("UPDATE job_tracking SET metadata = :metadata WHERE id = :job",
                    {{"metadata", json::dump(metadata)}, {"job", job.value}});
}

Json JobLog::recall(const JobId& job, const std::string& key) const {
    return entry_of(database_->query_one(select_metadata, {{"job", job.value}}), key);
}

Json JobLog::recall(db::Session& session, const JobId& job, const std::string& key) {
    return entry_of(session.query_one(select_metadata, {{"job", job.value}}), key);
}

void JobLog::insert_event(db::Session& session, const JobId& job, Level level, const std::string& message,
                          std::optional<int> step_order) {
    session.execute(
        "INSERT INTO log_events (id, job_id, step_order, correlation_id, external_job_id, level, message, fields, "
        "created_ms)"
        " VALUES (:id, :job, :step_order, :correlation, :external, :level, :message, '{}', :now)",
        {{"id", new_uuid()},
         {"job", job.value},
         {"step_order", step_order ? db::Value(std::int64_t{*step_order}) : db::Value(nullptr)},
         {"correlation", job.value},
         {"external", job.value},
         {"level", std::string(to_string(level))},
         {"message", message},
         {"now", to_ms(clock_.now())}});
}

void JobLog::log(const JobId& job, Level level, const std::string& message, std::optional<int> step_order) {
    database_->transact([&](db::Session& session) { insert_event(session, job, level, message, step_order); });
    if (level == Level::error) {
        log::error("job={} {}", job.value, message);
    } else if (level == Level::warn) {
        log::warn("job={} {}", job.value, message);
    } else {
        log::info("job={} {}", job.value, message);
    }
}

void JobLog::set_percent(const JobId& job, int percent) {
    // Never backwards: a repeated step must not make the bar shrink.
    database_->execute(
        "UPDATE job_tracking SET percent_complete = :percent WHERE id = :job AND percent_complete < :percent2",
        {{"percent", std::int64_t{percent}}, {"job", job.value}, {"percent2", std::int64_t{percent}}});
}

void JobLog::set_detail(const JobId& job, const std::string& step, const std::string& detail) {
    database_->execute("UPDATE job_steps SET detail = :detail WHERE job_id = :job AND step_name = :name",
                       {{"detail", detail}, {"job", job.value}, {"name", step}});
}

void JobLog::request_cancel(const JobId& job) {
    database_->execute("UPDATE job_tracking SET cancel_requested = 1 WHERE id = :job", {{"job", job.value}});
}

bool JobLog::is_cancel_requested(const JobId& job) const {
    const auto row =
        database_->query_one("SELECT cancel_requested FROM job_tracking WHERE id = :job", {{"job", job.value}});
    return row && row->flag("cancel_requested");
}

std::optional<Job> JobLog::find(const JobId& job) const {
    const auto row = database_->query_one(std::string("SELECT ") + job_columns + " FROM job_tracking WHERE id = :job",
                                          {{"job", job.value}});
    if (!row) {
        return std::nullopt;
    }
    // The steps are read after the job: those of a job that is seen as ended are final.
    auto found = job_from(*row);
    for (const auto& step : database_->query(
             std::string("SELECT ") + step_columns + " FROM job_steps WHERE job_id = :job ORDER BY step_order",
             {{"job", job.value}})) {
        found.steps.push_back(step_from(step));
    }
    return found;
}

std::vector<Job> JobLog::list(const std::optional<VmContextId>& vm, bool only_open, int limit) const {
    std::string sql = std::string("SELECT ") + job_columns + " FROM job_tracking WHERE 1 = 1";
    db::Parameters parameters;
    if (vm) {
        sql += " AND vm_context_id = :vm";
        parameters.push_back({"vm", vm->value});
    }
    if (only_open) {
        sql += " AND status IN ('pending', 'running')";
    }
    sql += " ORDER BY id DESC LIMIT " + std::to_string(std::clamp(limit, 1, 1000));
    std::vector<Job> jobs;
    for (const auto& row : database_->query(sql, parameters)) {
        jobs.push_back(job_from(row));
    }
    return jobs;
}

std::vector<Job> JobLog::list_noting(const VmContextId& vm, const std::string& text) const {
    std::vector<Job> jobs;
    for (const auto& row : database_->query(std::string("SELECT ") + job_columns +
                                                " FROM job_tracking WHERE vm_context_id = :vm AND metadata LIKE :text"
                                                " ORDER BY id DESC",
                                            {{"vm", vm.value}, {"text", "%" + text + "%"}})) {
        jobs.push_back(job_from(row));
    }
    return jobs;
}

std::vector<Event> JobLog::events(const JobId& job, const std::string& after, int limit) const {
    std::vector<Event> events;
    for (const auto& row : database_->query(
             "SELECT id, step_order, level, message, created_ms FROM log_events WHERE job_id = :job AND id > :after"
             " ORDER BY id LIMIT " +
                 std::to_string(std::clamp(limit, 1, 1000)),
             {{"job", job.value}, {"after", after}})) {
        events.push_back(event_from(row));
    }
    return events;
}

StepContext::StepContext(JobLog& log, JobId job, int order, std::string name)
    : log_(log), job_(std::move(job)), order_(order), name_(std::move(name)) {}

void StepContext::detail(const std::string& text) {
    log_.set_detail(job_, name_, text);
    log_.log(job_, Level::info, text, order_);
}

void StepContext::info(const std::string& message) {
    log_.log(job_, Level::info, message, order_);
}

void StepContext::warn(const std::string& message) {
    log_.log(job_, Level::warn, message, order_);
}

void StepContext::finish_with_warning(const std::string& message) {
    warning_ = true;
    log_.set_detail(job_, name_, message);
    warn(message);
}

void StepContext::progress(double share) {
    const int percent = log_.finished_weight_percent(job_, order_, share);
    if (percent != last_percent_) {
        last_percent_ = percent;
        log_.set_percent(job_, percent);
    }
}

}  // namespace mk::joblog
