#include "control/joblog/job_log.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.hpp"

namespace mk::joblog {

namespace {

std::string error_text(const Error& error) {
    return json::dump(Json{{"code", to_string(error.code())},
                           {"message", error.cause()},
                           {"consequence", error.advice().consequence},
                           {"remedy", error.advice().remedy},
                           {"retry_safe", error.advice().retry_safe}});
}

std::optional<Instant> instant_or_null(const db::Row& row, const std::string& column) {
    const auto ms = row.number_or_null(column);
    return ms ? std::optional<Instant>(from_ms(*ms)) : std::nullopt;
}

Job job_from(const db::Row& row) {
    Job job;
    job.id.value = row.text("id");
    job.type = job_type_from(row.text("job_type"));
    job.operation = row.text("operation");
    job.vm_context_id.value = row.text_or_null("vm_context_id").value_or("");
    job.owner = row.text("owner");
    job.status = job_status_from(row.text("status"));
    job.percent = static_cast<int>(row.number("percent_complete"));
    job.cancel_requested = row.flag("cancel_requested");
    job.metadata = row.text("metadata");
    job.error = row.text_or_null("error").value_or("");
    job.created = from_ms(row.number("created_ms"));
    job.started = instant_or_null(row, "started_ms");
    job.completed = instant_or_null(row, "completed_ms");
    return job;
}

Step step_from(const db::Row& row) {
    Step step;
    step.order = static_cast<int>(row.number("step_order"));
    step.name = row.text("step_name");
    step.title = row.text("title");
    step.weight = static_cast<int>(row.number("weight"));
    step.status = step_status_from(row.text("status"));
    step.detail = row.text_or_null("detail").value_or("");
    step.error_message = row.text_or_null("error_message").value_or("");
    step.started = instant_or_null(row, "started_ms");
    step.completed = instant_or_null(row, "completed_ms");
    return step;
}

constexpr const char* job_columns =
    "id, job_type, operation, vm_context_id, owner, status, percent_complete, cancel_requested, metadata, error, created_ms,"
    " started_ms, completed_ms";
constexpr const char* step_columns =
    "step_order, step_name, title, weight, status, detail, error_message, started_ms, completed_ms";

bool counts_as_done(StepStatus status) {
    return status == StepStatus::completed || status == StepStatus::warning || status == StepStatus::skipped;
}

JobStatus outcome_of(const std::vector<Step>& steps) {
    auto outcome = JobStatus::completed;
    for (const auto& step : steps) {
        if (step.status == StepStatus::failed || step.status == StepStatus::running) {
            outcome = worse(outcome, JobStatus::failed);
        } else if (step.status == StepStatus::warning) {
            outcome = worse(outcome, JobStatus::warning);
        } else if (step.status == StepStatus::cancelled) {
            outcome = worse(outcome, JobStatus::cancelled);
        }
    }
    return outcome;
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
        "INSERT INTO job_tracking (id, job_type, operation, vm_context_id, owner, status, percent_complete, cancel_requested,"
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
        const auto status = error.code() == ErrorCode::cancelled ? StepStatus::cancelled : StepStatus::failed;
        log(job, status == StepStatus::cancelled ? Level::warn : Level::error, error.full_text(), step.order);
        set_step(job, step.order, status, error.full_text());
        throw error;
    }
    set_step(job, step.order, context.has_warning() ? StepStatus::warning : StepStatus::completed, "");
}

void JobLog::skip_step(const JobId& job, const std::string& name, const std::string& reason) {
    database_->execute(
        "UPDATE job_steps SET status = 'skipped', detail = :reason, completed_ms = :now"
        " WHERE job_id = :job AND step_name = :name AND status = 'pending'",
        {{"reason", reason}, {"now", to_ms(clock_.now())}, {"job", job.value}, {"name", name}});
}

void JobLog::complete_interrupted_step(const JobId& job, const std::string& name) {
    database_->execute(
        "UPDATE job_steps SET status = 'completed', completed_ms = :now"
        " WHERE job_id = :job AND step_name = :name AND status = 'running'",
        {{"now", to_ms(clock_.now())}, {"job", job.value}, {"name", name}});
}

void JobLog::set_step(const JobId& job, int order, StepStatus status, const std::string& error) {
    const auto now = to_ms(clock_.now());
    const bool running = status == StepStatus::running;
    database_->execute(
        std::string("UPDATE job_steps SET status = :status, error_message = :error, ") +
            (running ? "started_ms = :now" : "completed_ms = :now") + " WHERE job_id = :job AND step_order = :step_order",
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
    for (const auto& row : database_->query(
             "SELECT step_order, weight, status FROM job_steps WHERE job_id = :job", {{"job", job.value}})) {
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
    const auto found = find(job);
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
    database_->transact([&](db::Session& session) {
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
    });
    if (error != nullptr) {
        log(job, Level::error, "The job ended " + std::string(to_string(outcome)) + ": " + error->full_text());
    } else {
        log(job, Level::info, "The job ended " + std::string(to_string(outcome)) + ".");
    }
    return outcome;
}

void JobLog::log(const JobId& job, Level level, const std::string& message, std::optional<int> step_order) {
    database_->execute(
        "INSERT INTO log_events (id, job_id, step_order, correlation_id, external_job_id, level, message, fields, created_ms)"
        " VALUES (:id, :job, :step_order, :correlation, :external, :level, :message, '{}', :now)",
        {{"id", new_uuid()},
         {"job", job.value},
         {"step_order", step_order ? db::Value(std::int64_t{*step_order}) : db::Value(nullptr)},
         {"correlation", job.value},
         {"external", job.value},
         {"level", std::string(to_string(level))},
         {"message", message},
         {"now", to_ms(clock_.now())}});
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
    const auto row = database_->query_one("SELECT cancel_requested FROM job_tracking WHERE id = :job", {{"job", job.value}});
    return row && row->flag("cancel_requested");
}

std::optional<Job> JobLog::find(const JobId& job) const {
    const auto row = database_->query_one(std::string("SELECT ") + job_columns + " FROM job_tracking WHERE id = :job",
                                          {{"job", job.value}});
    if (!row) {
        return std::nullopt;
    }
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

std::vector<Event> JobLog::events(const JobId& job, const std::string& after, int limit) const {
    std::vector<Event> events;
    for (const auto& row : database_->query(
             "SELECT id, step_order, level, message, created_ms FROM log_events WHERE job_id = :job AND id > :after"
             " ORDER BY id LIMIT " + std::to_string(std::clamp(limit, 1, 1000)),
             {{"job", job.value}, {"after", after}})) {
        Event event;
        event.id = row.text("id");
        if (const auto order = row.number_or_null("step_order")) {
            event.step_order = static_cast<int>(*order);
        }
        event.level = level_from(row.text("level"));
        event.message = row.text("message");
        event.created = from_ms(row.number("created_ms"));
        events.push_back(std::move(event));
    }
    return events;
}

StepContext::StepContext(JobLog& log, JobId job, int order, std::string name)
    : log_(log), job_(std::move(job)), order_(order), name_(std::move(name)) {}

void StepContext::detail(const std::string& text) {
    log_.set_detail(job_, name_, text);
    log_.log(job_, Level::info, text, order_);
}

void StepContext::info(const std::string& message) { log_.log(job_, Level::info, message, order_); }

void StepContext::warn(const std::string& message) { log_.log(job_, Level::warn, message, order_); }

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
