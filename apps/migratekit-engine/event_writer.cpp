#include "event_writer.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace mk {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds shortest_pause{250};
/// A job counts as stale after 30 s without a word.
constexpr std::chrono::seconds heartbeat{5};

contracts::EngineProgress event_of(const engine::Progress& progress) {
    contracts::EngineProgress event;
    event.stage = progress.stage;
    event.sync_type = progress.sync_type;
    event.sent_bytes = progress.sent;
    event.zeroed_bytes = progress.zeroed;
    event.bottleneck = progress.bottleneck;
    event.trouble = progress.trouble;
    for (const engine::DiskProgress& disk : progress.disks) {
        event.disks.push_back({.disk_id = disk.id, .total_bytes = disk.planned, .done_bytes = disk.done});
    }
    return event;
}

contracts::PassDiskResult result_of(const engine::DiskReport& disk) {
    return {.disk_id = disk.frozen.id,
            .change_id = disk.frozen.change_id,
            .backing_uuid = disk.frozen.backing_uuid,
            .capacity = disk.frozen.capacity,
            .incremental = disk.incremental,
            .full_copy_reason = disk.full_copy_reason,
            .planned = disk.planned,
            .read = disk.read,
            .sent = disk.sent,
            .zeroed = disk.zeroed,
            .skipped = disk.skipped,
            .resumed = disk.resumed,
            .compared = disk.compared,
            .differences = {},
            .digests = {}};
}

/// In events of at most `most` entries, in order.
template <class Event, class Entry>
std::vector<Event> parts_of(const DiskId& disk, const std::vector<Entry>& entries, std::size_t most) {
    std::vector<Event> parts;
    for (auto at = entries.begin(); at != entries.end();) {
        const auto rest = static_cast<std::size_t>(entries.end() - at);
        const auto end = at + static_cast<std::ptrdiff_t>(std::min(most, rest));
        parts.push_back({disk, {at, end}});
        at = end;
    }
    return parts;
}

/// When nobody listens any more there is nobody to tell: the parent's death stops us by signal.
void write_line(std::string line) {
    line.push_back('\n');
    for (std::size_t at = 0; at < line.size();) {
        const ssize_t written = ::write(STDOUT_FILENO, line.data() + at, line.size() - at);
        if (written < 0 && errno != EINTR) {
            return;
        }
        at += written > 0 ? static_cast<std::size_t>(written) : 0;
    }
}

}  // namespace

EventWriter::EventWriter() : heart_([this](const std::stop_token& stop) { beat(stop); }) {}

void EventWriter::set_wire_count(std::function<Bytes()> wire_bytes) {
    const std::lock_guard lock(mutex_);
    wire_bytes_ = std::move(wire_bytes);
}

void EventWriter::write(const contracts::EngineEvent& event) {
    write_line(contracts::engine_event_line(event));
}

void EventWriter::beat(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        wake_.wait_for(lock, stop, heartbeat, [] { return false; });
        const bool is_quiet = steady_clock::now() - last_at_ >= heartbeat;
        if (!stop.stop_requested() && !is_final_ && last_ && is_quiet) {
            last_at_ = steady_clock::now();
            last_->wire_bytes = wire_bytes_ ? wire_bytes_() : 0;
            write(*last_);
        }
    }
}

void EventWriter::progress(const engine::Progress& progress) {
    const std::lock_guard lock(mutex_);
    const auto now = steady_clock::now();
    const bool is_new_stage = !last_ || last_->stage != progress.stage || last_->sync_type != progress.sync_type;
    if (is_new_stage || now - last_at_ >= shortest_pause) {
        last_ = event_of(progress);
        last_->wire_bytes = wire_bytes_ ? wire_bytes_() : 0;
        last_at_ = now;
        write(*last_);
    }
}

void EventWriter::snapshot(const std::string& moref, const std::string& name) {
    const std::lock_guard lock(mutex_);
    write(contracts::EngineSnapshot{moref, name});
}

void EventWriter::write_lists(const engine::DiskReport& disk) {
    std::vector<contracts::DigestedRange> digests;
    for (const engine::RunDigest& run : disk.digests) {
        digests.push_back({run.range, to_hex(run.digest)});
    }
    for (const auto& part : parts_of<contracts::EngineDigests>(disk.frozen.id, digests, contracts::digests_per_event)) {
        write(part);
    }
    for (const auto& part :
         parts_of<contracts::EngineDifferences>(disk.frozen.id, disk.differences, contracts::differences_per_event)) {
        write(part);
    }
}

void EventWriter::result(const engine::PassReport& report) {
    const std::lock_guard lock(mutex_);
    is_final_ = true;
    contracts::PassResult result;
    result.snapshot_time_ms = to_ms(report.snapshot_time);
    result.consistency = report.consistency;
    result.wire_bytes = wire_bytes_ ? wire_bytes_() : 0;
    for (const engine::DiskReport& disk : report.disks) {
        write_lists(disk);
        result.disks.push_back(result_of(disk));
    }
    write(contracts::EngineResult{std::move(result)});
}

void EventWriter::error(const Error& error) {
    const std::lock_guard lock(mutex_);
    is_final_ = true;
    write(contracts::EngineError{contracts::to_json(error)});
}

}  // namespace mk
