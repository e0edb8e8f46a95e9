#include "engine/pass.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/disk_planning.hpp"
#include "engine/progress_board.hpp"
#include "engine/release.hpp"

namespace mk::engine {

namespace {

/// One disk on its way through the pass.
struct DiskWork {
    const DiskOrder* order = nullptr;
    FrozenDisk frozen;
    std::unique_ptr<block::BlockSink> sink;
    PlannedDisk planned;
};

Error source_changed(const std::string& what) {
    return Error(ErrorCode::conflict, what,
                 {.consequence = "Nothing was copied; the last recovery point is unchanged.",
                  .remedy = "Discover the machine again and adjust its disks, then repeat the sync.",
                  .retry_safe = true})
        .with_native("SourceChanged");
}

void match_disks(const std::vector<FrozenDisk>& frozen, std::vector<DiskWork>& works) {
    for (DiskWork& work : works) {
        const auto found = std::find_if(frozen.begin(), frozen.end(),
                                        [&](const FrozenDisk& disk) { return disk.id == work.order->id; });
        if (found == frozen.end()) {
            throw source_changed(work.order->id.value + " does not exist at the source any more");
        }
        work.frozen = *found;
        if (work.frozen.capacity > work.sink->capacity()) {
            throw source_changed(work.order->id.value + " has " + std::to_string(work.frozen.capacity) +
                                 " bytes at the source, its target only " + std::to_string(work.sink->capacity()));
        }
    }
    for (const FrozenDisk& disk : frozen) {
        const bool is_ordered =
            std::any_of(works.begin(), works.end(), [&](const DiskWork& work) { return work.order->id == disk.id; });
        if (!is_ordered) {
            throw source_changed(disk.id.value + " was added at the source");
        }
    }
}

void plan_all(FrozenMachine& machine, std::vector<DiskWork>& works, CheckpointLog* checkpoints, const PassOrder& order,
              const std::stop_token& stop) {
    const std::vector<DiskCheckpoint> found =
        checkpoints && !order.only_compare ? checkpoints->load() : std::vector<DiskCheckpoint>{};
    std::vector<DiskCheckpoint> ours;
    for (DiskWork& work : works) {
        try {
            work.planned = plan_disk(machine, work.frozen, *work.order, order, found, stop);
        } catch (const Error& error) {
            throw error.within(work.order->id.value);
        }
        const Plan& plan = work.planned.plan;
        log::info("event=planned disk={} incremental={} reason=\"{}\" areas={} compared={} resumed={}",
                  work.order->id.value, work.planned.is_incremental, work.planned.full_copy_reason,
                  total_length(plan.areas), total_length(plan.compared), plan.resumed.size());
        ours.push_back(work.planned.checkpoint);
    }
    if (checkpoints && !order.only_compare) {
        checkpoints->begin(ours);  // before the first byte is written: it says where
    }
}

std::vector<DiskTask> tasks_of(FrozenMachine& machine, Target& target, CheckpointLog* checkpoints,
                               const PassOrder& order, const std::vector<DiskWork>& works) {
    std::vector<DiskTask> tasks;
    for (const DiskWork& work : works) {
        const DiskId id = work.order->id;
        DiskTask task{.name = id.value,
                      .plan = &work.planned.plan,
                      .open_source = [&machine, id](const std::stop_token& stop) { return machine.open(id, stop); },
                      .sink = work.sink.get()};
        if (!work.planned.plan.compared.empty()) {
            task.open_digests = [&target, id](const std::stop_token& stop) { return target.open_digests(id, stop); };
        }
        if (checkpoints && !order.only_compare) {
            task.on_durable = [checkpoints, id](std::span<const RunDigest> runs, std::span<const Range> differences) {
                checkpoints->append(id, runs, differences);
            };
        }
        tasks.push_back(std::move(task));
    }
    return tasks;
}

DiskReport report_of(const DiskWork& work, CopyOutcome outcome) {
    DiskReport report;
    report.frozen = work.frozen;
    report.incremental = work.planned.is_incremental;
    report.full_copy_reason = work.planned.full_copy_reason;
    report.planned = outcome.planned;
    report.read = outcome.counts.read;
    report.sent = outcome.counts.sent;
    report.zeroed = outcome.counts.zeroed;
    report.skipped = outcome.counts.skipped;
    report.compared = outcome.counts.compared;
    for (const RunDigest& run : work.planned.plan.resumed) {
        report.resumed += run.range.length;
    }
    // What an earlier attempt found it has mended as well: nothing is left of it to be found again.
    const std::vector<Range>& before = work.planned.checkpoint.differences;
    outcome.differences.insert(outcome.differences.end(), before.begin(), before.end());
    report.differences = sorted_union(std::move(outcome.differences));
    report.digests = std::move(outcome.digests);
    log::info(
        "event=copied disk={} planned={} resumed={} read={} sent={} zeroed={} skipped={} compared={} differences={}",
        work.order->id.value, report.planned, report.resumed, report.read, report.sent, report.zeroed, report.skipped,
        report.compared, report.differences.size());
    return report;
}

/// Everything that happens while the snapshot exists.
std::vector<DiskReport> copy_machine(FrozenMachine& machine, Target& target, CheckpointLog* checkpoints,
                                     const PassOrder& order, std::vector<DiskWork>& works, ProgressBoard& board,
                                     const std::stop_token& stop) {
    match_disks(machine.disks(), works);
    board.set_stage("Measuring");
    plan_all(machine, works, checkpoints, order, stop);
    const bool is_incremental =
        std::all_of(works.begin(), works.end(), [](const DiskWork& work) { return work.planned.is_incremental; });
    board.set_sync_type(is_incremental ? "incremental" : "initial");
    board.set_stage("Copying");
    std::vector<CopyOutcome> outcomes = copy_disks(
        tasks_of(machine, target, checkpoints, order, works), order.copy,
        [&](const CopyStatus& status) { board.set_status(status); }, stop);
    std::vector<DiskReport> reports;
    for (std::size_t i = 0; i < works.size(); ++i) {
        reports.push_back(report_of(works[i], std::move(outcomes[i])));
    }
    return reports;
}

std::vector<DiskWork> open_targets(Target& target, const PassOrder& order, const std::stop_token& stop) {
    std::vector<DiskWork> works;
    for (const DiskOrder& disk : order.disks) {
        DiskWork work;
        work.order = &disk;
        work.sink = target.open(disk.id, stop);
        works.push_back(std::move(work));
    }
    return works;
}

}  // namespace

PassReport run_pass(Source& source, Target& target, CheckpointLog* checkpoints, const PassOrder& order,
                    const ProgressCallback& on_progress, const std::stop_token& stop) {
    if (order.only_compare && order.compare_percent <= 0) {
        throw Error(ErrorCode::invalid, "a comparison was ordered, but of nothing");
    }
    ProgressBoard board(order, on_progress);
    board.set_stage("Connecting");
    // Targets first: when they cannot be reached, no snapshot is taken for nothing.
    std::vector<DiskWork> works = open_targets(target, order, stop);
    const std::unique_ptr<FrozenMachine> machine =
        source.freeze([&](std::string_view stage) { board.set_stage(stage); }, stop);
    PassReport report;
    try {
        report.disks = copy_machine(*machine, target, checkpoints, order, works, board, stop);
    } catch (const std::exception& caught) {
        const Error cause = as_error(caught);
        works.clear();
        board.set_stage("Removing snapshot");
        throw released_after(*machine, cause);
    }
    report.snapshot_time = machine->taken_at();
    report.consistency = machine->consistency();
    works.clear();
    board.set_stage("Removing snapshot");
    release_after_success(*machine, stop);
    return report;
}

}  // namespace mk::engine
