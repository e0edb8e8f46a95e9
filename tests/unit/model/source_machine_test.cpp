#include "model/source_machine.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "model/job.hpp"

using namespace mk;

namespace {

SourceDisk disk(int key, int bus, int unit) {
    SourceDisk out;
    out.id = disk_id_from_key(key);
    out.device_key = key;
    out.bus_number = bus;
    out.unit_number = unit;
    return out;
}

}  // namespace

TEST(SourceMachine, BootsFromTheFirstUnitOfTheFirstController) {
    SourceMachine machine;
    machine.disks = {disk(2016, 1, 0), disk(2001, 0, 1), disk(2003, 0, 0)};
    EXPECT_EQ(boot_disk_of(machine).value, "disk-2003");
}

TEST(SourceMachine, TheBootOrderDecidesWhenItNamesADisk) {
    SourceMachine machine;
    machine.disks = {disk(2000, 0, 0), disk(2001, 0, 1)};
    machine.boot_order = {DiskId{"disk-9999"}, DiskId{"disk-2001"}};
    EXPECT_EQ(boot_disk_of(machine).value, "disk-2001");
    machine.boot_order = {DiskId{"disk-9999"}};
    EXPECT_EQ(boot_disk_of(machine).value, "disk-2000");
}

TEST(SourceMachine, WithoutDisksThereIsNothingToBoot) {
    EXPECT_THROW(boot_disk_of(SourceMachine{}), Error);
    EXPECT_FALSE(SourceMachine{}.is_replicable());
}

TEST(SourceMachine, ABlockerForbidsReplication) {
    SourceMachine machine;
    machine.disks = {disk(2000, 0, 0)};
    machine.findings = {{Severity::warning, "no_tools", "", ""}};
    EXPECT_TRUE(machine.is_replicable());
    machine.findings.push_back({Severity::blocker, "independent_disk", "", ""});
    EXPECT_FALSE(machine.is_replicable());
}

TEST(Severity, WordsGoBothWays) {
    for (const auto severity : {Severity::note, Severity::warning, Severity::blocker}) {
        EXPECT_EQ(severity_from(to_string(severity)), severity);
    }
    EXPECT_THROW(severity_from("fatal"), Error);
}

TEST(Job, WordsGoBothWays) {
    for (const auto type : {JobType::migration, JobType::test_failover, JobType::live_failover, JobType::cleanup,
                            JobType::verification}) {
        EXPECT_EQ(job_type_from(to_string(type)), type);
    }
    for (const auto status : {JobStatus::pending, JobStatus::running, JobStatus::completed, JobStatus::warning,
                              JobStatus::failed, JobStatus::cancelled}) {
        EXPECT_EQ(job_status_from(to_string(status)), status);
    }
    for (const auto status : {StepStatus::pending, StepStatus::running, StepStatus::completed, StepStatus::warning,
                              StepStatus::failed, StepStatus::skipped, StepStatus::cancelled}) {
        EXPECT_EQ(step_status_from(to_string(status)), status);
    }
    EXPECT_THROW(job_type_from("test_failover"), Error);
}

TEST(Job, TheWorstOutcomeWins) {
    EXPECT_EQ(worse(JobStatus::completed, JobStatus::warning), JobStatus::warning);
    EXPECT_EQ(worse(JobStatus::cancelled, JobStatus::warning), JobStatus::cancelled);
    EXPECT_EQ(worse(JobStatus::cancelled, JobStatus::failed), JobStatus::failed);
    EXPECT_EQ(worse(JobStatus::completed, JobStatus::completed), JobStatus::completed);
}
