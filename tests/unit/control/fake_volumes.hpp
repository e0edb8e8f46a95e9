#pragma once
// The Volume Daemon as the ports see it: volumes with content, one snapshot each, write sessions. Keeps the rules of
// the real one: snapshots and reverts of detached volumes only, no deletion while attached, a session holds its volume.
// Thread-safe.

#include <algorithm>
#include <map>
#include <mutex>

#include "control/failover/ports.hpp"
#include "control/replication/ports.hpp"
#include "unit/control/faults.hpp"

namespace mk::test {

inline const CloudMachineId appliance{"appliance"};

struct FakeVolume {
    contracts::Volume row;
    std::string content;
    bool is_written = false;
    std::string snapshot_name;
    std::string snapshot_content;
};

struct FakeSession {
    contracts::WriteSession row;
    std::string content;  ///< what arrived, for the whole disk
};

class FakeVolumes : public replication::ReplicaVolumes, public failover::FailoverVolumes {
  public:
    explicit FakeVolumes(Faults& faults) : faults_(faults) {}

    // What tests look at and prepare; only while no job runs.
    std::map<VolumeId, FakeVolume> volumes;
    std::map<VolumeId, FakeVolume> clones;
    std::map<std::string, FakeSession> sessions;
    std::map<CloudMachineId, VolumeId> default_roots;  ///< by machine, until discarded
    bool storage_reverts = true;
    std::string snapshot_fate;  ///< "failed" or "creating": what the next snapshot becomes, with an error
    bool verify_finds_difference = false;
    std::function<void()> on_remove;  ///< runs before a volume is deleted

    static std::string digest_of(const std::string& content) { return "digest of " + content; }
    FakeVolume& of_disk(const std::string& disk) {
        return std::find_if(volumes.begin(), volumes.end(), [&](auto& v) { return v.second.row.disk_id.value == disk; })
            ->second;
    }
    int open_sessions() const {
        return static_cast<int>(std::count_if(sessions.begin(), sessions.end(), [](const auto& s) {
            return s.second.row.state == "open" || s.second.row.state == "committing";
        }));
    }
    /// What the engine does through NBD, by the URI "nbd:EXPORT" or "tunnel:///EXPORT".
    void write(const std::string& uri, const std::string& content) {
        const std::lock_guard lock(mutex_);
        auto& session = session_at(uri);
        session.content = content;
        session.row.has_writes = true;
        if (session.row.kind == "direct") {
            volumes.at(session.row.volume_id).content = content;
            volumes.at(session.row.volume_id).is_written = true;
        }
    }
    std::string read(const std::string& uri) {
        const std::lock_guard lock(mutex_);
        return session_at(uri).content;
    }
    /// What a guest or a conversion does to the volumes that it has.
    void modify(const std::function<bool(const FakeVolume&)>& which, const std::string& change) {
        const std::lock_guard lock(mutex_);
        for (auto* const group : {&volumes, &clones}) {
            for (auto& [id, volume] : *group) {
                if (which(volume)) {
                    volume.content += change;
                }
            }
        }
    }

