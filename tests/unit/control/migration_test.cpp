// Databases of the first schema: what they hold is still there after the tables of the jobs were made anew.

#include <filesystem>

#include "unit/control/control_plane.hpp"

namespace mk {
namespace {

TEST(Migration, JobsOfAnOlderDatabaseKeepTheirStepsAndEvents) {
    const test::TemporaryFolder folder;
    const std::string all = MK_SOURCE_DIR "/migrations";
    const std::string first = folder / "first";
    std::filesystem::create_directory(first);
    std::filesystem::copy(all + "/0001_initial.sql", first);
    const auto database = db::Database::open("sqlite:" + (folder / "oma.db"));
    db::migrate(*database, first);
    database->execute(
        "INSERT INTO job_tracking (id, job_type, operation, owner, status, percent_complete, cancel_requested,"
        " metadata, created_ms) VALUES ('job-1', 'migration', 'sync', 'test', 'completed', 100, 0, '{}', 1)",
        {});
    database->execute(
        "INSERT INTO job_steps (job_id, step_order, step_name, title, weight, status)"
        " VALUES ('job-1', 1, 'copy', 'Copy', 1, 'completed')",
        {});
    database->execute(
        "INSERT INTO log_events (id, job_id, correlation_id, level, message, fields, created_ms)"
        " VALUES ('event-1', 'job-1', 'job-1', 'INFO', 'copied', '{}', 1)",
        {});

    db::migrate(*database, all);

    const test::FakeClock clock;
    joblog::JobLog job_log(database, clock);
    const auto job = job_log.find(JobId{"job-1"});
    ASSERT_TRUE(job);
    ASSERT_EQ(job->steps.size(), 1U);
    EXPECT_EQ(job->steps.front().name, "copy");
    ASSERT_EQ(job_log.events(job->id, "", 10).size(), 1U);
    job_log.start({.type = JobType::verification,
                   .operation = "verify",
                   .owner = "test",
                   .vm_context_id = {},
                   .metadata = "{}",
                   .steps = {}});
    // What belongs to a job still goes with it.
    database->execute("DELETE FROM job_tracking WHERE id = 'job-1'", {});
    EXPECT_TRUE(job_log.events(JobId{"job-1"}, "", 10).empty());
    EXPECT_FALSE(database->query_one("SELECT job_id FROM job_steps WHERE job_id = 'job-1'", {}));
}

}  // namespace
}  // namespace mk
