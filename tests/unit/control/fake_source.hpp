#pragma once
// The VMware site as the ports see it: one machine with two disks, its power state, its snapshots, passes. Thread-safe.

#include <algorithm>
#include <map>
#include <mutex>

#include "control/discovery/discovery_service.hpp"
#include "control/failover/ports.hpp"
#include "control/replication/ports.hpp"
#include "unit/control/fake_volumes.hpp"

namespace mk::test {

inline SourceDisk a_disk(int key, Bytes capacity = GiB) {
    SourceDisk disk;
    disk.id = disk_id_from_key(key);
    disk.device_key = key;
    disk.label = "Hard disk " + std::to_string(key - 1999);
    disk.capacity = capacity;
    disk.backing_uuid = "backing-" + std::to_string(key);
    disk.controller = "pvscsi";
    disk.unit_number = key - 2000;
    return disk;
}

/// Two disks and one NIC; runs, with VMware Tools.
inline SourceMachine a_machine(const std::string& name = "web-01", const std::string& uuid = "uuid-1") {
    SourceMachine machine;
    machine.vcenter_uuid = "vc-1";
    machine.moref = "vm-" + uuid;
    machine.instance_uuid = uuid;
    machine.name = name;
    machine.path = "/DC0/vm/" + name;
    machine.power_state = "poweredOn";
    machine.cpus = 2;
    machine.memory_mb = 2048;
    machine.firmware = "bios";
    machine.tools_running = true;
    machine.disks = {a_disk(2000), a_disk(2001, 2 * GiB)};
    SourceNic nic;
    nic.network = "VM Network";
    machine.nics = {nic};
    return machine;
}

class FakeSource : public replication::SourceSite, public failover::SourcePower, public discovery::SourceInventory {
  public:
    FakeSource(Faults& faults, FakeVolumes& volumes) : faults_(faults), volumes_(volumes) {}

    SourceMachine machine = a_machine();
    std::map<DiskId, std::string> content = {{disk_id_from_key(2000), "boot v1"}, {disk_id_from_key(2001), "data v1"}};
    std::vector<std::string> snapshots;
    std::vector<contracts::PassRequest> passes;  ///< as they were asked for
    std::vector<std::string> power_actions;
    std::function<void(contracts::PassProgress&)> edit;  ///< changes what a pass reports
    std::function<void()> on_progress;                   ///< runs when the OMA asks for progress
    bool shutdown_works = true;
    bool keeps_snapshots = false;  ///< sweeping does not help
    std::vector<SourceMachine> inventory = {machine};

    SourceMachine look_up(const contracts::VcenterAccess&, const std::string&, const std::string&,
                          const std::stop_token&) override {
        return faults_.call("look_up", [&] { return machine; });
    }
    void start_pass(const contracts::PassRequest& request, const std::stop_token&) override {
        faults_.call("start_pass", [&] {
            const std::lock_guard lock(mutex_);
            passes.push_back(request);
            running_ = request.job_id;
            stopped_ = false;
            snapshots.push_back("migratekit-" + request.job_id.value);
            ++generation_;
        });
    }
    contracts::PassProgress progress(const JobId& job, const std::stop_token&) override {
        return faults_.call("progress", [&] {
            if (on_progress) {
                on_progress();
            }
            const std::lock_guard lock(mutex_);
            if (running_ != job) {
                throw Error(ErrorCode::not_found, "there is no job " + job.value);
            }
            auto answer = completed();
            if (stopped_) {
                answer.state = "cancelled";
                answer.result.reset();
            }
            if (edit) {
                edit(answer);
            }
            if (answer.state != "running" && !keeps_snapshots) {
                snapshots.clear();
            }
            return answer;
        });
    }
    void stop_pass(const JobId& job) override {
        faults_.call("stop_pass", [&] {
            const std::lock_guard lock(mutex_);
            if (running_ != job) {
                throw Error(ErrorCode::not_found, "there is no job " + job.value);
            }
            stopped_ = true;
        });
    }
    void forget_pass(const JobId&) override {
        faults_.call("forget_pass", [&] {
            const std::lock_guard lock(mutex_);
            running_ = {};
        });
    }
    std::vector<std::string> sweep_snapshots(const contracts::VcenterAccess&, const std::string&,
                                             const std::stop_token&) override {
        return faults_.call("sweep_snapshots", [&] {
            const std::lock_guard lock(mutex_);
            if (!keeps_snapshots) {
                snapshots.clear();
            }
            return snapshots;
        });
    }
    contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token&) override {
        return faults_.call("power:" + request.action, [&] {
            const std::lock_guard lock(mutex_);
            power_actions.push_back(request.action);
            if (request.action == "power_off" || (request.action == "shutdown" && shutdown_works)) {
                machine.power_state = "poweredOff";
            } else if (request.action == "power_on") {
                machine.power_state = "poweredOn";
            }
            return contracts::PowerState{machine.power_state,
                                         machine.tools_running && machine.power_state == "poweredOn"};
        });
    }
    discovery::Inventory discover(const contracts::VcenterAccess& access, const std::string&,
                                  const std::stop_token&) override {
        return faults_.call("discover", [&] {
            if (access.password.reveal() != "secret") {
                throw Error(ErrorCode::unauthenticated, "the vCenter refuses user and password");
            }
            return discovery::Inventory{"vc-1", "7.0.3", inventory};
        });
    }

  private:
    /// Everything arrived: the engine wrote into the sessions and is done.
    contracts::PassProgress completed() {
        const auto& request = passes.back();
        contracts::PassProgress answer;
        answer.job_id = request.job_id;
        answer.state = "completed";
        answer.stage = "Copying";
        answer.percent = 100;
        contracts::PassResult result;
        result.snapshot_time_ms = 1'767'225'600'000 + generation_;
        result.consistency = "crash";
        for (const auto& disk : request.disks) {
            volumes_.write(disk.target_uri, content[disk.disk_id]);
            const auto known = std::find_if(machine.disks.begin(), machine.disks.end(),
                                            [&](const auto& d) { return d.id == disk.disk_id; });
            contracts::PassDiskResult done;
            done.disk_id = disk.disk_id;
            done.change_id = disk.disk_id.value + "/" + std::to_string(generation_);
            done.backing_uuid = known->backing_uuid;
            done.capacity = known->capacity;
            done.incremental = !disk.base_change_id.empty();
            done.planned = done.sent = 4096;
            done.digests = {{{0, 4096}, "sha"}};
            result.disks.push_back(done);
        }
        answer.result = result;
        return answer;
    }

    Faults& faults_;
    FakeVolumes& volumes_;
    std::mutex mutex_;
    JobId running_;
    bool stopped_ = false;
    int generation_ = 0;
};

}  // namespace mk::test
