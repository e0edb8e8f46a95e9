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
        const auto now = std::find_if(sessions.begin(), sessions.end(), [&](const auto& session) {
            return session.session_id == target.session.session_id;
        });
        if (now == sessions.end() || now->state != "open") {
            throw Error(ErrorCode::conflict,
                        "the write session of " + target.volume.disk_id.value + " is not open any more",
                        {.consequence = "The last recovery point is unchanged.",
                         .remedy = "Start the sync again.",
                         .retry_safe = true});
        }
        target.session = *now;
    }
}

}  // namespace mk::replication