    std::vector<contracts::Volume> volumes_of(const VmContextId& vm, const std::stop_token&) override {
        return faults_.call("volumes_of", [&] {
            const std::lock_guard lock(mutex_);
            std::vector<contracts::Volume> found;
            for (const auto& [id, volume] : volumes) {
                if (volume.row.vm_context_id == vm) {
                    found.push_back(volume.row);
                }
            }
            return found;
        });
    }
    contracts::Volume create(const contracts::CreateVolume& request, const std::stop_token&) override {
        return faults_.call("create", [&] {
            const std::lock_guard lock(mutex_);
            const VolumeId id{"vol-" + request.disk_id.value};
            auto& volume = volumes[id];
            if (volume.row.volume_id.empty()) {
                volume.row = {.volume_id = id,
                              .vm_context_id = request.vm_context_id,
                              .disk_id = request.disk_id,
                              .name = request.name,
                              .size_bytes = request.size_bytes,
                              .state = "Ready",
                              .type = "DATADISK",
                              .vm_id = {},
                              .device_id = {},
                              .operation_mode = "",
                              .device_path = "",
                              .symlink_path = "",
                              .snapshot_status = "none"};
                volume.content = "zeros";
            }
            return volume.row;
        });
    }
    contracts::Volume resize(const VolumeId& id, Bytes bytes, const std::stop_token&) override {
        return faults_.call("resize", [&] {
            const std::lock_guard lock(mutex_);
            auto& volume = volumes.at(id);
            volume.row.size_bytes = bytes;
            volume.content += "+tail";
            return volume.row;
        });
    }
    contracts::Volume attach_to_appliance(const VolumeId& id, const std::stop_token&) override {
        return faults_.call("attach_to_appliance", [&] { return attach(id, appliance, "oma", "DATADISK"); });
    }
    contracts::Volume attach_as_root(const VolumeId& id, const CloudMachineId& machine,
                                     const std::stop_token&) override {
        return faults_.call("attach_as_root", [&] {
            if (default_roots.contains(machine)) {
                throw Error(ErrorCode::conflict, "the machine has its default root");
            }
            return attach(id, machine, "failover", "ROOT");
        });
    }
    contracts::Volume attach_as_data(const VolumeId& id, const CloudMachineId& machine,
                                     const std::stop_token&) override {
        return faults_.call("attach_as_data", [&] { return attach(id, machine, "failover", "DATADISK"); });
    }
    void detach(const VolumeId& id, const std::stop_token&) override {
        faults_.call("detach", [&] {
            const std::lock_guard lock(mutex_);
            require_no_session(id);
            auto& row = volume_at(id).row;
            row.vm_id.reset();
            row.operation_mode.clear();
            row.device_path.clear();
            row.type = "DATADISK";
        });
    }
    void remove(const VolumeId& id, const std::stop_token&) override {
        if (on_remove) {
            on_remove();
        }
        faults_.call("remove", [&] {
            const std::lock_guard lock(mutex_);
            const auto found = volumes.find(id);
            if (found != volumes.end() && found->second.row.vm_id) {
                throw Error(ErrorCode::conflict, "the volume is attached");
            }
            volumes.erase(id);
        });
    }

    contracts::WriteSession open_session(const contracts::OpenWriteSession& request, const std::stop_token&) override {
        return faults_.call("open_session", [&] {
            const std::lock_guard lock(mutex_);
            for (auto& [id, session] : sessions) {
                const bool active = session.row.state == "open" || session.row.state == "committing";
                if (active && session.row.volume_id == request.volume_id) {
                    if (session.row.job_id == request.job_id) {
                        return session.row;
                    }
                    if (request.resume_of == session.row.job_id && session.row.state == "open") {
                        session.row.job_id = request.job_id;
                        return session.row;
                    }
                    throw Error(ErrorCode::conflict, "the volume has a write session of another job");
                }
            }
            const auto id = request.job_id.value + "-" + request.volume_id.value;
            auto& session = sessions[id];
            const auto& volume = volumes.at(request.volume_id);
            session.content = request.kind == "staged" ? volume.content : "";
            session.row = {.session_id = WriteSessionId{id},
                           .job_id = request.job_id,
                           .volume_id = request.volume_id,
                           .kind = request.kind,
                           .state = "open",
                           .nbd_uri = "nbd:" + id,
                           .export_name = id,
                           .length = request.length,
                           .target_is_zero = request.expect_zero && !volume.is_written};
            return session.row;
        });
    }
    std::vector<contracts::WriteSession> sessions_of(const JobId& job, const std::stop_token&) override {
        return faults_.call("sessions_of", [&] {
            const std::lock_guard lock(mutex_);
            std::vector<contracts::WriteSession> found;
            for (const auto& [id, session] : sessions) {
                if (session.row.job_id == job) {
                    found.push_back(session.row);
                }
            }
            return found;
        });
    }
    std::vector<Range> verify(const WriteSessionId& id, const std::vector<contracts::DigestedRange>& ranges,
                              const std::stop_token&) override {
        return faults_.call("verify", [&] {
            const std::lock_guard lock(mutex_);
            std::vector<Range> wrong;
            for (const auto& run : ranges) {
                if (verify_finds_difference || run.digest != digest_of(sessions.at(id.value).content)) {
                    wrong.push_back(run.range);
                }
            }
            return wrong;
        });
    }
    std::string commit(const WriteSessionId& id, const replication::Report&, const std::stop_token&) override {
        return faults_.call("commit", [&] {
            const std::lock_guard lock(mutex_);
            auto& session = sessions.at(id.value);
            if (session.row.state == "aborted") {
                throw Error(ErrorCode::conflict, "the session was aborted");
            }
            auto& volume = volumes.at(session.row.volume_id);
            if (session.row.state != "committed") {
                volume.content = session.content;
                session.row.state = "committed";
            }
            return digest_of(volume.content);
        });
    }
    void abort(const WriteSessionId& id, const std::stop_token&) override {
        faults_.call("abort", [&] {
            const std::lock_guard lock(mutex_);
            auto& state = sessions.at(id.value).row.state;
            if (state == "committed" || state == "committing") {
                throw Error(ErrorCode::conflict, "the session is " + state);
            }
            state = "aborted";
        });
    }

