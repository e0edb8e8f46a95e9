#include "checkpoint_file.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"

namespace mk {

using engine::DiskCheckpoint;
using engine::RunDigest;

namespace {

constexpr int version = 1;
/// A line stays short, however much became durable at once.
constexpr std::size_t runs_per_line = 512;
/// 64 TiB in units of 32 MiB are about 130 MB; more is not one of ours.
constexpr Bytes longest_file = 1 * GiB;

std::string line_of(const Json& json) {
    return json::dump(json) + "\n";
}

std::string header_line(const DiskCheckpoint& disk) {
    Json touched = Json::array();
    for (const Range& range : disk.touched) {
        touched.push_back({range.offset, range.length});
    }
    return line_of({{"disk", disk.id.value},
                    {"session", disk.session},
                    {"change_id", disk.change_id},
                    {"backing_uuid", disk.backing_uuid},
                    {"capacity", disk.capacity},
                    {"touched", std::move(touched)}});
}

std::string run_lines(const DiskId& disk, std::span<const RunDigest> runs) {
    std::string text;
    for (std::size_t at = 0; at < runs.size(); at += runs_per_line) {
        Json list = Json::array();
        for (const RunDigest& run : runs.subspan(at, std::min(runs_per_line, runs.size() - at))) {
            list.push_back({run.range.offset, run.range.length, to_hex(run.digest)});
        }
        text += line_of({{"disk", disk.value}, {"runs", std::move(list)}});
    }
    return text;
}

std::string difference_lines(const DiskId& disk, std::span<const Range> differences) {
    std::string text;
    for (std::size_t at = 0; at < differences.size(); at += runs_per_line) {
        Json list = Json::array();
        for (const Range& range : differences.subspan(at, std::min(runs_per_line, differences.size() - at))) {
            list.push_back({range.offset, range.length});
        }
        text += line_of({{"disk", disk.value}, {"differences", std::move(list)}});
    }
    return text;
}

Range range_from(const Json& json, Bytes capacity) {
    if (!json.is_array() || json.size() < 2 || !json.at(0).is_number_unsigned() || !json.at(1).is_number_unsigned()) {
        throw Error(ErrorCode::invalid, "a range of a checkpoint is none");
    }
    const Range range{json.at(0).get<Bytes>(), json.at(1).get<Bytes>()};
    if (range.length == 0 || range.offset >= capacity || range.length > capacity - range.offset) {
        throw Error(ErrorCode::invalid, "a range of a checkpoint lies outside of the disk");
    }
    return range;
}

DiskCheckpoint header_from(const Json& json) {
    DiskCheckpoint disk{.id = DiskId{json::require<std::string>(json, "disk")},
                        .session = json::require<std::string>(json, "session"),
                        .change_id = json::require<std::string>(json, "change_id"),
                        .backing_uuid = json::require<std::string>(json, "backing_uuid"),
                        .capacity = json::require<Bytes>(json, "capacity"),
                        .touched = {}};
    for (const Json& range : json::require<Json>(json, "touched")) {
        disk.touched.push_back(range_from(range, disk.capacity));
    }
    disk.touched = engine::sorted_union(std::move(disk.touched));
    return disk;
}

DiskCheckpoint& disk_of(const Json& json, std::vector<DiskCheckpoint>& disks) {
    const std::string id = json::require<std::string>(json, "disk");
    const auto disk =
        std::find_if(disks.begin(), disks.end(), [&](const DiskCheckpoint& each) { return each.id.value == id; });
    if (disk == disks.end()) {
        throw Error(ErrorCode::invalid, "a checkpoint names an unknown disk");
    }
    return *disk;
}

void add_differences(const Json& json, DiskCheckpoint& disk) {
    for (const Json& range : json::require<Json>(json, "differences")) {
        disk.differences.push_back(range_from(range, disk.capacity));
    }
}

void add_runs(const Json& json, DiskCheckpoint& disk) {
    std::vector<RunDigest> runs;  // all of a line, or none
    for (const Json& run : json::require<Json>(json, "runs")) {
        const Range range = range_from(run, disk.capacity);
        if (run.size() != 3 || !run.at(2).is_string() || range.length > engine::unit_size) {
            throw Error(ErrorCode::invalid, "a run of a checkpoint is none");
        }
        runs.push_back({range, leaf_digest_from_hex(run.at(2).get<std::string>())});
    }
    disk.runs.insert(disk.runs.end(), runs.begin(), runs.end());
}

void add_line(std::string_view line, bool is_first, std::vector<DiskCheckpoint>& disks) {
    const Json json = json::parse(line);
    if (is_first) {
        if (json::require<int>(json, "version") != version) {
            throw Error(ErrorCode::invalid, "a checkpoint of another version");
        }
    } else if (json.contains("runs")) {
        add_runs(json, disk_of(json, disks));
    } else if (json.contains("differences")) {
        add_differences(json, disk_of(json, disks));
    } else {
        disks.push_back(header_from(json));
    }
}

/// No byte of a disk twice: such a file is not one of ours.
bool is_apart(DiskCheckpoint& disk) {
    std::sort(disk.runs.begin(), disk.runs.end(),
              [](const RunDigest& a, const RunDigest& b) { return a.range.offset < b.range.offset; });
    return std::adjacent_find(disk.runs.begin(), disk.runs.end(), [](const RunDigest& a, const RunDigest& b) {
               return a.range.end() > b.range.offset;
           }) == disk.runs.end();
}

}  // namespace

std::vector<DiskCheckpoint> CheckpointFile::load() {
    std::vector<DiskCheckpoint> disks;
    try {
        const std::string text = os::read_file(path_, longest_file);
        std::string_view rest(text);
        bool is_first = true;
        // What follows the last newline was torn by a crash.
        for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
            add_line(rest.substr(0, end), is_first, disks);
            is_first = false;
            rest.remove_prefix(end + 1);
        }
        if (!std::all_of(disks.begin(), disks.end(), is_apart)) {
            throw Error(ErrorCode::invalid, "a checkpoint has a range twice");
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) {
            log::warn("event=checkpoint_ignored path={} cause=\"{}\"", path_, error.cause());
        }
        disks.clear();
    }
    return disks;
}

