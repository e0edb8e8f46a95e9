#include "engine/disk_copy.hpp"

#include <algorithm>
#include <chrono>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/split_channel.hpp"

namespace mk::engine {

DiskCopy::DiskCopy(const DiskTask& task) : task_(task), work_(*task.plan), digests_(task.plan->resumed) {
    prove_coverage(*task.plan);
    for (const RunDigest& run : task.plan->resumed) {
        resumed_ += run.range.length;
    }
}

void DiskCopy::start(const std::stop_token& stop) {
    const std::lock_guard lock(starting_);
    if (source_) {
        return;
    }
    std::shared_ptr<block::BlockSource> source = task_.open_source(stop);
    if (source->capacity() != plan().capacity) {
        throw Error(ErrorCode::corrupt,
                    "the disk has " + std::to_string(plan().capacity) +
                        " bytes in the snapshot, but its reader offers " + std::to_string(source->capacity()),
                    {.consequence = "Nothing was copied from it.", .retry_safe = true});
    }
    if (plan().capacity > task_.sink->capacity()) {
        throw Error(ErrorCode::conflict,
                    "the disk has " + std::to_string(plan().capacity) + " bytes, its target only " +
                        std::to_string(task_.sink->capacity()),
                    {.consequence = "Nothing was copied to it."});
    }
    source_ = std::move(source);
    measuring_ = std::jthread([this](const std::stop_token& over) { work_.measure(*source_, over); });
}

std::unique_ptr<block::ReadChannel> DiskCopy::open_reader(const std::stop_token& stop) {
    std::unique_ptr<block::ReadChannel> channel = source_->open_channel(stop);
    if (source_->max_request() < leaf_size) {
        return std::make_unique<SplitReadChannel>(std::move(channel), source_->max_request());
    }
    return channel;
}

DiskCopy::Writer DiskCopy::open_writer(const std::stop_token& stop) {
    const std::lock_guard lock(opening_);
    Writer writer;
    writer.channel = task_.sink->open_channel(stop);
    writer.instance = task_.sink->instance();
    has_writer_ = true;
    opened_.notify_all();
    return writer;
}

void DiskCopy::wait_for_first_writer(const std::stop_token& stop) {
    constexpr std::chrono::seconds moment{2};
    constexpr std::chrono::milliseconds look_interval{50};  // nobody tells when the work is exhausted
    const auto until = std::chrono::steady_clock::now() + moment;
    std::unique_lock lock(opening_);
    while (!has_writer_ && !work_.is_exhausted() && !stop.stop_requested() &&
           std::chrono::steady_clock::now() < until) {
        opened_.wait_for(lock, stop, look_interval, [this] { return has_writer_; });
    }
}

std::unique_ptr<TargetDigests> DiskCopy::open_digests(const std::stop_token& stop) {
    if (!task_.open_digests) {
        throw Error(ErrorCode::conflict, "the target cannot tell digests, so nothing can be compared");
    }
    return task_.open_digests(stop);
}

void DiskCopy::add_durable(std::span<const RunDigest> runs, std::span<const Range> differences) {
    {
        const std::lock_guard lock(mutex_);
        digests_.insert(digests_.end(), runs.begin(), runs.end());
        differences_.insert(differences_.end(), differences.begin(), differences.end());
    }
    if (task_.on_durable && (!runs.empty() || !differences.empty())) {
        task_.on_durable(runs, differences);
    }
}

std::string DiskCopy::trouble() const {
    const std::lock_guard lock(mutex_);
    return troubled_ > 0 ? trouble_ : std::string{};
}

Trouble::Trouble(DiskCopy& disk, std::string_view what, const Error& cause) : disk_(disk) {
    log::warn("event=connection_lost disk={} to={} cause=\"{}\"", disk.name(), what, cause.cause());
    const std::lock_guard lock(disk.mutex_);
    ++disk.troubled_;
    disk.trouble_ = disk.name() + ": the connection to the " + std::string(what) + " was lost and is tried again (" +
                    cause.cause() + ")";
}

Trouble::~Trouble() {
    const std::lock_guard lock(disk_.mutex_);
    --disk_.troubled_;
}

void DiskCopy::close() {
    measuring_ = {};
    source_.reset();
}

CopyOutcome DiskCopy::outcome(const CopyCounts& counts, bool takes_digests) {
    CopyOutcome outcome{.counts = counts, .planned = work_.planned(), .digests = {}, .differences = {}};
    outcome.counts.done += resumed_;
    outcome.counts.skipped += work_.skipped();
    outcome.digests = std::move(digests_);
    std::sort(outcome.digests.begin(), outcome.digests.end(),
              [](const RunDigest& a, const RunDigest& b) { return a.range.offset < b.range.offset; });
    outcome.differences = sorted_union(std::move(differences_));
    prove(outcome, takes_digests);
    return outcome;
}

void DiskCopy::prove(const CopyOutcome& outcome, bool takes_digests) const {
    const Bytes expected = outcome.planned;
    if (!work_.is_exhausted() || outcome.counts.done != expected) {
        throw Error(ErrorCode::internal,
                    std::to_string(outcome.counts.done) + " bytes were handled instead of " + std::to_string(expected));
    }
    if (!takes_digests || plan().only_compare) {
        return;
    }
    Bytes at = 0;
    Bytes sum = 0;
    for (const RunDigest& run : outcome.digests) {
        if (run.range.offset < at) {
            throw Error(ErrorCode::internal, "two digests of offset " + std::to_string(run.range.offset));
        }
        at = run.range.end();
        sum += run.range.length;
    }
    if (sum != expected) {
        throw Error(ErrorCode::internal,
                    "there are digests of " + std::to_string(sum) + " bytes instead of " + std::to_string(expected));
    }
}

}  // namespace mk::engine
