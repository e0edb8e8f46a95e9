#include "engine/disk_planning.hpp"

#include <algorithm>
#include <functional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/base_check.hpp"

namespace mk::engine {

namespace {

bool is_tracking_reset(const Error& error) {
    return error.code() == ErrorCode::corrupt && error.native() == "ChangeTrackingReset";
}

/// Nothing when the change id is not valid any more.
std::optional<std::vector<Range>> areas_since(FrozenMachine& machine, const DiskId& disk, const std::string& change_id,
                                              const std::stop_token& stop) {
    try {
        return machine.changed_areas(disk, change_id, stop);
    } catch (const Error& error) {
        if (!is_tracking_reset(error)) {
            throw;
        }
        return std::nullopt;
    }
}

/// The allocated areas, or the whole disk when they cannot be had: "*" is documented to fault on some datastores.
std::vector<Range> allocated_areas(FrozenMachine& machine, const FrozenDisk& disk, const std::stop_token& stop) {
    const std::vector<Range> everything{{0, disk.capacity}};
    if (disk.change_id.empty()) {
        return everything;
    }
    try {
        return machine.changed_areas(disk.id, "*", stop);
    } catch (const Error& error) {
        if (error.retryable() || error.code() == ErrorCode::cancelled || error.code() == ErrorCode::unauthenticated) {
            throw;
        }
        log::warn("event=allocation_unknown disk={}: reading the whole disk ({})", disk.id.value, error.cause());
        return everything;
    }
}

const DiskCheckpoint* checkpoint_of(const std::vector<DiskCheckpoint>& checkpoints, const DiskOrder& order) {
    const auto found = std::find_if(checkpoints.begin(), checkpoints.end(), [&](const DiskCheckpoint& each) {
        return !order.session.empty() && each.id == order.id && each.session == order.session;
    });
    return found == checkpoints.end() ? nullptr : &*found;
}

/// The checkpoint's runs in which nothing changed since.
std::vector<RunDigest> valid_runs(FrozenMachine& machine, const FrozenDisk& disk, const DiskCheckpoint& checkpoint,
                                  const std::stop_token& stop) {
    const Base then{checkpoint.change_id, checkpoint.backing_uuid, checkpoint.capacity};
    std::string reason = reason_for_full_copy(then, disk);
    std::optional<std::vector<Range>> areas;
    if (reason.empty() && !checkpoint.runs.empty()) {
        areas = areas_since(machine, disk.id, checkpoint.change_id, stop);
        reason = areas ? "" : "change tracking was reset";
    }
    if (!areas) {
        log::info("event=nothing_resumed disk={} reason=\"{}\"", disk.id.value, reason);
        return {};
    }
    const RangeSet changed = normalised(std::move(*areas), disk.capacity);
    std::vector<RunDigest> valid;
    std::copy_if(checkpoint.runs.begin(), checkpoint.runs.end(), std::back_inserter(valid),
                 [&](const RunDigest& run) { return !meets(changed, run.range); });
    log::info("event=resumed disk={} runs={} of={}", disk.id.value, valid.size(), checkpoint.runs.size());
    return valid;
}

Error not_comparable(const std::string& reason) {
    return Error(ErrorCode::conflict, "there is nothing to compare the target with: " + reason,
                 {.consequence = "Nothing was compared; the recovery point is unchanged.",
                  .remedy = "Run a sync that compares (resync), then verify again.",
                  .retry_safe = true})
        .with_native("NotComparable");
}

/// What is to be done as if there had been no attempt before.
void plan_afresh(PlannedDisk& planned, FrozenMachine& machine, const FrozenDisk& disk, const DiskOrder& order,
                 const PassOrder& pass, const std::stop_token& stop) {
    std::optional<std::vector<Range>> areas;
    std::string reason = reason_for_full_copy(order.base, disk);
    if (reason.empty()) {
        areas = areas_since(machine, disk.id, order.base->change_id, stop);
        reason = areas ? "" : "change tracking was reset";
    }
    planned.is_incremental = areas.has_value();
    planned.full_copy_reason = reason;
    if (areas) {
        planned.plan = plan_increment(*areas, disk.capacity);
        const std::uint64_t seed = pass.sample_seed ^ std::hash<std::string>{}(disk.id.value);
        add_sample(planned.plan, pass.compare_percent, seed);
    } else if (pass.only_compare && order.base) {
        throw not_comparable(reason);
    } else if (pass.compare_percent > 0) {
        planned.plan = plan_comparison(disk.capacity);
    } else {
        planned.plan = plan_full_copy(allocated_areas(machine, disk, stop), disk.capacity, order.target_is_zero);
    }
    if (pass.only_compare) {
        planned.plan.areas.clear();
        planned.plan.only_compare = true;
    }
}

}  // namespace

PlannedDisk plan_disk(FrozenMachine& machine, const FrozenDisk& disk, const DiskOrder& order, const PassOrder& pass,
                      const std::vector<DiskCheckpoint>& checkpoints, const std::stop_token& stop) {
    PlannedDisk planned;
    plan_afresh(planned, machine, disk, order, pass, stop);
    Plan& plan = planned.plan;
    RangeSet touched = plan.areas;
    touched.insert(touched.end(), plan.compared.begin(), plan.compared.end());
    std::vector<Range> differences;
    if (pass.only_compare) {
        return planned;
    }
    if (const DiskCheckpoint* checkpoint = checkpoint_of(checkpoints, order)) {
        touched.insert(touched.end(), checkpoint->touched.begin(), checkpoint->touched.end());
        resume(plan, valid_runs(machine, disk, *checkpoint, stop), checkpoint->touched, pass.compare_percent > 0);
        differences = checkpoint->differences;
    } else if (order.target_has_writes && plan.is_full) {
        // Nobody knows where it is not, and later attempts must know that.
        plan.target_is_zero = false;
        touched = {{0, disk.capacity}};
    }
    prove_coverage(plan);
    planned.checkpoint = {.id = disk.id,
                          .session = order.session,
                          .change_id = disk.change_id,
                          .backing_uuid = disk.backing_uuid,
                          .capacity = disk.capacity,
                          .touched = sorted_union(std::move(touched)),
                          .runs = plan.resumed,
                          .differences = std::move(differences)};
    return planned;
}

}  // namespace mk::engine
