#include "model/job.hpp"

#include "model/words.hpp"

namespace mk {

namespace {

constexpr words::Table<JobType, 5> job_types{{
    {JobType::migration, "migration"},
    {JobType::test_failover, "test-failover"},
    {JobType::live_failover, "live-failover"},
    {JobType::cleanup, "cleanup"},
    {JobType::verification, "verification"},
}};

constexpr words::Table<JobStatus, 6> job_statuses{{
    {JobStatus::pending, "pending"},
    {JobStatus::running, "running"},
    {JobStatus::completed, "completed"},
    {JobStatus::warning, "warning"},
    {JobStatus::failed, "failed"},
    {JobStatus::cancelled, "cancelled"},
}};

constexpr words::Table<StepStatus, 7> step_statuses{{
    {StepStatus::pending, "pending"},
    {StepStatus::running, "running"},
    {StepStatus::completed, "completed"},
    {StepStatus::warning, "warning"},
    {StepStatus::failed, "failed"},
    {StepStatus::skipped, "skipped"},
    {StepStatus::cancelled, "cancelled"},
}};

/// Unfinished ones rank lowest: any outcome is worse news than none.
int badness(JobStatus status) {
    switch (status) {
        case JobStatus::pending:
            return 0;
        case JobStatus::running:
            return 1;
        case JobStatus::completed:
            return 2;
        case JobStatus::warning:
            return 3;
        case JobStatus::cancelled:
            return 4;
        case JobStatus::failed:
            return 5;
    }
    return 5;
}

}  // namespace

std::string_view to_string(JobType type) {
    return words::word_of(job_types, type);
}
JobType job_type_from(std::string_view word) {
    return words::value_of(job_types, word, "job type");
}
std::string_view to_string(JobStatus status) {
    return words::word_of(job_statuses, status);
}
JobStatus job_status_from(std::string_view word) {
    return words::value_of(job_statuses, word, "job status");
}
std::string_view to_string(StepStatus status) {
    return words::word_of(step_statuses, status);
}
StepStatus step_status_from(std::string_view word) {
    return words::value_of(step_statuses, word, "step status");
}

JobStatus worse(JobStatus a, JobStatus b) {
    return badness(a) >= badness(b) ? a : b;
}

}  // namespace mk