void CheckpointFile::begin(const std::vector<DiskCheckpoint>& disks) {
    std::string text = line_of({{"version", version}});
    for (const DiskCheckpoint& disk : disks) {
        text += header_line(disk);
        text += difference_lines(disk.id, engine::sorted_union(disk.differences));
        text += run_lines(disk.id, disk.runs);
    }
    const std::lock_guard lock(mutex_);
    file_.close();
    try {
        os::write_file_atomically(path_, text);
        file_ = os::open_file(path_, O_WRONLY | O_APPEND);
    } catch (const Error& error) {
        throw error.within("the checkpoint cannot be kept")
            .advised({.consequence = "Nothing was written to the targets.",
                      .remedy = "Look after the VMA's state folder: is its disk full?",
                      .retry_safe = true});
    }
    is_broken_ = false;
}

void CheckpointFile::append(const DiskId& disk, std::span<const RunDigest> runs,
                            std::span<const Range> differences) noexcept {
    try {
        const std::string text = difference_lines(disk, differences) + run_lines(disk, runs);
        const std::lock_guard lock(mutex_);
        if (!file_ || is_broken_) {
            return;
        }
        is_broken_ = true;  // until everything went well
        for (std::size_t at = 0; at < text.size();) {
            const ssize_t written = ::write(file_.get(), text.data() + at, text.size() - at);
            if (written < 0 && errno != EINTR) {
                throw os::system_error("append to " + path_, errno);
            }
            at += written > 0 ? static_cast<std::size_t>(written) : 0;
        }
        if (::fdatasync(file_.get()) != 0) {
            throw os::system_error("sync " + path_, errno);
        }
        is_broken_ = false;
    } catch (const std::exception& caught) {
        log::warn("event=checkpoint_not_kept path={} cause=\"{}\": a later attempt will do this again", path_,
                  as_error(caught).cause());
    }
}

}  // namespace mk
