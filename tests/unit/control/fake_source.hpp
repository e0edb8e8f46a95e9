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
    machine.change_tracking = true;
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
    bool through_tunnel = false;
    bool is_comparable = true;
    bool sample_hits = false;   ///< the share that an increment compares meets what is wrong
    int disks_per_look = 1000;  ///< that arrive between two looks at the progress
    std::vector<DiskId> sent;   ///< each time that a disk was read and sent, in order
    std::vector<Bytes> limits;  ///< as they were told
    int checkpoints_forgotten = 0;
    bool keeps_checkpoints = true;

    /// The VMA was set up anew: it knows of no job and no checkpoint.
    void lose_everything() {
        const std::lock_guard lock(mutex_);
        running_ = {};
        checkpoint_.clear();
    }
    std::vector<SourceMachine> inventory = {machine};

    SourceMachine look_up(const contracts::VcenterAccess&, const std::string&, const std::string&,
                          const std::stop_token&) override {
        return faults_.call("look_up", [&] { return machine; });
    }
    std::string target_uri(const contracts::WriteSession& session) const override {
        return through_tunnel ? "tunnel:///" + session.export_name : session.nbd_uri;
    }
    bool can_compare() const override { return is_comparable; }
    void start_pass(const contracts::PassRequest& request, const std::stop_token&) override {
        faults_.call("start_pass", [&] {
            const std::lock_guard lock(mutex_);
            if (running_ == request.job_id && request.attempt <= passes.back().attempt) {
                return;
            }
            passes.push_back(request);
            running_ = request.job_id;
            stopped_ = false;
            snapshots = {"migratekit-" + request.job_id.value};
            ++generation_;
            frozen_ = content;
            if (!keeps_checkpoints) {
                checkpoint_.clear();
            }
            arrived_.clear();
            result_ = {};
        });
    }
    void set_limit(Bytes bytes_per_second) override {
        faults_.call("set_limit", [&] {
            const std::lock_guard lock(mutex_);
            limits.push_back(bytes_per_second);
        });
    }
    void forget_checkpoint(const std::string&) override {
        faults_.call("forget_checkpoint", [&] {
            const std::lock_guard lock(mutex_);
            ++checkpoints_forgotten;
            checkpoint_.clear();
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
            auto answer = go_on();
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
    /// The engine works on: the next disks arrive, and are in the checkpoint.
    contracts::PassProgress go_on() {
        const auto& request = passes.back();
        contracts::PassProgress answer;
        answer.job_id = request.job_id;
        answer.state = "running";
        answer.stage = "Copying";
        answer.attempt = request.attempt;
        answer.wire_bytes = 1000;
        answer.bottleneck = "tunnel";
        for (int left = disks_per_look; !stopped_ && left > 0 && arrived_.size() < request.disks.size();) {
            const auto& disk = request.disks[arrived_.size()];
            result_.disks.push_back(request.only_compare ? compared(request, disk) : copied(request, disk));
            arrived_.push_back(disk.disk_id);
            left -= result_.disks.back().resumed > 0 ? 0 : 1;  // nothing is done for what is there
        }
        answer.total_bytes = 4096 * request.disks.size();
        answer.done_bytes = 4096 * arrived_.size();
        if (arrived_.size() == request.disks.size()) {
            answer.state = "completed";
            answer.percent = 100;
            answer.result = result_;
            answer.result->snapshot_time_ms = 1'767'225'600'000 + generation_;
            answer.result->consistency = "crash";
            answer.result->wire_bytes = 1000;
        }
        return answer;
    }
    contracts::PassDiskResult frozen(const contracts::PassDisk& disk) const {
        const auto known = std::find_if(machine.disks.begin(), machine.disks.end(),
                                        [&](const auto& d) { return d.id == disk.disk_id; });
        contracts::PassDiskResult frozen;
        frozen.disk_id = disk.disk_id;
        frozen.change_id = disk.disk_id.value + "/" + std::to_string(generation_);
        frozen.backing_uuid = known->backing_uuid;
        frozen.capacity = known->capacity;
        frozen.incremental = history_.contains(disk.base_change_id);
        frozen.full_copy_reason = frozen.incremental ? "" : "there is no base";
        return frozen;
    }
    /// What had changed is known; elsewhere the copy must be as the base was.
    contracts::PassDiskResult compared(const contracts::PassRequest& request, const contracts::PassDisk& disk) const {
        auto done = frozen(disk);
        done.compared = 4096 * static_cast<Bytes>(request.compare_percent) / 100;
        const bool is_met = request.compare_percent == 100 || sample_hits;
        if (is_met && done.incremental && !disk.target_has_writes &&
            volumes_.read(disk.target_uri) != history_.at(disk.base_change_id)) {
            done.differences = {{512, 1024}};
        }
        return done;
    }
    contracts::PassDiskResult copied(const contracts::PassRequest& request, const contracts::PassDisk& disk) {
        auto done = compared(request, disk);
        const auto& now = frozen_.at(disk.disk_id);
        done.planned = 4096;
        const auto before = checkpoint_.find(disk.target_uri);
        if (disk.target_has_writes && before != checkpoint_.end() && before->second == now) {
            done.resumed = 4096;
        } else {
            volumes_.write(disk.target_uri, now);
            sent.push_back(disk.disk_id);
            done.read = done.sent = 4096;
        }
        checkpoint_[disk.target_uri] = now;
        history_[done.change_id] = now;
        done.digests = {{{0, 4096}, FakeVolumes::digest_of(now)}};
        return done;
    }

    Faults& faults_;
    FakeVolumes& volumes_;
    std::mutex mutex_;
    JobId running_;
    bool stopped_ = false;
    int generation_ = 0;
    std::map<DiskId, std::string> frozen_;  ///< what the snapshot holds
    std::vector<DiskId> arrived_;
    contracts::PassResult result_;
    std::map<std::string, std::string> checkpoint_;  ///< what arrived, by target URI
    std::map<std::string, std::string> history_;     ///< what a disk held, by change id
};

}  // namespace mk::test
