#include "engine/pass.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/base_check.hpp"
#include "engine/copier.hpp"
#include "engine/planner.hpp"
#include "engine/progress_board.hpp"
#include "engine/release.hpp"

namespace mk::engine {

namespace {

/// Disks copied at the same time; the others wait. More gain nothing and load the source's hosts.
constexpr std::size_t most_parallel_disks = 4;

/// One disk on its way through the pass.
struct DiskWork {
    const DiskOrder* order = nullptr;
    FrozenDisk frozen;
    std::unique_ptr<block::BlockSink> sink;
    std::unique_ptr<block::BlockSource> source;
    Plan plan;
    DiskReport report;
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

bool is_tracking_reset(const Error& error) {
    return error.code() == ErrorCode::corrupt && error.native() == "ChangeTrackingReset";
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

void plan_disk(FrozenMachine& machine, DiskWork& work, const std::stop_token& stop) {
    const FrozenDisk& disk = work.frozen;
    work.source = machine.open(disk.id, stop);
    if (work.source->capacity() != disk.capacity) {
        throw Error(ErrorCode::corrupt,
                    disk.id.value + " has " + std::to_string(disk.capacity) +
                        " bytes in the snapshot, but its reader offers " + std::to_string(work.source->capacity()),
                    {.consequence = "Nothing was copied from it.", .retry_safe = true});
    }
    std::string reason = reason_for_full_copy(work.order->base, disk);
    std::vector<Range> areas;
    if (reason.empty()) {
        try {
            areas = machine.changed_areas(disk.id, work.order->base->change_id, stop);
        } catch (const Error& error) {
            if (!is_tracking_reset(error)) {
                throw;
            }
            reason = "change tracking was reset";
        }
    }
    if (reason.empty()) {
        work.plan = plan_increment(areas, *work.source, stop);
    } else {
        areas = allocated_areas(machine, disk, stop);
        work.plan = plan_full_copy(areas, *work.source, work.order->target_is_zero, stop);
    }
    prove_coverage(work.plan, disk.capacity);
    work.report.frozen = disk;
    work.report.incremental = reason.empty();
    work.report.full_copy_reason = reason;
    work.report.planned = work.plan.planned;
    log::info("event=planned disk={} incremental={} reason=\"{}\" bytes={}", disk.id.value, reason.empty(), reason,
              work.plan.planned);
}

void copy_one(DiskWork& work, std::size_t index, ProgressBoard& board, const std::stop_token& stop) {
    const bool is_incremental = work.report.incremental;
    const CopyOptions options{
        // An increment writes over the last recovery point: its zeros must arrive whatever the volume was at first.
        .target_is_zero = work.order->target_is_zero && !is_incremental,
        .counts_holes = is_incremental,
        .on_progress = [&](const CopyCounts& counts) { board.set_counts(index, counts); },
        .on_flush = [&] { board.disk_flushes(); },
    };
    CopyOutcome outcome = copy_disk(work.plan, *work.source, *work.sink, options, stop);
    work.report.read = outcome.counts.read;
    work.report.sent = outcome.counts.sent;
    work.report.zeroed = outcome.counts.zeroed;
    work.report.skipped = outcome.counts.skipped;
    work.report.digests = std::move(outcome.digests);
    if (outcome.counts.done != work.plan.planned) {
        throw Error(ErrorCode::internal, "of " + work.order->id.value + " " + std::to_string(outcome.counts.done) +
                                             " bytes were handled instead of " + std::to_string(work.plan.planned));
    }
}

/// The first failure, in place of the cancellations that it causes in the other disks.
class FirstFailure {
  public:
    void note(std::exception_ptr failure) {
        const std::lock_guard lock(mutex_);
        if (!failure_) {
            failure_ = std::move(failure);
        }
    }
    void rethrow() const {
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

  private:
    std::mutex mutex_;
    std::exception_ptr failure_;
};

void copy_all(std::vector<DiskWork>& works, ProgressBoard& board, const std::stop_token& stop) {
    std::stop_source everybody;
    const std::stop_callback on_stop(stop, [&] { everybody.request_stop(); });
    std::atomic<std::size_t> next{0};
    FirstFailure failure;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < std::min(works.size(), most_parallel_disks); ++i) {
            threads.emplace_back([&] {
                for (std::size_t index = next++; index < works.size() && !everybody.stop_requested(); index = next++) {
                    try {
                        copy_one(works[index], index, board, everybody.get_token());
                    } catch (const std::exception& caught) {
                        failure.note(std::make_exception_ptr(as_error(caught).within(works[index].order->id.value)));
                        everybody.request_stop();
                    }
                }
            });
        }
    }
    failure.rethrow();
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "the copy was stopped");
    }
}

void close_all(std::vector<DiskWork>& works) {
    for (DiskWork& work : works) {
        work.source.reset();
        work.sink.reset();
    }
}

/// Everything that happens while the snapshot exists.
void copy_machine(FrozenMachine& machine, std::vector<DiskWork>& works, ProgressBoard& board,
                  const std::stop_token& stop) {
    match_disks(machine.disks(), works);
    board.set_stage("Measuring");
    bool is_incremental = true;
    for (std::size_t i = 0; i < works.size(); ++i) {
        plan_disk(machine, works[i], stop);
        is_incremental = is_incremental && works[i].report.incremental;
    }
    for (std::size_t i = 0; i < works.size(); ++i) {
        board.set_planned(i, works[i].plan.planned);
    }
    board.set_sync_type(is_incremental ? "incremental" : "initial");
    board.set_stage("Copying");
    copy_all(works, board, stop);
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

PassReport run_pass(Source& source, Target& target, const PassOrder& order, const ProgressCallback& on_progress,
                    const std::stop_token& stop) {
    ProgressBoard board(order, on_progress);
    board.set_stage("Connecting");
    // Targets first: when they cannot be reached, no snapshot is taken for nothing.
    std::vector<DiskWork> works = open_targets(target, order, stop);
    const std::unique_ptr<FrozenMachine> machine =
        source.freeze([&](std::string_view stage) { board.set_stage(stage); }, stop);
    try {
        copy_machine(*machine, works, board, stop);
    } catch (const std::exception& caught) {
        const Error cause = as_error(caught);
        close_all(works);
        board.set_stage("Removing snapshot");
        throw released_after(*machine, cause);
    }
    PassReport report{.snapshot_time = machine->taken_at(), .consistency = machine->consistency(), .disks = {}};
    close_all(works);
    board.set_stage("Removing snapshot");
    release_after_success(*machine, stop);
    for (DiskWork& work : works) {
        report.disks.push_back(std::move(work.report));
    }
    return report;
}

}  // namespace mk::engine
