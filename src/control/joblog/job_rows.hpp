#pragma once
// Rows of job_tracking, job_steps and log_events <-> nouns. Private to this folder.

#include "control/joblog/job_log.hpp"
#include "db/database.hpp"

namespace mk::joblog {

extern const char* const job_columns;
extern const char* const step_columns;

Job job_from(const db::Row& row);
Step step_from(const db::Row& row);
Event event_from(const db::Row& row);
/// The job with its steps, read inside the caller's transaction.
std::optional<Job> read_job(db::Session& session, const JobId& job);
/// Completed, with or without a warning, or skipped: nothing of it is left to do.
bool counts_as_done(StepStatus status);
/// The worst step decides; one that still runs is a failure.
JobStatus outcome_of(const std::vector<Step>& steps);

}  // namespace mk::joblog
