#include "control/replication/pass_request.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::replication {

namespace {

contracts::PassDisk pass_disk(const SourceSite& source, const PassTarget& target, const RecoveryPoint* base) {
    contracts::PassDisk disk;
    disk.disk_id = target.volume.disk_id;
    disk.target_uri = source.target_uri(target.session);
    disk.target_is_zero = target.session.target_is_zero;
    disk.target_has_writes = target.session.has_writes;
    if (base == nullptr) {
        return disk;
    }
    const auto held = std::find_if(base->disks.begin(), base->disks.end(),
                                   [&](const RecoveryPointDisk& d) { return d.disk_id == disk.disk_id; });
    if (held != base->disks.end()) {
        disk.base_change_id = held->change_id;
        disk.base_backing_uuid = held->backing_uuid;
        disk.base_capacity = held->capacity;
    }
    return disk;
}

Error not_open_any_more(const PassTarget& target) {
    return {ErrorCode::conflict,
            "the write session of " + target.volume.disk_id.value + " is not open any more",
            {.consequence = "The last recovery point is unchanged.",
             .remedy = "Start the sync again.",
             .retry_safe = true}};
}

}  // namespace

contracts::PassRequest make_pass_request(const Collaborators& use, const JobId& job, const machines::Machine& machine,
                                         const std::vector<PassTarget>& targets, const RecoveryPoint* base) {
    contracts::PassRequest request;
    request.job_id = job;
    request.vcenter = use.credentials.access(machine.credential_id);
    request.moref = machine.source.moref;
    request.instance_uuid = machine.source.instance_uuid;
    request.machine_name = machine.source.name;
    for (const auto& target : targets) {
        request.disks.push_back(pass_disk(use.source, target, base));
    }
    return request;
}

void refresh_sessions(const Collaborators& use, const JobId& job, std::vector<PassTarget>& targets,
                      const std::stop_token& stop) {
    const auto sessions = use.volumes.sessions_of(job, stop);
    for (auto& target : targets) {
        const auto& id = target.session.session_id;
        const auto held =
            std::find_if(sessions.begin(), sessions.end(), [&](const auto& s) { return s.session_id == id; });
        if (held == sessions.end() || held->state != "open") {
            throw not_open_any_more(target);  // opening it would make a new one, without what arrived
        }
        auto now = use.volumes.open_session({.job_id = job,
                                             .volume_id = held->volume_id,
                                             .length = held->length,
                                             .kind = held->kind,
                                             .expect_zero = held->target_is_zero,
                                             .expected_bytes = 0,
                                             .resume_of = std::nullopt},
                                            stop);
        if (now.session_id != id) {
            throw not_open_any_more(target);
        }
        target.session = std::move(now);
    }
}

Error cannot_compare(const std::string& vm_name) {
    return {ErrorCode::conflict,
            "the copy cannot be compared with its source: the VMA is reached without a tunnel, which alone carries the "
            "digests of the copy",
            {.consequence = "Nothing was changed.",
             .remedy = "Pair the VMA with this OMA and take vma.url out of oma-api.toml; or copy everything anew: "
                       "migratekit sync start " +
                       vm_name + " --full",
             .retry_safe = true}};
}

}  // namespace mk::replication