    void give_up(const WriteSessionId& id, const std::stop_token&) override {
        faults_.call("give_up", [&] {
            const std::lock_guard lock(mutex_);
            auto& state = sessions.at(id.value).row.state;
            if (state == "committed") {
                throw Error(ErrorCode::conflict, "the session is committed");
            }
            state = "aborted";
        });
    }

    contracts::Snapshot create_snapshot(const VolumeId& id, const std::string& name, const failover::Report&,
                                        const std::stop_token&) override {
        return take_snapshot(id, name, true);
    }
    contracts::Snapshot create_snapshot_for_clones(const VolumeId& id, const std::string& name, const failover::Report&,
                                                   const std::stop_token&) override {
        return take_snapshot(id, name, false);
    }
    contracts::Volume create_clone(const VolumeId& id, const std::string& name, const failover::Report&,
                                   const std::stop_token&) override {
        return faults_.call("create_clone", [&] {
            const std::lock_guard lock(mutex_);
            const auto& replica = volumes.at(id);
            if (replica.row.snapshot_status != "ready" && replica.row.snapshot_status != "rollback_complete") {
                throw Error(ErrorCode::conflict, "no snapshot that is ready");
            }
            const VolumeId clone_id{"clone-of-" + id.value};
            const auto [entry, is_new] = clones.try_emplace(clone_id);
            auto& clone = entry->second;
            if (is_new) {
                clone.row = replica.row;
                clone.row.volume_id = clone_id;
                clone.row.name = name;
                clone.row.vm_id.reset();
                clone.row.operation_mode.clear();
                clone.row.device_path.clear();
                clone.row.snapshot_status = "none";
                clone.row.clone_of = id;
                clone.content = replica.snapshot_content;
            } else if (clone.row.name != name) {
                throw Error(ErrorCode::conflict, "a clone of an earlier test is left");
            }
            return clone.row;
        });
    }
    std::vector<contracts::Volume> clones_of(const VmContextId& vm, const std::stop_token&) override {
        return faults_.call("clones_of", [&] {
            const std::lock_guard lock(mutex_);
            std::vector<contracts::Volume> found;
            for (const auto& [id, clone] : clones) {
                if (clone.row.vm_context_id == vm) {
                    found.push_back(clone.row);
                }
            }
            return found;
        });
    }
    void remove_clone(const VolumeId& id, const std::stop_token&) override {
        faults_.call("remove_clone", [&] {
            const std::lock_guard lock(mutex_);
            if (volumes.contains(id)) {
                throw Error(ErrorCode::conflict, "the volume is no clone");
            }
            const auto found = clones.find(id);
            if (found != clones.end() && found->second.row.vm_id) {
                throw Error(ErrorCode::conflict, "the clone is attached");
            }
            clones.erase(id);
        });
    }
    failover::StagingSpace staging(const std::stop_token&) override {
        return faults_.call("staging", [] {
            return failover::StagingSpace{
                .total_bytes = 100 * GiB, .free_bytes = 90 * GiB, .reserved_bytes = 0, .available_bytes = 90 * GiB};
        });
    }
    void revert_snapshot(const VolumeId& id, const failover::Report&, const std::stop_token&) override {
        faults_.call("revert_snapshot", [&] {
            const std::lock_guard lock(mutex_);
            auto& volume = volumes.at(id);
            require_detached(volume);
            if (volume.row.snapshot_status != "ready" && volume.row.snapshot_status != "rollback_complete") {
                throw Error(ErrorCode::conflict, "no snapshot that is ready");
            }
            volume.content = volume.snapshot_content;
            volume.row.snapshot_status = "rollback_complete";
        });
    }
    void remove_snapshot(const VolumeId& id, const std::stop_token&) override {
        faults_.call("remove_snapshot", [&] {
            const std::lock_guard lock(mutex_);
            auto& volume = volumes.at(id);
            const bool has_clone = std::any_of(clones.begin(), clones.end(),
                                               [&](const auto& clone) { return clone.second.row.clone_of == id; });
            if (has_clone) {
                throw Error(ErrorCode::conflict, "clones of the snapshot exist");
            }
            volume.row.snapshot_status = "none";
            volume.snapshot_name.clear();
            volume.snapshot_content.clear();
        });
    }
    std::string digest(const VolumeId& id, const failover::Report&, const std::stop_token&) override {
        return faults_.call("digest", [&] {
            const std::lock_guard lock(mutex_);
            const auto& volume = volume_at(id);
            if (volume.row.vm_id != appliance) {
                throw Error(ErrorCode::conflict, "the volume is not attached to the appliance");
            }
            return digest_of(volume.content);
        });
    }
    void discard_default_root(const CloudMachineId& machine, const std::stop_token&) override {
        faults_.call("discard_default_root", [&] {
            const std::lock_guard lock(mutex_);
            default_roots.erase(machine);
        });
    }
    std::vector<failover::MachineVolume> volumes_at(const CloudMachineId& machine, const std::stop_token&) override {
        return faults_.call("volumes_at", [&] {
            const std::lock_guard lock(mutex_);
            std::vector<failover::MachineVolume> found;
            if (default_roots.contains(machine)) {
                found.push_back({.volume_id = default_roots.at(machine), .type = "ROOT"});
            }
            for (const auto& [id, volume] : volumes) {
                if (volume.row.vm_id == machine) {
                    found.push_back({.volume_id = id, .type = volume.row.type, .is_replica = true});
                }
            }
            for (const auto& [id, clone] : clones) {
                if (clone.row.vm_id == machine) {
                    found.push_back({.volume_id = id, .type = clone.row.type, .is_clone = true});
                }
            }
            return found;
        });
    }

