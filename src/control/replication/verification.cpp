#include "control/replication/verification.hpp"

#include <algorithm>

#include "base/json_fields.hpp"
#include "control/machines/replicable.hpp"
#include "control/replication/copy_run.hpp"
#include "control/replication/kept_sessions.hpp"
#include "control/replication/pass_cleanup.hpp"
#include "control/replication/source_changes.hpp"

namespace mk::replication {

namespace {

/// Ranges of one disk that are named in the log; all counts are exact.
constexpr std::size_t ranges_logged = 5;

Advice use_compare(const std::string& vm_name) {
    return {.consequence = "Nothing was changed.",
            .remedy = "Compare and repair in one pass: migratekit sync start " + vm_name + " --compare",
            .retry_safe = true};
}

Bytes different_bytes(const contracts::PassDiskResult& disk) {
    Bytes sum = 0;
    for (const auto& range : disk.differences) {
        sum += range.length;
    }
    return sum;
}

Json ranges_json(const std::vector<Range>& ranges, std::size_t most) {
    Json list = Json::array();
    for (std::size_t i = 0; i < std::min(ranges.size(), most); ++i) {
        list.push_back({{"offset", ranges[i].offset}, {"length", ranges[i].length}});
    }
    return list;
}

std::string ranges_text(const std::vector<Range>& ranges) {
    std::string text;
    for (std::size_t i = 0; i < std::min(ranges.size(), ranges_logged); ++i) {
        text += (text.empty() ? "" : ", ") + std::to_string(ranges[i].offset) + "+" + std::to_string(ranges[i].length);
    }
    return ranges.size() > ranges_logged ? text + " ..." : text;
}

}  // namespace

std::vector<joblog::StepPlan> verification_steps() {
    return {{"source-check", "Check the source machine", 1},
            {"write-session", "Open the copy for reading", 1},
            {"compare", "Compare source and copy", 30},
            {"result", "Record the result", 1}};
}

Verification::Verification(Collaborators& use, JobId job, VmContextId vm, int percent)
    : use_(use), job_(std::move(job)), vm_(std::move(vm)), percent_(percent) {}

void Verification::run(const std::stop_token& stop) {
    const auto step = [&](const char* name, void (Verification::*body)(joblog::StepContext&, const std::stop_token&)) {
        if (stop.stop_requested() || use_.job_log.is_cancel_requested(job_)) {
            throw Error(ErrorCode::cancelled, "the verification was stopped",
                        {.consequence = "Nothing was changed.", .remedy = "Start it again.", .retry_safe = true});
        }
        use_.job_log.run_step(job_, name, [&](joblog::StepContext& context) { (this->*body)(context, stop); });
    };
    step("source-check", &Verification::check_source);
    step("write-session", &Verification::open_sessions);
    step("compare", &Verification::compare);
    step("result", &Verification::conclude);
}

void Verification::check_source(joblog::StepContext& step, const std::stop_token& stop) {
    const auto found = use_.machines.find(vm_);
    if (!found) {
        throw Error(ErrorCode::not_found, "machine " + vm_.value + " is not managed any more");
    }
    require_no_leftovers(use_, vm_, step);
    if (has_kept_sessions(use_, vm_)) {
        throw Error(ErrorCode::conflict, "an interrupted sync waits to be gone on with, and holds the volumes",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Finish it first: migratekit sync start " + found->source.name,
                     .retry_safe = true});
    }
    machine_ = *found;
    machine_.source = use_.source.look_up(use_.credentials.access(found->credential_id), found->source.moref,
                                          found->source.instance_uuid, stop);
    machines::require_replicable(machine_.source);
    require_unchanged_disks(use_.machines.disks(vm_), machine_.source, false);
    base_ = use_.recovery_points.latest(vm_);
    if (!base_ || !base_->applied) {
        throw Error(ErrorCode::conflict, "there is no whole recovery point to verify",
                    use_compare(machine_.source.name));
    }
    const bool lacks_change_id = std::any_of(base_->disks.begin(), base_->disks.end(),
                                             [](const RecoveryPointDisk& disk) { return disk.change_id.empty(); });
    if (!machine_.source.change_tracking || lacks_change_id) {
        throw Error(ErrorCode::conflict,
                    "change tracking does not reach back to the last recovery point, so that what changed since then "
                    "cannot be told from what is wrong",
                    use_compare(machine_.source.name));
    }
    if (!use_.source.can_compare()) {
        throw cannot_compare(machine_.source.name);
    }
    step.info("Comparing " + std::to_string(percent_) + " % of what has not changed since " +
              to_iso8601(base_->snapshot_time));
}

