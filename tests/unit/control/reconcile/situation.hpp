#pragma once
// One managed machine whose copy is in order, for tests of the comparison: each test disturbs one thing.

#include <gtest/gtest.h>

#include "control/reconcile/comparison.hpp"

namespace mk::reconcile {

inline const VmContextId web{"ctx-web-20260101-000000"};
inline const VmContextId gone_machine{"ctx-gone-20250101-000000"};
inline const VmContextId stranger{"ctx-stranger-20250101-000000"};
inline const CloudMachineId appliance{"m-appliance"};

class Situation {
  public:
    Situation() {
        machines::Machine machine;
        machine.id = web;
        machine.source.name = "web";
        machine.source.vcenter_uuid = "vc";
        machine.source.instance_uuid = "uuid-web";
        machine.status = MachineStatus::ready_for_failover;
        records.machines.push_back(machine);
        records.known_contexts = {web, gone_machine};
        records.known_jobs = {JobId{"j-old"}, JobId{"j-open"}};
        records.open_jobs = {JobId{"j-open"}};
        add_row("v-1", web);
        target.appliance = appliance;
        target.machines.push_back({.id = appliance, .name = "oma", .state = "Running"});
        target.volumes.push_back(volume("v-1", web, appliance));
        sources.push_back({.vcenter_uuid = "vc", .snapshots = {}});
    }

    RecordedVolume& add_row(const std::string& id, const VmContextId& vm) {
        return records.volumes.emplace_back(RecordedVolume{.id = VolumeId{id},
                                                           .vm = vm,
                                                           .disk = DiskId{"disk-2000"},
                                                           .name = "name-of-" + id,
                                                           .size = GiB,
                                                           .snapshot_id = {},
                                                           .snapshot_name = {},
                                                           .snapshot_status = "none"});
    }
    void add_snapshot_to(RecordedVolume& row, const std::string& id) {
        row.snapshot_id.value = id;
        row.snapshot_name = "name-of-" + id;
        row.snapshot_status = "ready";
    }
    static CloudVolume volume(const std::string& id, const VmContextId& vm,
                              std::optional<CloudMachineId> at = std::nullopt) {
        return {.id = VolumeId{id},
                .name = "name-of-" + id,
                .state = "Ready",
                .size = GiB,
                .vm_id = at,
                .vm_name = at ? "name-of-" + at->value : "",
                .context = vm.value};
    }
    static CloudSnapshot snapshot(const std::string& id, const std::string& volume) {
        return {.id = CloudSnapshotId{id}, .name = "name-of-" + id, .state = "BackedUp", .volume_id = VolumeId{volume}};
    }
    static CloudMachine machine(const std::string& id, const VmContextId& vm) {
        return {.id = CloudMachineId{id}, .name = "name-of-" + id, .state = "Stopped", .context = vm.value};
    }
    static contracts::SourceSnapshot source_snapshot(const std::string& moref, const std::string& job) {
        contracts::SourceSnapshot found;
        found.machine_moref = "vm-1";
        found.machine_name = "web";
        found.instance_uuid = "uuid-web";
        found.moref = moref;
        found.name = "migratekit-" + job;
        found.job_id.value = job;
        found.appliance_id = job.empty() ? "" : "vma";
        found.created_ms = 1'767'225'600'000;
        return found;
    }
    ledger::Entry& add_entry(const std::string& kind, const std::string& name, const std::string& object_id,
                             const VmContextId& vm = web) {
        ledger::Entry entry;
        entry.id = "entry-of-" + name;
        entry.site = kind == "vsphere_snapshot" ? ledger::Site::source : ledger::Site::target;
        entry.kind = kind;
        entry.name = name;
        entry.object_id = object_id;
        entry.vm_context_id = vm;
        entry.job_id.value = "j-old";
        entry.state = object_id.empty() ? ledger::State::intended : ledger::State::present;
        return records.entries.emplace_back(entry);
    }
    void hand_over(const std::string& kind, const std::string& object_id) {
        ledger::Entry entry;
        entry.kind = kind;
        entry.object_id = object_id;
        entry.state = ledger::State::handed_over;
        records.handed_over.push_back(entry);
    }
    /// web is failed over, to the machine m-test.
    void fail_over(MachineStatus status, bool live = false) {
        records.machines.front().status = status;
        records.failovers.push_back({.job = JobId{"j-failover"},
                                     .vm = web,
                                     .live = live,
                                     .status = "completed",
                                     .machine = CloudMachineId{"m-test"},
                                     .machine_name = "name-of-m-test"});
        target.machines.push_back(machine("m-test", web));
        target.volumes.front().vm_id = CloudMachineId{"m-test"};
        target.volumes.front().vm_name = "name-of-m-test";
    }

    Reality reality() const { return {.target = target, .sources = sources, .silent_vcenters = {}, .unreachable = {}}; }
    std::vector<Observation> seen() const { return compare(records, reality()); }
    /// The one thing that is said; fails the test when it is another number of things.
    Observation only() const {
        const auto all = seen();
        EXPECT_EQ(all.size(), 1U);
        for (const auto& one : all) {
            EXPECT_FALSE(one.detail.empty()) << one.object_id;
        }
        return all.empty() ? Observation{} : all.front();
    }

    Records records;
    TargetView target;
    std::vector<SourceView> sources;
};

/// Kind, kind of object, id and action, and whether it holds data: "orphan volume v-9 remove data".
inline std::string sentence(const Observation& one) {
    return std::string(to_string(one.kind)) + " " + one.object_kind + " " + one.object_id + " " +
           std::string(to_string(one.action)) + (one.holds_data ? " data" : "");
}

}  // namespace mk::reconcile
