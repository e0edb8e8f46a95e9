#include "engine/lane_pool.hpp"

#include <algorithm>

#include <pthread.h>

#include "base/error.hpp"
#include "base/log.hpp"

namespace mk::engine {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds status_interval{200};

nanoseconds time_of(clockid_t clock) {
    timespec time{};
    if (clock == -1 || ::clock_gettime(clock, &time) != 0) {
        return nanoseconds{0};
    }
    return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

void add_waits(LegSample& sample, const LaneMeter& meter) {
    sample.read_wait += nanoseconds{meter.read_wait_ns};
    sample.send_wait += nanoseconds{meter.send_wait_ns};
    sample.answer_wait += nanoseconds{meter.answer_wait_ns};
    sample.moved += meter.read + meter.zeroed;
}

CopyCounts operator+(const CopyCounts& a, const CopyCounts& b) {
    return {.read = a.read + b.read,
            .sent = a.sent + b.sent,
            .zeroed = a.zeroed + b.zeroed,
            .skipped = a.skipped + b.skipped,
            .compared = a.compared + b.compared,
            .done = a.done + b.done};
}

}  // namespace

LanePool::LanePool(const std::vector<DiskTask>& tasks, const CopyOptions& options)
    : options_(options), watch_(options.through_tunnel) {
    for (const DiskTask& task : tasks) {
        disks_.push_back({.copy = std::make_unique<DiskCopy>(task), .left = {}});
    }
}

LanePool::~LanePool() {
    everybody_.request_stop();
}

std::vector<CopyOutcome> LanePool::run(const StatusCallback& on_status, const std::stop_token& stop) {
    const std::stop_callback on_stop(stop, [this] { everybody_.request_stop(); });
    std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < first_lanes(); ++i) {
        start_worker(disks_.size() == 1 ? 0 : next_waiting_);
    }
    left_.at = steady_clock::now().time_since_epoch();
    before_ = sample();
    watch_.add(before_);
    while (!is_over()) {
        changed_.wait_for(lock, status_interval, [this] { return is_over(); });
        reap();
        adapt();
        if (on_status) {
            const CopyStatus now = status();
            lock.unlock();
            on_status(now);
            lock.lock();
        }
    }
    if (failure_) {
        std::rethrow_exception(failure_);
    }
    return outcomes();
}

std::vector<CopyOutcome> LanePool::outcomes() {
    std::vector<CopyOutcome> out;
    for (Disk& disk : disks_) {
        try {
            out.push_back(disk.copy->outcome(disk.left, options_.takes_digests));
        } catch (const Error& error) {
            throw error.within(disk.copy->name());
        }
    }
    return out;
}

std::size_t LanePool::first_lanes() const {
    const std::size_t budget = std::max<std::size_t>(options_.lanes, 1);
    if (disks_.size() == 1) {
        return disks_.front().copy->takes_several_lanes() ? std::min<std::size_t>(budget, 2) : 1;
    }
    return std::min(budget, disks_.size());
}

bool LanePool::is_over() const {
    const bool is_idle = std::all_of(workers_.begin(), workers_.end(), [](const Worker& each) { return each.is_over; });
    const bool is_done = std::all_of(disks_.begin(), disks_.end(), [](const Disk& each) { return each.is_finished; });
    return is_idle && (failure_ || is_done);
}

void LanePool::start_worker(std::size_t disk) {
    Worker& worker = workers_.emplace_back();
    worker.disk = disk;
    next_waiting_ = std::max(next_waiting_, disk + 1);
    disks_[disk].is_started = true;
    worker.is_extra = ++disks_[disk].lanes > 1;
    worker.thread = std::jthread([this, &worker] { work(worker); });
}

void LanePool::work(Worker& worker) {
    clockid_t clock = -1;
    if (::pthread_getcpuclockid(::pthread_self(), &clock) == 0) {
        worker.clock = clock;
    }
    do {
        try {
            run_lane(worker);
        } catch (const std::exception& caught) {
            fail(std::make_exception_ptr(as_error(caught).within(disks_[worker.disk].copy->name())));
        }
        end_lane(worker);
    } while (next_disk(worker));
}

void LanePool::run_lane(Worker& worker) {
    DiskCopy& copy = *disks_[worker.disk].copy;
    copy.start(everybody_.get_token());
    Lane lane(copy, options_, *worker.meter, worker.is_leaving);
    if (!worker.is_extra || connect_extra(lane, copy.name())) {
        lane.run(everybody_.get_token());
    }
}

/// False when it cannot have connections of its own: source or target may take no more. Then it is not needed.
bool LanePool::connect_extra(Lane& lane, const std::string& disk) {
    try {
        lane.connect(everybody_.get_token());
        log::info("event=lane_added disk={}", disk);
        return true;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        log::warn("event=lane_not_added disk={} cause=\"{}\"", disk, error.cause());
        const std::lock_guard lock(mutex_);
        growth_.refused();
        return false;
    }
}

