#include "control/machines/machine_repository.hpp"

#include <sqlite3.h>

#include "unit/control/control_plane.hpp"

namespace mk::machines {
namespace {

class MachinesTest : public test::ControlPlane {
  protected:
    static joblog::JobStart a_start() {
        return {.type = JobType::migration,
                .operation = "sync",
                .owner = "test",
                .vm_context_id = {},
                .metadata = "",
                .steps = {}};
    }
    JobId begin(const VmContextId& vm, MachineAction action, std::optional<MachineStatus> during) {
        return machines.begin(vm, action, during, a_start());
    }
    void put(const VmContextId& vm, MachineStatus status) {
        stored->execute("UPDATE vm_contexts SET current_status = :status WHERE context_id = :id",
                        {{"status", std::string(to_string(status))}, {"id", vm.value}});
    }
};

TEST_F(MachinesTest, AddedMachineIsDiscoveredWithItsDisksInSourceOrder) {
    const auto vm = add_machine();
    EXPECT_EQ(vm.value, "ctx-web-01-20260101-000000");
    const auto machine = *machines.find(vm);
    EXPECT_EQ(machine.status, MachineStatus::discovered);
    EXPECT_EQ(machine.boot_disk.value, "disk-2000");
    EXPECT_EQ(machine.source.nics.size(), 1U);
    const auto disks = machines.disks(vm);
    ASSERT_EQ(disks.size(), 2U);
    EXPECT_TRUE(disks[0].is_boot);
    EXPECT_EQ(disks[1].disk_id.value, "disk-2001");
    EXPECT_EQ(disks[1].capacity, 2 * GiB);
}

TEST_F(MachinesTest, SameSourceMachineIsManagedOnce) {
    const auto vm = add_machine();
    const auto error = test::error_of([&] { add_machine(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find(vm.value), std::string::npos);
}

TEST_F(MachinesTest, MachinesOfOneNameInOneSecondHaveDifferentIds) {
    const auto first = add_machine();
    const auto second = add_machine(test::a_machine("web-01", "uuid-2"));
    EXPECT_EQ(second.value, first.value + "-2");
}

TEST_F(MachinesTest, NameInAnotherScriptIsNoObstacle) {
    EXPECT_EQ(add_machine(test::a_machine("\xe6\x97\xa5\xe6\x9c\xac")).value, "ctx-vm-20260101-000000");
}

TEST_F(MachinesTest, IsFoundByIdNameOrUniquePrefix) {
    const auto web = add_machine(test::a_machine("web-01", "uuid-1"));
    const auto web_two = add_machine(test::a_machine("web-02", "uuid-2"));
    EXPECT_EQ(machines.require("web-02").id, web_two);
    EXPECT_EQ(machines.require(web.value).id, web);
    EXPECT_EQ(machines.require("ctx-web-02").id, web_two);
    const auto error = test::error_of([&] { machines.require("web"); });
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.cause().find(web.value), std::string::npos);
    EXPECT_NE(error.cause().find(web_two.value), std::string::npos);
    EXPECT_EQ(test::code_of([&] { machines.require("db"); }), ErrorCode::not_found);
    EXPECT_EQ(test::code_of([&] { machines.require(""); }), ErrorCode::not_found);
}

TEST_F(MachinesTest, WholeNameWinsOverLongerOnes) {
    const auto web = add_machine(test::a_machine("web", "uuid-1"));
    add_machine(test::a_machine("web-2", "uuid-2"));
    EXPECT_EQ(machines.require("web").id, web);
}

TEST_F(MachinesTest, GateLetsOneJobIn) {
    const auto vm = add_machine();
    const auto job = begin(vm, MachineAction::sync, MachineStatus::initial_sync);
    const auto error = test::error_of([&] { begin(vm, MachineAction::sync, MachineStatus::initial_sync); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_NE(error.cause().find(job.value), std::string::npos);
    EXPECT_EQ(job_log.list({}, true, 10).size(), 1U);
    EXPECT_EQ(machines.status_before(job), MachineStatus::discovered);
}

TEST_F(MachinesTest, GateRefusesWhatTheTableRefusesInEveryState) {
    const auto vm = add_machine();
    const std::vector<std::pair<MachineAction, std::optional<MachineStatus>>> actions = {
        {MachineAction::sync, MachineStatus::initial_sync},
        {MachineAction::full_sync, MachineStatus::initial_sync},
        {MachineAction::test_failover, MachineStatus::failing_over_test},
        {MachineAction::live_failover, MachineStatus::failing_over_live},
        {MachineAction::finish_test, MachineStatus::rolling_back},
        {MachineAction::go_back, MachineStatus::rolling_back},
        {MachineAction::commit, std::nullopt},
        {MachineAction::remove, std::nullopt},
        {MachineAction::cleanup, MachineStatus::rolling_back}};
    for (int i = 0; i <= static_cast<int>(MachineStatus::cleanup_required); ++i) {
        const auto state = static_cast<MachineStatus>(i);
        for (const auto& [action, during] : actions) {
            SCOPED_TRACE(std::string(to_string(state)) + " " + std::string(to_string(action)));
            put(vm, state);
            if (const auto refused = refusal(state, action)) {
                const auto error = test::error_of([&] { begin(vm, action, during); });
                EXPECT_EQ(error.cause(), refused->reason);
                EXPECT_EQ(error.advice().remedy, for_machine(*refused, machines.find(vm)->source.name).remedy);
                EXPECT_EQ(error.advice().remedy.find(" VM"), std::string::npos);
                EXPECT_EQ(status(vm), state);
            } else {
                const auto job = begin(vm, action, during);
                EXPECT_EQ(status(vm), during.value_or(state));
                stored->execute("UPDATE vm_contexts SET current_job_id = NULL");
                job_log.end(job);
            }
        }
    }
}

TEST_F(MachinesTest, RefusalOfWhatElseIsWrittenUndoesTheStart) {
    const auto vm = add_machine();
    EXPECT_EQ(test::code_of([&] {
                  machines.begin(vm, MachineAction::sync, MachineStatus::initial_sync, a_start(),
                                 [](db::Session&, const JobId&) { throw Error(ErrorCode::exhausted, "no slot"); });
              }),
              ErrorCode::exhausted);
    EXPECT_EQ(status(vm), MachineStatus::discovered);
    EXPECT_TRUE(job_log.list({}, false, 10).empty());
}

TEST_F(MachinesTest, ChangeOfAnotherWriterInBetweenIsAConflict) {
    const auto vm = add_machine();
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open((folder / "oma.db").c_str(), &raw), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(raw,
                           "CREATE TRIGGER race AFTER INSERT ON job_tracking BEGIN"
                           " UPDATE vm_contexts SET version = version + 1; END",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(raw);
    EXPECT_EQ(test::code_of([&] { begin(vm, MachineAction::sync, MachineStatus::initial_sync); }), ErrorCode::conflict);
    EXPECT_EQ(status(vm), MachineStatus::discovered);
    EXPECT_TRUE(job_log.list({}, false, 10).empty());
}

TEST_F(MachinesTest, JobAndMachineEndTogether) {
    const auto vm = add_machine();
    const auto job = begin(vm, MachineAction::sync, MachineStatus::initial_sync);
    EXPECT_EQ(test::code_of([&] {
                  machines.end_job(vm, job, MachineStatus::failed, "why", nullptr,
                                   [](db::Session&) { throw Error(ErrorCode::exhausted, "the disk is full"); });
              }),
              ErrorCode::exhausted);
    EXPECT_EQ(job_log.find(job)->status, JobStatus::running);
    EXPECT_EQ(machines.find(vm)->current_job, job);
    EXPECT_EQ(machines.end_job(vm, job, MachineStatus::failed, "why"), JobStatus::completed);
    EXPECT_EQ(machines.find(vm)->status_reason, "why");
    EXPECT_TRUE(machines.find(vm)->current_job.empty());
}

TEST_F(MachinesTest, RepeatedEndDoesNotTouchTheNextJob) {
    const auto vm = add_machine();
    const auto first = begin(vm, MachineAction::sync, MachineStatus::initial_sync);
    machines.end_job(vm, first, MachineStatus::failed);
    const auto second = begin(vm, MachineAction::sync, MachineStatus::initial_sync);
    machines.end_job(vm, first, MachineStatus::ready_for_failover);
    EXPECT_EQ(status(vm), MachineStatus::initial_sync);
    EXPECT_EQ(machines.find(vm)->current_job, second);
}

TEST_F(MachinesTest, EndOfAJobWhoseMachineIsGoneEndsTheJob) {
    const auto vm = add_machine();
    const auto job = begin(vm, MachineAction::sync, MachineStatus::initial_sync);
    stored->execute("DELETE FROM vm_contexts");
    EXPECT_EQ(machines.end_job(vm, job, MachineStatus::failed), JobStatus::completed);
}

TEST_F(MachinesTest, ChangesOutsideTheTableAreDefects) {
    const auto vm = add_machine();
    EXPECT_EQ(test::code_of([&] { machines.set_status(vm, MachineStatus::committed); }), ErrorCode::internal);
}

TEST_F(MachinesTest, RemovedMachineIsGoneWithItsJobEndedAndABusyOneStays) {
    const auto vm = add_machine();
    EXPECT_EQ(test::code_of([&] { machines.remove(vm, JobId{}); }), ErrorCode::conflict);
    const auto sync = begin(vm, MachineAction::sync, MachineStatus::initial_sync);
    EXPECT_EQ(test::code_of([&] { begin(vm, MachineAction::remove, {}); }), ErrorCode::conflict);
    EXPECT_EQ(test::code_of([&] { machines.remove(vm, JobId{"other"}); }), ErrorCode::conflict);
    machines.end_job(vm, sync, MachineStatus::failed);
    const auto removal = begin(vm, MachineAction::remove, {});
    machines.remove(vm, removal);
    EXPECT_EQ(job_log.find(removal)->status, JobStatus::completed);
    EXPECT_FALSE(machines.find(vm));
    EXPECT_TRUE(machines.disks(vm).empty());
    EXPECT_EQ(test::code_of([&] { machines.remove(vm, removal); }), ErrorCode::not_found);
}

TEST_F(MachinesTest, UpdateKeepsVolumesAndRemembersTheFormerSpecification) {
    const auto vm = add_machine();
    machines.set_disk_volume(vm, disk_id_from_key(2000), VolumeId{"vol"});
    auto changed = test::a_machine("renamed");
    changed.cpus = 8;
    machines.update_source(vm, changed);
    machines.update_source(vm, changed);
    EXPECT_EQ(machines.find(vm)->source.cpus, 8);
    EXPECT_EQ(machines.disks(vm)[0].volume_id.value, "vol");
    EXPECT_EQ(stored->query_one("SELECT COUNT(*) AS n FROM vm_specification_history")->number("n"), 1);
    EXPECT_EQ(machines.find_by_source("vc-1", "uuid-1")->id, vm);
    EXPECT_FALSE(machines.find_by_source("vc-2", "uuid-1"));
}

}  // namespace
}  // namespace mk::machines
