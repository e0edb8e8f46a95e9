#include "control/reconcile/record_reader.hpp"

#include <map>

namespace mk::reconcile {

namespace {

/// More jobs than run at once in any installation.
constexpr int most_open_jobs = 10'000;

constexpr const char* select_volumes =
    "SELECT volume_id, vm_context_id, disk_id, volume_name, size_bytes, ossea_snapshot_id, snapshot_name,"
    " snapshot_status FROM ossea_volumes ORDER BY volume_id";
constexpr const char* select_volumes_in_points = "SELECT DISTINCT volume_id FROM recovery_point_disks";
constexpr const char* select_clones = "SELECT id, volume_name, volume_id, vm_context_id FROM volume_clones ORDER BY id";
constexpr const char* select_failovers =
    "SELECT job_id, vm_context_id, job_type, status, destination_vm_id, destination_vm_name FROM failover_jobs"
    " ORDER BY created_ms, job_id";
constexpr const char* select_contexts =
    "SELECT DISTINCT vm_context_id FROM job_tracking WHERE vm_context_id IS NOT NULL"
    " UNION SELECT DISTINCT vm_context_id FROM ledger WHERE vm_context_id IS NOT NULL";

std::string text_of(const db::Row& row, const char* column) {
    return row.text_or_null(column).value_or("");
}

}  // namespace

Records RecordReader::read(const JobId& own_job) const {
    Records records;
    records.machines = parts_.machines.list();
    read_jobs(records, own_job);
    records.entries = parts_.ledger.open_entries();
    records.handed_over = parts_.ledger.handed_over_entries();
    read_volumes(records);
    read_failovers(records);
    read_contexts(records);
    return records;
}

void RecordReader::read_jobs(Records& records, const JobId& own_job) const {
    for (const auto& job : parts_.job_log.list({}, true, most_open_jobs)) {
        if (job.id != own_job) {
            records.open_jobs.insert(job.id);
            if (!job.vm_context_id.empty()) {
                records.busy.insert(job.vm_context_id);
            }
        }
    }
    for (const auto& machine : records.machines) {
        if (!machine.current_job.empty() && machine.current_job != own_job) {
            records.busy.insert(machine.id);
        }
    }
}

void RecordReader::read_volumes(Records& records) const {
    std::set<std::string> in_points;
    for (const auto& row : parts_.database->query(select_volumes_in_points)) {
        in_points.insert(row.text("volume_id"));
    }
    for (const auto& row : parts_.database->query(select_volumes)) {
        const auto id = row.text("volume_id");
        records.volumes.push_back({.id = VolumeId{id},
                                   .vm = VmContextId{row.text("vm_context_id")},
                                   .disk = DiskId{row.text("disk_id")},
                                   .name = row.text("volume_name"),
                                   .size = static_cast<Bytes>(row.number("size_bytes")),
                                   .snapshot_id = CloudSnapshotId{text_of(row, "ossea_snapshot_id")},
                                   .snapshot_name = text_of(row, "snapshot_name"),
                                   .snapshot_status = row.text("snapshot_status"),
                                   .is_in_a_point = in_points.contains(id)});
    }
    for (const auto& row : parts_.database->query(select_clones)) {
        records.clones.push_back({.row_id = row.text("id"),
                                  .name = row.text("volume_name"),
                                  .id = VolumeId{text_of(row, "volume_id")},
                                  .vm = VmContextId{row.text("vm_context_id")}});
    }
}

void RecordReader::read_failovers(Records& records) const {
    std::map<VmContextId, RecordedFailover> newest;
    for (const auto& row : parts_.database->query(select_failovers)) {
        const VmContextId vm{row.text("vm_context_id")};
        newest[vm] = {.job = JobId{row.text("job_id")},
                      .vm = vm,
                      .live = row.text("job_type") == "live",
                      .status = row.text("status"),
                      .machine = CloudMachineId{text_of(row, "destination_vm_id")},
                      .machine_name = text_of(row, "destination_vm_name")};
    }
    for (auto& [vm, failover] : newest) {
        records.failovers.push_back(std::move(failover));
    }
}

void RecordReader::read_contexts(Records& records) const {
    for (const auto& machine : records.machines) {
        records.known_contexts.insert(machine.id);
    }
    for (const auto& row : parts_.database->query(select_contexts)) {
        records.known_contexts.insert(VmContextId{row.text("vm_context_id")});
    }
}

std::set<JobId> RecordReader::known_of(const std::set<JobId>& jobs) const {
    std::set<JobId> known;
    for (const auto& job : jobs) {
        if (parts_.job_log.find(job)) {
            known.insert(job);
        }
    }
    return known;
}

}  // namespace mk::reconcile