void LanePool::fail(std::exception_ptr failure) {
    {
        const std::lock_guard lock(mutex_);
        if (!failure_) {
            failure_ = std::move(failure);
        }
    }
    everybody_.request_stop();
}

void LanePool::end_lane(Worker& worker) {
    DiskCopy* finished = nullptr;
    {
        const std::lock_guard lock(mutex_);
        Disk& disk = disks_[worker.disk];
        disk.left = disk.left + worker.meter->counts();
        add_waits(left_, *worker.meter);
        worker.meter = std::make_unique<LaneMeter>();
        --disk.lanes;
        if (disk.lanes == 0 && !failure_ && disk.copy->work().is_exhausted()) {
            finished = disk.copy.get();
        }
    }
    if (finished) {
        finished->close();
        const std::lock_guard lock(mutex_);
        disks_[worker.disk].is_finished = true;
    }
}

/// Where the worker goes on. False: its thread ends.
bool LanePool::next_disk(Worker& worker) {
    const std::lock_guard lock(mutex_);
    if (failure_ || worker.is_leaving || next_waiting_ == disks_.size()) {
        left_.busy += time_of(worker.clock);
        worker.is_over = true;
        changed_.notify_all();
        return false;
    }
    worker.disk = next_waiting_++;
    disks_[worker.disk].is_started = true;
    worker.is_extra = ++disks_[worker.disk].lanes > 1;
    return true;
}

void LanePool::reap() {
    std::erase_if(workers_, [](const Worker& each) { return each.is_over; });
}

void LanePool::adapt() {
    const auto now = steady_clock::now().time_since_epoch();
    if (now - before_.at < options_.measuring_window || failure_) {
        return;
    }
    const LegSample after = sample();
    watch_.add(after);
    const bool can_add = next_waiting_ == disks_.size() && workers_.size() < options_.lanes;
    const LaneGrowth::Advice advice = growth_.next(before_, after, can_add);
    before_ = after;
    if (advice == LaneGrowth::Advice::remove) {
        remove_lane();
    } else if (advice == LaneGrowth::Advice::add && !add_lane()) {
        growth_ = {};
    }
}

/// To the disk that has the fewest.
bool LanePool::add_lane() {
    Disk* chosen = nullptr;
    for (Disk& disk : disks_) {
        const bool can_take = disk.lanes > 0 && disk.copy->takes_several_lanes() && !disk.copy->work().is_exhausted();
        if (can_take && (!chosen || disk.lanes < chosen->lanes)) {
            chosen = &disk;
        }
    }
    if (!chosen) {
        return false;
    }
    start_worker(static_cast<std::size_t>(chosen - disks_.data()));
    return true;
}

/// The one that was added last, unless it is the only one of its disk.
void LanePool::remove_lane() {
    if (workers_.empty() || workers_.back().is_leaving || disks_[workers_.back().disk].lanes < 2) {
        return;
    }
    workers_.back().is_leaving = true;
    log::info("event=lane_removed disk={}: it did not raise the rate", disks_[workers_.back().disk].copy->name());
}

LegSample LanePool::sample() {
    const nanoseconds now = steady_clock::now().time_since_epoch();
    const auto running = static_cast<nanoseconds::rep>(
        std::count_if(workers_.begin(), workers_.end(), [](const Worker& each) { return !each.is_over; }));
    left_.lane_time += (now - left_.at) * running;
    left_.at = now;
    LegSample sum = left_;
    for (const Worker& worker : workers_) {
        add_waits(sum, *worker.meter);
        sum.busy += worker.is_over ? nanoseconds{0} : time_of(worker.clock);
    }
    return sum;
}

CopyCounts LanePool::counts_of(std::size_t disk) const {
    CopyCounts sum = disks_[disk].left;
    for (const Worker& worker : workers_) {
        if (worker.disk == disk && !worker.is_over) {
            sum = sum + worker.meter->counts();
        }
    }
    return sum;
}

CopyStatus LanePool::status() const {
    CopyStatus status{.disks = {}, .bottleneck = watch_.bottleneck(), .trouble = {}, .lanes = 0};
    for (std::size_t i = 0; i < disks_.size(); ++i) {
        const DiskCopy& copy = *disks_[i].copy;
        DiskStatus disk{.planned = copy.work().planned(), .counts = counts_of(i), .is_finished = disks_[i].is_finished};
        disk.counts.done += copy.resumed();
        // Nothing is complete before it is durable.
        const Bytes most = disk.is_finished || disk.planned == 0 ? disk.planned : disk.planned - 1;
        disk.counts.done = std::min(disk.counts.done, most);
        disk.counts.skipped += copy.work().skipped();
        status.disks.push_back(std::move(disk));
        status.lanes += disks_[i].lanes;
        status.trouble = status.trouble.empty() ? copy.trouble() : status.trouble;
    }
    return status;
}

}  // namespace mk::engine
