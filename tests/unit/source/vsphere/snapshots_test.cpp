// Snapshots, tasks and power against a machine that has a state: what is refused, lost or vanishes must not leave a
// snapshot behind and never make a second one.
#include "source/vsphere/snapshots.hpp"

#include <gmock/gmock.h>

#include "source/vsphere/power.hpp"
#include "source/vsphere/tasks.hpp"
#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Moref vm = vm_reference("vm-1");

std::string element(const std::string& body, const std::string& name) {
    const auto start = body.find("<" + name + ">") + name.size() + 2;
    return body.substr(start, body.find('<', start) - start);
}

Error lost_answer() {
    return Error(ErrorCode::unavailable, "closed without an answer", {});
}

/// A machine with snapshots, a power state and tasks that end at once.
class Machine : public testing::Test {
  protected:
    Machine() {
        server->on("RetrievePropertiesEx", [this](const FakeServer::Request& request) { return read(request.body); });
        server->on("CreateSnapshot_Task", [this](const FakeServer::Request& request) {
            names.push_back(element(request.body, "name"));
            return task();
        });
        server->on("RemoveSnapshot_Task", [this](const auto&) {
            names.pop_back();
            return task();
        });
        server->on("ConsolidateVMDisks_Task", [this](const auto&) {
            needs_consolidation = false;
            return task();
        });
        server->on("PowerOffVM_Task", [this](const auto&) {
            power = "poweredOff";
            return task();
        });
    }

    static http::Response task() { return FakeServer::returnval("T", "<returnval type=\"Task\">task-1</returnval>"); }

    http::Response read(const std::string& body) {
        if (body.find("info.state") != std::string::npos) {
            ++task_reads;
            if (task_vanishes) {
                return FakeServer::fault("ManagedObjectNotFound");
            }
            if (!task_faults.empty()) {
                const auto fault = task_faults.back();
                task_faults.pop_back();
                return FakeServer::properties(
                    "Task", "task-1",
                    {{"info.state", "<val>error</val>"},
                     {"info.error", "<val xsi:type=\"LocalizedMethodFault\"><fault xsi:type=\"" + fault +
                                        "\"/><localizedMessage>so</localizedMessage></val>"}});
            }
            return FakeServer::properties(
                "Task", "task-1", {{"info.state", task_reads % 3 == 0 ? "<val>success</val>" : "<val>running</val>"}});
        }
        std::string tree;
        for (const auto& name : names) {
            tree += "<rootSnapshotList><snapshot type=\"VirtualMachineSnapshot\">ref-" + name + "</snapshot><name>" +
                    name + "</name><createTime>2026-01-01T00:00:00Z</createTime></rootSnapshotList>";
        }
        return FakeServer::properties(
            "VirtualMachine", "vm-1",
            {{"snapshot", "<val>" + tree + "</val>"},
             {"runtime.powerState", "<val>" + power + "</val>"},
             {"runtime.consolidationNeeded", needs_consolidation ? "<val>true</val>" : "<val>false</val>"},
             {"recentTask", "<val/>"}});
    }

    SnapshotEntry create(bool quiesce = false) {
        return create_snapshot(*session, vm, {"migratekit-j", "d", quiesce}, stop.get_token());
    }
    void remove() { remove_snapshot(*session, vm, {"VirtualMachineSnapshot", "ref-migratekit-j"}, {}); }

    std::vector<std::string> names{"foreign"};
    std::string power = "poweredOn";
    bool needs_consolidation = false;
    bool task_vanishes = false;
    int task_reads = 0;
    std::vector<std::string> task_faults;
    std::stop_source stop;
    std::shared_ptr<FakeServer> server = std::make_shared<FakeServer>();
    std::unique_ptr<Session> session = open_session(server);
};

TEST_F(Machine, ASnapshotIsFoundInTheTree) {
    const auto snapshot = create();
    EXPECT_EQ(snapshot.reference.id, "ref-migratekit-j");
    EXPECT_EQ(to_iso8601(snapshot.created), "2026-01-01T00:00:00.000Z");
    remove();
    EXPECT_THAT(names, ElementsAre("foreign"));
    remove();
    EXPECT_EQ(server->count("RemoveSnapshot_Task"), 1U) << "what is gone is not removed again";
}

TEST_F(Machine, ALostAnswerDoesNotMakeASecondSnapshot) {
    server->only("CreateSnapshot_Task", [this](const FakeServer::Request& request) -> http::Response {
        names.push_back(element(request.body, "name"));
        throw lost_answer();
    });
    create();
    EXPECT_EQ(server->count("CreateSnapshot_Task"), 1U);
    EXPECT_THAT(names, ElementsAre("foreign", "migratekit-j"));
}

TEST_F(Machine, ALostRequestIsRepeated) {
    const auto create_really = server->actions["CreateSnapshot_Task"].front();
    server->only("CreateSnapshot_Task", [](const auto&) -> http::Response { throw lost_answer(); });
    server->on("CreateSnapshot_Task", FakeServer::fault("NotAuthenticated"));
    server->on("CreateSnapshot_Task", create_really);
    create();
    EXPECT_EQ(server->count("CreateSnapshot_Task"), 3U);
    EXPECT_THAT(names, ElementsAre("foreign", "migratekit-j"));
}

TEST_F(Machine, AVanishedTaskIsJudgedByTheTree) {
    task_vanishes = true;
    EXPECT_EQ(create().name, "migratekit-j");
    remove();
    EXPECT_THAT(names, ElementsAre("foreign"));
}

TEST_F(Machine, AVanishedTaskWithoutResultIsAnErrorInTheEnd) {
    task_vanishes = true;
    server->only("CreateSnapshot_Task", [](const auto&) { return task(); });
    EXPECT_EQ(error_of([&] { create(); }).code(), ErrorCode::external);
}

