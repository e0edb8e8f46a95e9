#include "engine/progress_board.hpp"

#include <algorithm>

namespace mk::engine {

ProgressBoard::ProgressBoard(const PassOrder& order, ProgressCallback listener) : listener_(std::move(listener)) {
    for (const DiskOrder& disk : order.disks) {
        progress_.disks.push_back({.id = disk.id});
    }
}

void ProgressBoard::set_stage(std::string_view stage) {
    progress_.stage = stage;
    tell();
}

void ProgressBoard::set_sync_type(std::string_view sync_type) {
    progress_.sync_type = sync_type;
    tell();
}

void ProgressBoard::set_status(const CopyStatus& status) {
    progress_.sent = 0;
    progress_.zeroed = 0;
    progress_.bottleneck = status.bottleneck;
    progress_.trouble = status.trouble;
    bool is_handed_over = true;
    for (std::size_t i = 0; i < status.disks.size(); ++i) {
        const DiskStatus& disk = status.disks[i];
        progress_.disks[i].planned = disk.planned;
        progress_.disks[i].done = std::min(disk.planned, std::max(progress_.disks[i].done, disk.counts.done));
        progress_.sent += disk.counts.sent;
        // Zeros the target did not need count as well: they are what the operator was spared.
        progress_.zeroed += disk.counts.zeroed + disk.counts.skipped;
        is_handed_over = is_handed_over && (disk.is_finished || disk.counts.done + 1 == disk.planned);
    }
    if (is_handed_over) {
        progress_.stage = "Flushing";
        progress_.bottleneck.clear();
    }
    tell();
}

void ProgressBoard::tell() {
    if (listener_) {
        listener_(progress_);
    }
}

}  // namespace mk::engine
