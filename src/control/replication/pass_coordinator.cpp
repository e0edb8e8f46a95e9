#include "control/replication/pass_coordinator.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "control/machines/replicable.hpp"
#include "control/replication/copy_run.hpp"
#include "control/replication/kept_sessions.hpp"
#include "control/replication/pass_cleanup.hpp"
#include "control/replication/source_changes.hpp"

namespace mk::replication {

namespace {

const Advice last_point_is_safe = {
    .consequence = "The last recovery point is unchanged.", .remedy = "Start the sync again.", .retry_safe = true};

constexpr int whole = 100;

Bytes sum_of(const std::vector<Range>& ranges) {
    Bytes sum = 0;
    for (const auto& range : ranges) {
        sum += range.length;
    }
    return sum;
}

RecoveryPointDisk point_disk(const contracts::PassDiskResult& disk, const VolumeId& volume) {
    RecoveryPointDisk held{.disk_id = disk.disk_id,
                           .volume_id = volume,
                           .change_id = disk.change_id,
                           .backing_uuid = disk.backing_uuid,
                           .capacity = disk.capacity,
                           .incremental = disk.incremental,
                           .bytes_changed = disk.planned,
                           .bytes_sent = disk.sent,
                           .bytes_read = disk.read,
                           .bytes_zeroed = disk.zeroed,
                           .bytes_skipped = disk.skipped,
                           .bytes_resumed = disk.resumed,
                           .bytes_compared = disk.compared,
                           .bytes_different = sum_of(disk.differences),
                           .digest_runs = disk.digests.size(),
                           .digest = {}};
    for (const auto& run : disk.digests) {
        held.bytes_verified += run.range.length;
    }
    return held;
}

}  // namespace

std::vector<joblog::StepPlan> pass_steps() {
    return {{"source-check", "Check the source machine", 1}, {"volume-preparation", "Prepare the volumes", 3},
            {"write-session", "Open the write sessions", 1}, {"copy", "Copy changed data", 30},
            {"verification", "Verify what arrived", 4},      {"commit", "Commit the recovery point", 4}};
}

PassCoordinator::PassCoordinator(Collaborators& use, JobId job, VmContextId vm, const PassOptions& options)
    : use_(use), job_(std::move(job)), vm_(std::move(vm)), options_(options) {}

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
    use_.job_log.run_step(job_, "commit", [&](auto& context) { apply(commit(context), context); });
    forget_checkpoint(use_, vm_, job_);
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
    base_ = use_.recovery_points.latest(vm_);
    // Before anything that needs the source: all of this point is here, and a failover may be waiting for it.
    if (base_ && !base_->applied && !options_.full) {
        finish_applying(step);
    }
    require_no_leftovers(use_, vm_, step);
    const auto access = use_.credentials.access(found->credential_id);
    const auto now = use_.source.look_up(access, found->source.moref, found->source.instance_uuid, stop);
    machines::require_replicable(now);
    require_unchanged_disks(use_.machines.disks(vm_), now, options_.full);
    use_.machines.update_source(vm_, now);
    machine_ = *use_.machines.find(vm_);
    if (base_ && !base_->applied) {
        finish_applying(step);
    }
    if (options_.full) {
        drop_resumable(use_, vm_);
    }
    plan_comparison(step);
    step.info(now.name + " is " + now.power_state + " with " + std::to_string(now.disks.size()) + " disks");
}

void PassCoordinator::finish_applying(joblog::StepContext& step) {
    step.info("The last recovery point was recorded but not fully applied: finishing that first");
    try {
        apply(*base_, step);
    } catch (const Error& error) {
        if (error.retryable() || error.code() == ErrorCode::cancelled) {
            throw;
        }
        if (!options_.full) {
            throw error.within("the last recovery point cannot be completed")
                .advised({.consequence = "The volumes hold a part of it and must not be used.",
                          .remedy = "Copy the machine anew with: migratekit sync start VM --full",
                          .retry_safe = true});
        }
        // What was staged is lost, and the volumes are between two points: only a full copy makes them whole again.
        step.warn("The last recovery point cannot be completed (" + error.cause() + "): the machine is copied anew");
        give_up_sessions(use_, base_->job_id);
        use_.recovery_points.forget_all(vm_);
    }
    base_ = use_.recovery_points.latest(vm_);
}