TEST_F(Machine, ABusyMachineIsWaitedFor) {
    task_faults = {"TaskInProgress", "FileLocked"};
    server->only("CreateSnapshot_Task",
                 [](const auto&) { return FakeServer::fault("TaskInProgress", "<task type=\"Task\">t-9</task>"); });
    server->on("CreateSnapshot_Task", [](const auto&) { return task(); });
    server->on("CreateSnapshot_Task", [](const auto&) { return task(); });
    server->on("CreateSnapshot_Task", [this](const FakeServer::Request& request) {
        names.push_back(element(request.body, "name"));
        return task();
    });
    EXPECT_NO_THROW(create());
}

TEST_F(Machine, ButNotForEver) {
    server->only("CreateSnapshot_Task", [](const auto&) { return FakeServer::fault("TaskInProgress"); });
    EXPECT_EQ(error_of([&] { create(); }).native(), "TaskInProgress");
    EXPECT_EQ(server->count("CreateSnapshot_Task"), static_cast<std::size_t>(quick().busy_attempts));
}

TEST_F(Machine, AFailedTaskLeavesNoDebris) {
    task_faults = {"FilesystemQuiesceFault"};  // and yet the snapshot is there
    const auto error = error_of([&] { create(true); });
    EXPECT_EQ(error.native(), "FilesystemQuiesceFault");
    EXPECT_EQ(handling_of(error), FaultHandling::without_quiescing);
    EXPECT_THAT(names, ElementsAre("foreign"));
}

TEST_F(Machine, ATimeOutWhileQuiescingIsNotRepeated) {
    task_faults = {"Timedout"};
    EXPECT_EQ(error_of([&] { create(true); }).native(), "QuiesceTimedout");
    EXPECT_EQ(server->count("CreateSnapshot_Task"), 1U);
}

TEST_F(Machine, PermanentFaultsEndAtOnce) {
    for (const char* fault :
         {"NoPermission", "NoDiskSpace", "TooManySnapshotLevels", "MethodDisabled", "RestrictedVersion"}) {
        server->only("CreateSnapshot_Task", [fault](const auto&) { return FakeServer::fault(fault); });
        const auto before = server->count("CreateSnapshot_Task");
        EXPECT_EQ(error_of([&] { create(); }).native(), fault);
        EXPECT_EQ(server->count("CreateSnapshot_Task"), before + 1) << fault;
    }
}

TEST_F(Machine, AStopInTheMiddleRemovesWhatStillCame) {
    server->only("CreateSnapshot_Task", [this](const FakeServer::Request& request) {
        names.push_back(element(request.body, "name"));
        stop.request_stop();
        return task();
    });
    EXPECT_EQ(error_of([&] { create(); }).code(), ErrorCode::cancelled);
    EXPECT_THAT(names, ElementsAre("foreign"));
}

TEST_F(Machine, RemovalEndsWhenTheDisksAreConsolidated) {
    create();
    needs_consolidation = true;
    remove();
    EXPECT_FALSE(needs_consolidation);
    EXPECT_EQ(server->count("ConsolidateVMDisks_Task"), 1U);
}

TEST_F(Machine, DisksThatStayUnconsolidatedAreAnError) {
    needs_consolidation = true;
    server->only("ConsolidateVMDisks_Task", [](const auto&) { return task(); });
    EXPECT_EQ(error_of([&] { wait_consolidated(*session, vm, {}); }).native(), "ConsolidationNeeded");
}

TEST_F(Machine, RemovingNeverTouchesOthers) {
    create();
    remove();
    EXPECT_EQ(server->count("RemoveSnapshot_Task"), 1U);
    for (const auto& request : server->requests) {
        EXPECT_EQ(request.body.find("<removeChildren>true"), std::string::npos);
    }
}

TEST_F(Machine, TasksAreFollowedThroughLostContact) {
    int left = 2;
    const auto read_really = server->actions["RetrievePropertiesEx"].front();
    server->only("RetrievePropertiesEx", [&, read_really](const FakeServer::Request& request) -> http::Response {
        if (left-- > 0) {
            throw lost_answer();
        }
        return read_really(request);
    });
    EXPECT_FALSE(wait_for_task(*session, {"Task", "task-1"}, "it", {}).vanished);
}

TEST_F(Machine, PowerIsReadAgainAfterARefusal) {
    server->only("PowerOffVM_Task", [this](const auto&) {
        power = "poweredOff";  // somebody else was faster
        return FakeServer::fault("InvalidPowerState");
    });
    EXPECT_NO_THROW(power_off(*session, vm, {}));
    EXPECT_NO_THROW(power_off(*session, vm, {}));
    EXPECT_EQ(server->count("PowerOffVM_Task"), 1U);
}

TEST_F(Machine, AStateThatDoesNotHoldIsAnError) {
    server->only("PowerOffVM_Task", [](const auto&) { return task(); });
    EXPECT_EQ(error_of([&] { power_off(*session, vm, {}); }).code(), ErrorCode::conflict);
}

TEST_F(Machine, ShuttingDownAMachineThatIsOffDoesNothing) {
    power = "poweredOff";
    shut_down_guest(*session, vm, {});
    EXPECT_EQ(server->count("ShutdownGuest"), 0U);
}

TEST_F(Machine, ShuttingDownWithoutToolsIsAConflict) {
    server->on("ShutdownGuest", FakeServer::fault("ToolsUnavailable"));
    const auto error = error_of([&] { shut_down_guest(*session, vm, {}); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "ToolsUnavailable");
}

}  // namespace
}  // namespace mk::vsphere
