// The cycle against a machine with a state, stopped at every request: whatever fails, no snapshot of ours stays.
#include "source/vsphere/freezer.hpp"

#include <gmock/gmock.h>

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

/// Tasks end, and have their effect, at the second look. Tracking is active once a snapshot was removed after it was
/// enabled.
class Machine {
  public:
    Machine() {
        server->on("RetrievePropertiesEx", [this](const auto& request) { return counted(read(request.body)); });
        server->on("CreateSnapshot_Task", [this](const auto& request) {
            return order([this, entry = Entry{element(request.body, "name"), element(request.body, "description")}] {
                snapshots.push_back(entry);
            });
        });
        server->on("RemoveSnapshot_Task", [this](const auto& request) {
            return order([this, body = request.body] {
                std::erase_if(snapshots, [&](const Entry& entry) {
                    return body.find(">ref-" + entry.name + "<") != std::string::npos;
                });
                is_active = is_enabled;
            });
        });
        server->on("ReconfigVM_Task", [this](const auto&) { return order([this] { is_enabled = true; }); });
    }

    struct Entry {
        std::string name;
        std::string description;
    };

    FrozenState freeze() {
        FreezeOptions options;
        options.job_id = "job";
        options.appliance_id = "here";
        return Freezer(*session, vm, options, [](const MachineFacts&) {}, token).freeze();
    }
    std::vector<std::string> names() const {
        std::vector<std::string> found;
        for (const auto& entry : snapshots) {
            found.push_back(entry.name);
        }
        return found;
    }
    /// As if somebody had ordered it just now; it has its effect when its task is looked at.
    void order_creation(const std::string& name, const std::string& appliance) {
        order([this, entry = Entry{name, snapshot_description("old", appliance)}] { snapshots.push_back(entry); });
    }

    std::vector<Entry> snapshots;
    bool is_enabled = true;
    bool is_active = true;
    int requests = 0;
    int stop_at = 0;  ///< request at which the stop comes; 0 = never
    std::stop_source stop;
    std::stop_token token = stop.get_token();
    std::shared_ptr<FakeServer> server = std::make_shared<FakeServer>();
    std::unique_ptr<Session> session = open_session(server);

  private:
    http::Response counted(http::Response answer) {
        if (++requests == stop_at) {
            stop.request_stop();
        }
        return answer;
    }
    http::Response order(std::function<void()> effect) {
        if (effect_) {
            effect_();  // one after the other
        }
        effect_ = std::move(effect);
        looks_ = 0;
        return counted(FakeServer::returnval("T", "<returnval type=\"Task\">task-1</returnval>"));
    }
    http::Response read(const std::string& body) {
        if (body.find("info.state") != std::string::npos) {
            const bool is_over = ++looks_ >= 2;
            if (is_over && effect_) {
                std::exchange(effect_, nullptr)();
            }
            return FakeServer::properties("Task", "task-1",
                                          {{"info.state", is_over ? "<val>success</val>" : "<val>running</val>"}});
        }
        const std::string devices =
            R"(<val><VirtualDevice xsi:type="VirtualDisk"><key>2000</key><backing><fileName>[d] x/x.vmdk</fileName>)" +
            std::string(is_active ? "<changeId>52 aa/1</changeId>" : "") +
            "</backing><capacityInKB>4</capacityInKB></VirtualDevice></val>";
        std::string tree;
        for (const auto& entry : snapshots) {
            tree += "<rootSnapshotList><snapshot type=\"VirtualMachineSnapshot\">ref-" + entry.name +
                    "</snapshot><name>" + entry.name + "</name><description>" + entry.description +
                    "</description><createTime>2026-01-01T00:00:00Z</createTime></rootSnapshotList>";
        }
        return FakeServer::properties(
            "VirtualMachine", "vm-1",
            {{"config.hardware.device", devices},
             {"config.changeTrackingEnabled", is_enabled ? "<val>true</val>" : "<val>false</val>"},
             {"snapshot", "<val>" + tree + "</val>"},
             {"runtime.powerState", "<val>poweredOff</val>"},
             {"runtime.consolidationNeeded", "<val>false</val>"},
             {"recentTask", effect_ ? "<val><ManagedObjectReference type=\"Task\">task-1</ManagedObjectReference></val>"
                                    : "<val/>"}});
    }

    std::function<void()> effect_;
    int looks_ = 0;
};

void stop_at_every_request(bool is_enabled, bool is_active) {
    bool is_through = false;
    int n = 0;
    while (!is_through) {
        Machine machine;
        machine.is_enabled = is_enabled;
        machine.is_active = is_active;
        machine.stop_at = ++n;
        ASSERT_LT(n, 200);
        try {
            machine.freeze();
            EXPECT_THAT(machine.names(), ElementsAre("migratekit-job"));
            is_through = machine.requests < n;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::cancelled) << "request " << n << ": " << error.cause();
            EXPECT_THAT(machine.names(), IsEmpty()) << "request " << n;
        }
    }
    EXPECT_GT(n, 5);
}

TEST(Freezer_, AStopAtAnyRequestLeavesNoSnapshot) {
    stop_at_every_request(true, true);
}
TEST(Freezer_, AStopAtAnyRequestLeavesNoSnapshotWhenTrackingIsEnabledButNotActive) {
    stop_at_every_request(true, false);
}
TEST(Freezer_, AStopAtAnyRequestLeavesNoSnapshotWhenTrackingIsOff) {
    stop_at_every_request(false, false);
}

TEST(Freezer_, WaitsForTheSnapshotThatAKilledEngineOrderedAndRemovesIt) {
    Machine machine;
    machine.order_creation("migratekit-old", "here");
    machine.freeze();
    EXPECT_THAT(machine.names(), ElementsAre("migratekit-job"));
}

TEST(Sweep, WaitsForTheSnapshotThatAKilledEngineOrderedAndRemovesIt) {
    Machine machine;
    machine.order_creation("migratekit-old", "here");
    const auto swept = sweep(*machine.session, vm, "here", {});
    EXPECT_THAT(swept.removed, ElementsAre("migratekit-old"));
    EXPECT_THAT(swept.remaining, IsEmpty());
    EXPECT_THAT(machine.names(), IsEmpty());
}

TEST(Sweep, RemovesOnlyWhatOurApplianceMade) {
    Machine machine;
    machine.snapshots = {{"nightly", "somebody's"},
                         {"migratekit-a", snapshot_description("a", "here")},
                         {"migratekit-b", snapshot_description("b", "elsewhere")},
                         {"migratekit-c", "made by hand"}};
    EXPECT_THAT(sweep(*machine.session, vm, "here", {}).removed, ElementsAre("migratekit-a"));
    EXPECT_THAT(machine.names(), ElementsAre("nightly", "migratekit-b", "migratekit-c"));
}

TEST(Sweep, SaysByNameWhatRemains) {
    Machine machine;
    machine.snapshots = {{"migratekit-a", snapshot_description("a", "here")}};
    machine.server->only("RemoveSnapshot_Task", [](const auto&) { return FakeServer::fault("NoPermission"); });
    EXPECT_THAT(sweep(*machine.session, vm, "here", {}).remaining, ElementsAre("migratekit-a"));
}

}  // namespace
}  // namespace mk::vsphere