/// How much of the copy is compared with the source: everything when change tracking is not to be relied on, otherwise
/// a sample.
void PassCoordinator::plan_comparison(joblog::StepContext& step) {
    compare_percent_ = 0;
    if (options_.full || !base_) {
        if (options_.compare) {
            step.info("There is no recovery point to compare with: everything is sent");
        }
        return;
    }
    const auto reason = reason_to_compare();
    if (!use_.source.can_compare()) {
        if (options_.compare) {
            throw cannot_compare(machine_.source.name);
        }
        if (!reason.empty()) {
            step.info("The machine cannot be compared with its copy without a tunnel, although " + reason);
        }
        return;
    }
    const int sample = options_.sample ? std::clamp(use_.sampling.compare_percent(vm_), 0, whole) : 0;
    compare_percent_ = reason.empty() ? sample : whole;
    if (!reason.empty()) {
        step.info("The whole machine is compared with its copy, and only what differs is sent: " + reason);
    }
}

/// Empty when change tracking can be relied on.
std::string PassCoordinator::reason_to_compare() const {
    if (options_.compare) {
        return "it was asked for";
    }
    const bool lacks_change_id = std::any_of(base_->disks.begin(), base_->disks.end(),
                                             [](const RecoveryPointDisk& disk) { return disk.change_id.empty(); });
    if (machine_.compare_reason.empty() && (!machine_.source.change_tracking || lacks_change_id)) {
        return "change tracking does not reach back to the last recovery point";
    }
    return machine_.compare_reason;
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
    targets_.clear();
    const auto kept = sessions_to_resume(use_, vm_, job_, base_);
    if (!options_.full) {
        note_kept(use_, job_, base_);
    }
    std::size_t resumed = 0;
    for (const auto& volume : volumes_) {
        const auto& disk = source_disk(volume.disk_id);
        // Without a recovery point there is nothing to protect: the first copy goes straight to the volume.
        const bool first = !base_.has_value();
        const auto before = kept.find(volume.volume_id);
        auto session = use_.volumes.open_session(
            {.job_id = job_,
             .volume_id = volume.volume_id,
             .length = disk.capacity,
             .kind = first ? "direct" : "staged",
             .expect_zero = first,
             .expected_bytes = 0,
             .resume_of = before == kept.end() ? std::nullopt : std::optional(before->second)},
            stop);
        resumed += before != kept.end() && session.has_writes ? 1 : 0;
        targets_.push_back({volume, std::move(session)});
    }
    close_superseded(use_, vm_, job_);
    if (resumed > 0) {
        step.info("Going on with what an interrupted sync left in " + std::to_string(resumed) + " of " +
                  std::to_string(targets_.size()) + " volumes");
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

void PassCoordinator::copy(joblog::StepContext& step, const std::stop_token& stop) {
    int refreshed = 1;
    const auto order = [&](int attempt) {
        // Once for each: a repeated start must not cut the connections of the attempt that it may have begun.
        if (attempt > refreshed) {
            refresh_sessions(use_, job_, targets_, stop);
            refreshed = attempt;
        }
        auto request = make_pass_request(use_, job_, machine_, targets_, base_ && !options_.full ? &*base_ : nullptr);
        request.compare_percent = compare_percent_;
        request.priority = options_.priority;
        request.bytes_per_second = options_.bytes_per_second;
        return request;
    };
    result_ = CopyRun(use_, job_, vm_, step, order).run(stop);
    note_differences(step);
}

/// Where change tracking was silent although something had changed: what it says next cannot be relied on either.
void PassCoordinator::note_differences(joblog::StepContext& step) {
    std::string text;
    for (const auto& disk : result_->disks) {
        const auto different = sum_of(disk.differences);
        if (different > 0 && disk.incremental) {
            text += (text.empty() ? "" : "; ") + std::string("change tracking missed ") + std::to_string(different) +
                    " bytes in " + disk.disk_id.value;
        } else if (disk.compared > 0 && !disk.incremental) {
            step.info(disk.disk_id.value + ": " + format_bytes(different) + " of " + format_bytes(disk.compared) +
                      " differed from the copy");
        }
    }
    missed_ = text;
    if (!text.empty()) {
        use_.machines.set_compare_reason(vm_, text);
        step.finish_with_warning(text + "; they were sent. The next sync compares the whole machine");
    }
}

const PassTarget& PassCoordinator::target_of(const DiskId& disk) const {
    const auto found =
        std::find_if(targets_.begin(), targets_.end(), [&](const auto& t) { return t.volume.disk_id == disk; });
    if (found == targets_.end()) {
        throw Error(ErrorCode::internal, disk.value + " has no write session in this pass");
    }
    return *found;
}

void PassCoordinator::verify(joblog::StepContext& step, const std::stop_token& stop) {
    use_.replications.set_operation(job_, "Verifying");
    Bytes compared = 0;
    for (const auto& disk : result_->disks) {
        const auto& target = target_of(disk.disk_id);
        const auto wrong = use_.volumes.verify(target.session.session_id, disk.digests, stop);
        if (!wrong.empty()) {
            // Nobody may go on with this.
            forget_kept(use_, job_);
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
    point.bytes_wire = result_->wire_bytes;
    for (const auto& disk : result_->disks) {
        point.disks.push_back(point_disk(disk, target_of(disk.disk_id).volume.volume_id));
        if (!disk.full_copy_reason.empty()) {
            step.info(disk.disk_id.value +
                      (disk.compared > 0 ? " was compared as a whole: " : " was copied in full: ") +
                      disk.full_copy_reason);
        }
    }
    use_.database->transact([&](db::Session& session) {
        use_.recovery_points.commit(session, point);
        // What is doubtful stays so until everything was compared or sent.
        const bool is_whole = compare_percent_ == whole || options_.full || !base_;
        if (is_whole || !missed_.empty()) {
            use_.machines.set_compare_reason(session, vm_, missed_);
        }
        if (compare_percent_ == whole) {
            use_.machines.set_verified(session, vm_, machines::Verified{point.snapshot_time, "identical", whole});
        } else if (options_.full) {
            use_.machines.set_verified(session, vm_, std::nullopt);
        }
    });
    step.info("The recovery point is recorded");
    return *use_.recovery_points.of_job(job_);
}

void PassCoordinator::apply(const RecoveryPoint& point, joblog::StepContext& step) {
    use_.replications.set_operation(job_, "Applying");
    const auto sessions = use_.volumes.sessions_of(point.job_id, {});
    std::vector<std::pair<DiskId, std::string>> digests;
    for (const auto& disk : point.disks) {
        const auto session = std::find_if(sessions.begin(), sessions.end(),
                                          [&](const auto& s) { return s.volume_id == disk.volume_id; });
        if (session == sessions.end()) {
            throw Error(ErrorCode::internal, "the write session of " + disk.disk_id.value + " is gone",
                        {.consequence = "The volumes may be between two recovery points and must not be used.",
                         .remedy = "Remove the machine from management and add it again."});
        }
        const auto digest =
            use_.volumes.commit(session->session_id, [&](const std::string& text) { step.detail(text); }, {});
        digests.emplace_back(disk.disk_id, digest);
        step.detail(std::to_string(digests.size()) + " of " + std::to_string(point.disks.size()) + " volumes applied");
    }
    // In this order, so that a process that dies in between repeats all of it.
    forget_kept(use_, point.job_id);
    use_.machines.set_last_sync(vm_, point.snapshot_time);
    use_.recovery_points.mark_applied(point.id, digests);
}

}  // namespace mk::replication
