#pragma once
// Words for jobs and steps. The outcome of a job is its worst step (gui.md section 4).

#include <string>
#include <string_view>

namespace mk {

enum class JobType { migration, test_failover, live_failover, cleanup, verification };
enum class JobStatus { pending, running, completed, warning, failed, cancelled };
enum class StepStatus { pending, running, completed, warning, failed, skipped, cancelled };

/// "migration", "test-failover", "live-failover", "cleanup", "verification"
std::string_view to_string(JobType type);
JobType job_type_from(std::string_view word);
std::string_view to_string(JobStatus status);
JobStatus job_status_from(std::string_view word);
std::string_view to_string(StepStatus status);
StepStatus step_status_from(std::string_view word);
/// completed < warning < cancelled < failed
JobStatus worse(JobStatus a, JobStatus b);
inline bool is_final(JobStatus status) {
    return status != JobStatus::pending && status != JobStatus::running;
}

}  // namespace mk
