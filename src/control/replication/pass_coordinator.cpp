#include "control/replication/pass_coordinator.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/retry.hpp"
#include "control/machines/replicable.hpp"
#include "control/replication/pass_cleanup.hpp"
#include "control/replication/source_changes.hpp"

namespace mk::replication {

namespace {

using std::chrono::steady_clock;

const Advice last_point_is_safe = {
    .consequence = "The last recovery point is unchanged.", .remedy = "Start the sync again.", .retry_safe = true};

}  // namespace

std::vector<joblog::StepPlan> pass_steps() {
    return {{"source-check", "Check the source machine", 1}, {"volume-preparation", "Prepare the volumes", 3},
            {"write-session", "Open the write sessions", 1}, {"copy", "Copy changed data", 30},
            {"verification", "Verify what arrived", 4},      {"commit", "Commit the recovery point", 4}};
}

PassCoordinator::PassCoordinator(Collaborators& use, JobId job, VmContextId vm, bool full)
    : use_(use), job_(std::move(job)), vm_(std::move(vm)), full_(full) {}

RecoveryPoint PassCoordinator::run(const std::stop_token& stop) {
    const auto step = [&](const char* name,
                          void (PassCoordinator::*body)(joblog::StepContext&, const std::stop_token&)) {
        throw_if_cancelled(stop);
        use_.job_log.run_step(job_, name, [&](joblog::StepContext& context) { (this->*body)(context, stop); });
    };
    step("source-check", &PassCoordinator::check_source);
    step("volume-preparation", &PassCoordinator::prepare_volumes);
    step("write-session", &PassCoordinator::open_sessions);
    step("copy", &PassCoordinator::copy);
    step("verification", &PassCoordinator::verify);
    throw_if_cancelled(stop);
    use_.job_log.run_step(job_, "commit", [&](auto& context) { apply(commit(context), context, stop); });
    return *use_.recovery_points.of_job(job_);
}

void PassCoordinator::throw_if_cancelled(const std::stop_token& stop) const {
    if (stop.stop_requested() || use_.job_log.is_cancel_requested(job_)) {
        throw Error(ErrorCode::cancelled, "the sync was stopped", last_point_is_safe);
    }
}

void PassCoordinator::check_source(joblog::StepContext& step, const std::stop_token& stop) {
    const auto found = use_.machines.find(vm_);
    if (!found) {
        throw Error(ErrorCode::not_found, "machine " + vm_.value + " is not managed any more");
    }
    require_no_leftovers(use_, vm_, step);
    const auto access = use_.credentials.access(found->credential_id);
    const auto now = use_.source.look_up(access, found->source.moref, found->source.instance_uuid, stop);
    machines::require_replicable(now);
    require_unchanged_disks(use_.machines.disks(vm_), now, full_);
    use_.machines.update_source(vm_, now);
    machine_ = *use_.machines.find(vm_);
    base_ = use_.recovery_points.latest(vm_);
    if (base_ && !base_->applied) {
        step.info("The last recovery point was recorded but not fully applied: finishing that first");
        finish_applying(step, stop);
        base_ = use_.recovery_points.latest(vm_);
    }
    step.info(now.name + " is " + now.power_state + " with " + std::to_string(now.disks.size()) + " disks");
}

void PassCoordinator::finish_applying(joblog::StepContext& step, const std::stop_token& stop) {
    try {
        apply(*base_, step, stop);
    } catch (const Error& error) {
        if (error.retryable() || error.code() == ErrorCode::cancelled) {
            throw;
        }
        if (!full_) {
            throw error.within("the last recovery point cannot be completed")
                .advised({.consequence = "The volumes hold a part of it and must not be used.",
                          .remedy = "Copy the machine anew with: migratekit sync start VM --full",
                          .retry_safe = true});
        }
        // What was staged is lost, and the volumes are between two points: only a full copy makes them whole again.
        step.warn("The last recovery point cannot be completed (" + error.cause() + "): the machine is copied anew");
        use_.recovery_points.forget_all(vm_);
    }
}

void PassCoordinator::prepare_volumes(joblog::StepContext& step, const std::stop_token& stop) {
    use_.replications.set_operation(job_, "Preparing volumes");
    volumes_.clear();
    for (const auto& disk : machine_.source.disks) {
        auto volume = use_.volumes.create({.vm_context_id = vm_,
                                           .disk_id = disk.id,
                                           .name = "mk-" + vm_.value.substr(4) + "-" + disk.id.value,
                                           .size_bytes = disk.capacity},
                                          stop);
        if (volume.size_bytes < disk.capacity) {
            step.info(disk.id.value + " grew: the volume is resized");
            use_.recovery_points.forget_digest(vm_, disk.id);
            volume = use_.volumes.resize(volume.volume_id, disk.capacity, stop);
        }
        volume = use_.volumes.attach_to_appliance(volume.volume_id, stop);
        use_.machines.set_disk_volume(vm_, disk.id, volume.volume_id);
        volumes_.push_back(volume);
        step.detail(std::to_string(volumes_.size()) + " of " + std::to_string(machine_.source.disks.size()) +
                    " volumes ready");
    }
}

void PassCoordinator::open_sessions(joblog::StepContext& step, const std::stop_token& stop) {
    use_.replications.set_operation(job_, "Opening write sessions");
    for (const auto& volume : volumes_) {
        const auto& disk = source_disk(volume.disk_id);
        // Without a recovery point there is nothing to protect: the first copy goes straight to the volume.
        const bool first = !base_.has_value();
        sessions_.push_back(use_.volumes.open_session({.job_id = job_,
                                                       .volume_id = volume.volume_id,
                                                       .length = disk.capacity,
                                                       .kind = first ? "direct" : "staged",
                                                       .expect_zero = first,
                                                       .expected_bytes = 0},
                                                      stop));
    }
    step.info(base_ ? "Increments are staged: the last recovery point stays whole until the commit"
                    : "First copy: written directly to the new volumes");
}

const SourceDisk& PassCoordinator::source_disk(const DiskId& disk) const {
    const auto& disks = machine_.source.disks;
    const auto found = std::find_if(disks.begin(), disks.end(), [&](const SourceDisk& d) { return d.id == disk; });
    if (found == disks.end()) {
        throw Error(ErrorCode::internal, "the source has no " + disk.value);
    }
    return *found;
}

contracts::PassRequest PassCoordinator::pass_request() const {
    contracts::PassRequest request;
    request.job_id = job_;
    request.vcenter = use_.credentials.access(machine_.credential_id);
    request.moref = machine_.source.moref;
    request.instance_uuid = machine_.source.instance_uuid;
    request.machine_name = machine_.source.name;
    for (const auto& session : sessions_) {
        const auto volume = std::find_if(volumes_.begin(), volumes_.end(),
                                         [&](const auto& v) { return v.volume_id == session.volume_id; });
        if (volume == volumes_.end()) {
            throw Error(ErrorCode::internal, "the Volume Daemon opened a session for a volume that nobody asked for");
        }
        contracts::PassDisk disk;
        disk.disk_id = volume->disk_id;
        disk.target_uri = session.nbd_uri;
        disk.target_is_zero = session.target_is_zero;
        if (base_ && !full_) {
            for (const auto& held : base_->disks) {
                if (held.disk_id == disk.disk_id) {
                    disk.base_change_id = held.change_id;
                    disk.base_backing_uuid = held.backing_uuid;
                    disk.base_capacity = held.capacity;
                }
            }
        }
        request.disks.push_back(std::move(disk));
    }
    return request;
}

void PassCoordinator::copy(joblog::StepContext& step, const std::stop_token& stop) {
    // The snapshot is in the ledger before anybody can create it (decision 5).
    const auto entry =
        use_.ledger.intend(ledger::Site::source, "vsphere_snapshot", source_snapshot_name(job_), vm_, job_);
    use_.source.start_pass(pass_request(), stop);
    const auto last = follow_copy(step, stop);
    if (last.state == "completed") {
        if (!last.result) {
            throw Error(ErrorCode::internal, "the VMA reported a completed pass without a result")
                .advised(last_point_is_safe);
        }
        require_every_disk(*last.result);
        // The engine reports success only after it saw the snapshot gone.
        use_.ledger.gone(entry);
        result_ = last.result;
        use_.source.forget_pass(job_);
        return;
    }
    if (last.state == "cancelled") {
        throw Error(ErrorCode::cancelled, "the copy was stopped", last_point_is_safe);
    }
    if (last.error) {
        throw contracts::error_from(*last.error).within("copying " + machine_.source.name).advised(last_point_is_safe);
    }
    throw Error(ErrorCode::unavailable,
                "the replication engine at the VMware site ended without a result (" + last.state + ")")
        .advised(last_point_is_safe);
}

/// A disk that is missing in the answer must not be missing in the recovery point without a word (DD 28).
void PassCoordinator::require_every_disk(const contracts::PassResult& result) const {
    const auto has = [&](const DiskId& id) {
        return std::count_if(result.disks.begin(), result.disks.end(),
                             [&](const auto& d) { return d.disk_id == id; }) == 1;
    };
    const bool complete = std::all_of(volumes_.begin(), volumes_.end(), [&](const auto& v) { return has(v.disk_id); });
    if (!complete || result.disks.size() != volumes_.size()) {
        throw Error(ErrorCode::internal, "the VMA reported a completed pass of other disks than were asked for")
            .advised(last_point_is_safe);
    }
}

contracts::PassProgress PassCoordinator::follow_copy(joblog::StepContext& step, const std::stop_token& stop) {
    std::string last_stage;
    auto last_answer = steady_clock::now();
    std::optional<steady_clock::time_point> stopping_since;
    bool is_told = false;
    for (;;) {
        if (!stopping_since && (stop.stop_requested() || use_.job_log.is_cancel_requested(job_))) {
            stopping_since = steady_clock::now();
            step.info("Stopping the copy");
        }
        try {
            if (stopping_since && !is_told) {
                use_.source.stop_pass(job_);
                is_told = true;
            }
            const auto progress = use_.source.progress(job_, {});
            last_answer = steady_clock::now();
            note_progress(progress, step, last_stage);
            if (progress.state != "running") {
                return progress;
            }
        } catch (const Error& error) {
            if (!error.retryable() || steady_clock::now() - last_answer > use_.pacing.heartbeat_limit) {
                throw error.within("following the copy").advised(last_point_is_safe);
            }
        }
        if (stopping_since && steady_clock::now() - *stopping_since > use_.pacing.stop_limit) {
            throw Error(ErrorCode::cancelled, "the copy was stopped, but has not ended yet", last_point_is_safe);
        }
        pause(use_.pacing.poll, stopping_since ? std::stop_token{} : stop);
    }
}

const contracts::Volume& PassCoordinator::volume_of(const DiskId& disk) const {
    const auto found = std::find_if(volumes_.begin(), volumes_.end(), [&](const auto& v) { return v.disk_id == disk; });
    if (found == volumes_.end()) {
        throw Error(ErrorCode::internal, disk.value + " has no volume in this pass");
    }
    return *found;
}

void PassCoordinator::note_progress(const contracts::PassProgress& progress, joblog::StepContext& step,
                                    std::string& last_stage) {
    use_.replications.set_progress(job_, progress);
    for (const auto& disk : progress.disks) {
        use_.machines.set_disk_progress(vm_, disk.disk_id, disk.total_bytes, disk.done_bytes);
    }
    if (!progress.stage.empty() && progress.stage != last_stage) {
        last_stage = progress.stage;
        step.detail(progress.stage);
    }
    step.progress(progress.percent / 100.0);
}

void PassCoordinator::verify(joblog::StepContext& step, const std::stop_token& stop) {
    use_.replications.set_operation(job_, "Verifying");
    Bytes compared = 0;
    for (const auto& disk : result_->disks) {
        const auto& volume = volume_of(disk.disk_id);
        const auto session = std::find_if(sessions_.begin(), sessions_.end(),
                                          [&](const auto& s) { return s.volume_id == volume.volume_id; });
        if (session == sessions_.end()) {
            throw Error(ErrorCode::internal, disk.disk_id.value + " has no write session in this pass");
        }
        const auto wrong = use_.volumes.verify(session->session_id, disk.digests, stop);
        if (!wrong.empty()) {
            throw Error(ErrorCode::corrupt,
                        disk.disk_id.value + ": " + std::to_string(wrong.size()) +
                            " ranges on the target differ from what was read at the source, the first at byte " +
                            std::to_string(wrong.front().offset))
                .advised(last_point_is_safe);
        }
        for (const auto& range : disk.digests) {
            compared += range.range.length;
        }
    }
    step.detail(format_bytes(compared) + " read back and equal");
}

RecoveryPoint PassCoordinator::commit(joblog::StepContext& step) {
    if (const auto written = use_.recovery_points.of_job(job_)) {
        return *written;
    }
    RecoveryPoint point;
    point.vm_context_id = vm_;
    point.job_id = job_;
    point.snapshot_time = from_ms(result_->snapshot_time_ms);
    point.consistency = result_->consistency;
    for (const auto& disk : result_->disks) {
        point.disks.push_back({.disk_id = disk.disk_id,
                               .volume_id = volume_of(disk.disk_id).volume_id,
                               .change_id = disk.change_id,
                               .backing_uuid = disk.backing_uuid,
                               .capacity = disk.capacity,
                               .incremental = disk.incremental,
                               .bytes_changed = disk.planned,
                               .bytes_sent = disk.sent,
                               .digest = {}});
        if (!disk.full_copy_reason.empty()) {
            step.info(disk.disk_id.value + " was copied in full: " + disk.full_copy_reason);
        }
    }
    use_.database->transact([&](db::Session& session) { use_.recovery_points.commit(session, point); });
    step.info("The recovery point is recorded");
    return *use_.recovery_points.of_job(job_);
}

void PassCoordinator::apply(const RecoveryPoint& point, joblog::StepContext& step, const std::stop_token& stop) {
    use_.replications.set_operation(job_, "Applying");
    const auto sessions = use_.volumes.sessions_of(point.job_id, stop);
    std::vector<std::pair<DiskId, std::string>> digests;
    for (const auto& disk : point.disks) {
        const auto session = std::find_if(sessions.begin(), sessions.end(),
                                          [&](const auto& s) { return s.volume_id == disk.volume_id; });
        if (session == sessions.end()) {
            throw Error(ErrorCode::internal, "the write session of " + disk.disk_id.value + " is gone",
                        {.consequence = "The volumes may be between two recovery points and must not be used.",
                         .remedy = "Remove the machine from management and add it again."});
        }
        // From here on stopping would leave a volume between two points, so the stop token is not obeyed.
        const auto digest =
            use_.volumes.commit(session->session_id, [&](const std::string& text) { step.detail(text); }, {});
        digests.emplace_back(disk.disk_id, digest);
        step.detail(std::to_string(digests.size()) + " of " + std::to_string(point.disks.size()) + " volumes applied");
    }
    // In this order, so that a process that dies in between repeats both.
    use_.machines.set_last_sync(vm_, point.snapshot_time);
    use_.recovery_points.mark_applied(point.id, digests);
}

std::vector<std::string> PassCoordinator::clean_up() {
    return clean_up_pass(use_, job_, vm_);
}

}  // namespace mk::replication