void Verification::open_sessions(joblog::StepContext& step, const std::stop_token& stop) {
    use_.replications.set_operation(job_, "Opening write sessions");
    targets_.clear();
    const auto volumes = use_.volumes.volumes_of(vm_, stop);
    for (const auto& disk : base_->disks) {
        const auto held = std::find_if(volumes.begin(), volumes.end(),
                                       [&](const auto& volume) { return volume.volume_id == disk.volume_id; });
        if (held == volumes.end()) {
            throw Error(ErrorCode::conflict, "the volume of " + disk.disk_id.value + " is gone",
                        {.consequence = "The last recovery point is not whole any more.",
                         .remedy = "Copy the machine anew: migratekit sync start " + machine_.source.name + " --full"});
        }
        const auto volume = use_.volumes.attach_to_appliance(held->volume_id, stop);
        // Staged: whatever came through it would never reach the volume.
        auto session = use_.volumes.open_session({.job_id = job_,
                                                  .volume_id = volume.volume_id,
                                                  .length = disk.capacity,
                                                  .kind = "staged",
                                                  .expect_zero = false,
                                                  .expected_bytes = 0,
                                                  .resume_of = std::nullopt},
                                                 stop);
        targets_.push_back({volume, std::move(session)});
    }
    step.detail(std::to_string(targets_.size()) + " volumes can be read");
}

void Verification::compare(joblog::StepContext& step, const std::stop_token& stop) {
    int refreshed = 1;
    const auto order = [&](int attempt) {
        // Once for each: a repeated start must not cut the connections of the attempt that it may have begun.
        if (attempt > refreshed) {
            refresh_sessions(use_, job_, targets_, stop);
            refreshed = attempt;
        }
        auto request = make_pass_request(use_, job_, machine_, targets_, &*base_);
        request.compare_percent = percent_;
        request.only_compare = true;
        return request;
    };
    result_ = CopyRun(use_, job_, vm_, step, order).run(stop);
    require_comparable(*result_);
}

/// A verdict must stand on something.
void Verification::require_comparable(const contracts::PassResult& result) const {
    Bytes compared = 0;
    for (const auto& disk : result.disks) {
        compared += disk.compared;
        if (!disk.incremental) {
            throw Error(ErrorCode::conflict,
                        disk.disk_id.value + ": what changed since the last recovery point is not known (" +
                            disk.full_copy_reason + "), so that it cannot be told from what is wrong",
                        use_compare(machine_.source.name));
        }
    }
    if (compared == 0) {
        throw Error(ErrorCode::conflict, "nothing was compared: no part of the machine is unchanged",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Sync first, then verify: migratekit sync start " + machine_.source.name,
                     .retry_safe = true});
    }
}

void Verification::conclude(joblog::StepContext& step, const std::stop_token&) {
    Json disks = Json::array();
    Bytes compared = 0;
    Bytes different = 0;
    for (const auto& disk : result_->disks) {
        const auto its_different = different_bytes(disk);
        compared += disk.compared;
        different += its_different;
        const auto shown = std::min(disk.differences.size(), verification_ranges);
        disks.push_back({{"disk_id", disk.disk_id.value},
                         {"compared", disk.compared},
                         {"different", its_different},
                         {"ranges", ranges_json(disk.differences, verification_ranges)},
                         {"ranges_left_out", disk.differences.size() - shown}});
        if (its_different > 0) {
            step.warn(disk.disk_id.value + ": " + std::to_string(its_different) + " bytes differ in " +
                      std::to_string(disk.differences.size()) + " ranges (" + ranges_text(disk.differences) + ")");
        }
    }
    const bool is_identical = different == 0;
    use_.job_log.remember(job_, verification_key,
                          {{"verdict", is_identical ? "identical" : "differs"},
                           {"percent", percent_},
                           {"snapshot_ms", result_->snapshot_time_ms},
                           {"compared", compared},
                           {"different", different},
                           {"disks", disks}});
    for (const auto& left : clean_up_pass(use_, job_, vm_)) {
        step.warn("Not cleaned up yet, the next sync does it: " + left);
    }
    if (is_identical) {
        step.detail(format_bytes(compared) + " compared and identical");
    } else {
        step.finish_with_warning(std::to_string(different) + " of " + std::to_string(compared) +
                                 " bytes that were compared differ. Send them with: migratekit sync start " +
                                 machine_.source.name + " --compare");
    }
}

}  // namespace mk::replication