  private:
    FakeVolume& volume_at(const VolumeId& id) {
        const auto clone = clones.find(id);
        return clone == clones.end() ? volumes.at(id) : clone->second;
    }
    contracts::Snapshot take_snapshot(const VolumeId& id, const std::string& name, bool must_revert) {
        return faults_.call("create_snapshot", [&] {
            const std::lock_guard lock(mutex_);
            auto& volume = volumes.at(id);
            require_detached(volume);
            const bool is_done =
                volume.row.snapshot_status == "ready" || volume.row.snapshot_status == "rollback_complete";
            if (is_done && volume.snapshot_name == name) {
                return snapshot_of(volume);
            }
            if (volume.row.snapshot_status != "none" && volume.row.snapshot_status != "failed" &&
                volume.snapshot_name != name) {
                throw Error(ErrorCode::conflict, "the volume has a snapshot already");
            }
            if (!storage_reverts && must_revert) {
                throw Error(ErrorCode::conflict, "the storage cannot revert to a snapshot");
            }
            volume.snapshot_name = name;
            if (!snapshot_fate.empty()) {
                volume.row.snapshot_status = std::exchange(snapshot_fate, "");
                throw Error(ErrorCode::external, "CloudStack could not complete the snapshot");
            }
            volume.snapshot_content = volume.content;
            volume.row.snapshot_status = "ready";
            return snapshot_of(volume);
        });
    }
    contracts::Snapshot snapshot_of(const FakeVolume& volume) const {
        return {.volume_id = volume.row.volume_id,
                .snapshot_id = CloudSnapshotId{"snap-" + volume.row.volume_id.value},
                .snapshot_name = volume.snapshot_name,
                .status = volume.row.snapshot_status,
                .created_at_ms = 0,
                .revertable = storage_reverts};
    }
    FakeSession& session_at(const std::string& uri) {
        auto& session = sessions.at(uri.substr(uri.find_last_of(":/") + 1));
        if (session.row.state != "open") {
            throw Error(ErrorCode::unavailable, "there is no such export");
        }
        return session;
    }
    contracts::Volume attach(const VolumeId& id, const CloudMachineId& machine, const std::string& mode,
                             const std::string& type) {
        const std::lock_guard lock(mutex_);
        auto& row = volume_at(id).row;
        if (row.vm_id && *row.vm_id != machine) {
            throw Error(ErrorCode::conflict, "the volume is attached to " + row.vm_id->value);
        }
        row.vm_id = machine;
        row.operation_mode = mode;
        row.type = type;
        row.device_path = mode == "oma" ? "/dev/" + id.value : "";
        return row;
    }
    void require_detached(const FakeVolume& volume) const {
        if (volume.row.vm_id) {
            throw Error(ErrorCode::conflict, "the volume is attached");
        }
        require_no_session(volume.row.volume_id);
    }
    void require_no_session(const VolumeId& id) const {
        for (const auto& [name, session] : sessions) {
            if (session.row.volume_id == id && (session.row.state == "open" || session.row.state == "committing")) {
                throw Error(ErrorCode::conflict, "the volume has a write session");
            }
        }
    }

    Faults& faults_;
    std::mutex mutex_;
};

}  // namespace mk::test
