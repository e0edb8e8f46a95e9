#include "control/joblog/job_rows.hpp"

namespace mk::joblog {

const char* const job_columns =
    "id, job_type, operation, vm_context_id, owner, status, percent_complete, cancel_requested, metadata, error, "
    "created_ms,"
    " started_ms, completed_ms";
const char* const step_columns =
    "step_order, step_name, title, weight, status, detail, error_message, started_ms, completed_ms";

namespace {

std::optional<Instant> instant_or_null(const db::Row& row, const std::string& column) {
    const auto ms = row.number_or_null(column);
    return ms ? std::optional<Instant>(from_ms(*ms)) : std::nullopt;
}

}  // namespace

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

Event event_from(const db::Row& row) {
    Event event;
    event.id = row.text("id");
    if (const auto order = row.number_or_null("step_order")) {
        event.step_order = static_cast<int>(*order);
    }
    event.level = level_from(row.text("level"));
    event.message = row.text("message");
    event.created = from_ms(row.number("created_ms"));
    return event;
}

std::optional<Job> read_job(db::Session& session, const JobId& job) {
    const auto row = session.query_one(std::string("SELECT ") + job_columns + " FROM job_tracking WHERE id = :job",
                                       {{"job", job.value}});
    if (!row) {
        return std::nullopt;
    }
    auto found = job_from(*row);
    for (const auto& step : session.query(
             std::string("SELECT ") + step_columns + " FROM job_steps WHERE job_id = :job ORDER BY step_order",
             {{"job", job.value}})) {
        found.steps.push_back(step_from(step));
    }
    return found;
}

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

}  // namespace mk::joblog
