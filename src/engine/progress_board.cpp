#include "engine/progress_board.hpp"

#include <algorithm>

namespace mk::engine {

ProgressBoard::ProgressBoard(const PassOrder& order, ProgressCallback listener)
    : listener_(std::move(listener)), counts_(order.disks.size()) {
    for (const DiskOrder& disk : order.disks) {
        progress_.disks.push_back({.id = disk.id});
    }
}

void ProgressBoard::set_stage(std::string_view stage) {
    const std::lock_guard lock(mutex_);
    progress_.stage = stage;
    tell();
}

void ProgressBoard::set_sync_type(std::string_view sync_type) {
    const std::lock_guard lock(mutex_);
    progress_.sync_type = sync_type;
    tell();
}

void ProgressBoard::set_planned(std::size_t disk, Bytes planned) {
    const std::lock_guard lock(mutex_);
    progress_.disks[disk].planned = planned;
}

void ProgressBoard::set_counts(std::size_t disk, const CopyCounts& counts) {
    const std::lock_guard lock(mutex_);
    counts_[disk] = counts;
    progress_.disks[disk].done = std::max(progress_.disks[disk].done, counts.done);
    progress_.sent = 0;
    progress_.zeroed = 0;
    for (const CopyCounts& each : counts_) {
        progress_.sent += each.sent;
        // Zeros the target did not need count as well: they are what the operator was spared.
        progress_.zeroed += each.zeroed + each.skipped;
    }
    tell();
}

void ProgressBoard::disk_flushes() {
    const std::lock_guard lock(mutex_);
    ++flushing_;
    if (flushing_ == counts_.size()) {
        progress_.stage = "Flushing";
        tell();
    }
}

void ProgressBoard::tell() {
    if (listener_) {
        listener_(progress_);
    }
}

}  // namespace mk::engine
