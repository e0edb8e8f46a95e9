#include "target/volumes/digest_map.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>

#include <fmt/core.h>
#include <unistd.h>

#include "base/log.hpp"
#include "target/volumes/content_digests.hpp"
#include "target/volumes/leaf_file.hpp"
#include "target/volumes/worker_team.hpp"

namespace mk::volumes {
namespace {

/// Leaves that are handled at once: 4 GiB of the volume, 256 KiB of memory.
constexpr std::size_t block_leaves = 16384;
/// Read by one worker at a time: 16 MiB.
constexpr std::size_t part_leaves = 64;
const std::vector<ExpectedLeaves> nothing_expected;

class DeviceContent : public ReadableContent {
  public:
    explicit DeviceContent(const BlockDevice& device) : device_(device) {}
    Bytes size() const override { return device_.size(); }
    void read(Bytes offset, std::span<std::byte> buffer) override { device_.read(offset, buffer); }
    std::vector<ContentExtent> extents(Range range, std::size_t limit) override {
        return device_.extents(range, limit);
    }

  private:
    const BlockDevice& device_;
};

/// A run of leaves, by number.
struct LeafRun {
    std::size_t first = 0;
    std::size_t end = 0;
};

/// The leaves that the ranges meet: sorted, disjoint.
std::vector<LeafRun> leaves_met(const std::vector<Range>& touched, Bytes size) {
    std::vector<LeafRun> runs;
    for (const auto& range : touched) {
        if (range.length > 0 && range.offset < size) {
            const auto end = std::min(range.end(), size);
            runs.push_back({range.offset / leaf_size, (end + leaf_size - 1) / leaf_size});
        }
    }
    std::sort(runs.begin(), runs.end(), [](const LeafRun& a, const LeafRun& b) { return a.first < b.first; });
    std::vector<LeafRun> merged;
    for (const auto& run : runs) {
        if (!merged.empty() && run.first <= merged.back().end) {
            merged.back().end = std::max(merged.back().end, run.end);
        } else {
            merged.push_back(run);
        }
    }
    return merged;
}

/// Goes through all leaves of a volume once, block by block: takes what is known, reads what was touched, and writes
/// the new state file.
class DigestPass {
  public:
    DigestPass(const VolumeId& volume_id, const BlockDevice& device, const std::vector<Range>& touched,
               const std::vector<ExpectedLeaves>& expected, const std::stop_token& stop)
        : volume_id_(volume_id),
          content_(device),
          size_(device.size()),
          runs_(leaves_met(touched, size_)),
          expected_(expected),
          stop_(stop),
          before_(size_),
          after_(size_) {}

    /// The digest; nothing when what is in `known` proves to be damaged. Without `known` all was zero.
    std::optional<std::string> run(const LeafFileReader* known, const std::string& path,
                                   const DigestMap::Progress& on_progress) {
        begin_file(path);
        const auto count = leaf_count({0, size_});
        for (std::size_t first = 0; first < count; first += block_leaves) {
            leaves_.assign(std::min(block_leaves, count - first), LeafDigest{});
            if (known != nullptr && !read_known(*known, first)) {
                return std::nullopt;
            }
            read_touched(first);
            after_.add(leaves_);
            try_file([&] { file_->write(first, leaves_); });
            if (on_progress) {
                on_progress(100.0 * static_cast<double>(first + leaves_.size()) / static_cast<double>(count));
            }
        }
        if (known != nullptr && before_.finish() != known->digest()) {
            return std::nullopt;
        }
        auto digest = after_.finish();
        try_file([&] { file_->finish(digest); });
        if (!file_) {
            os::remove_file(path);  // an old one would lie about what the volume holds now
        }
        return digest;
    }

  private:
    bool read_known(const LeafFileReader& known, std::size_t first) {
        try {
            known.read(first, leaves_);
        } catch (const Error& error) {
            log::warn("volume={} its kept digests cannot be read: {}", volume_id_.value, error.cause());
            return false;
        }
        before_.add(leaves_);
        return true;
    }

    void begin_file(const std::string& path) {
        try {
            file_ = std::make_unique<LeafFileWriter>(path, size_);
        } catch (const Error& error) {
            tell_not_kept(error);
        }
    }

    void try_file(const std::function<void()>& action) {
        if (!file_) {
            return;
        }
        try {
            action();
        } catch (const Error& error) {
            file_.reset();
            tell_not_kept(error);
        }
    }

    void tell_not_kept(const Error& error) const {
        log::warn("volume={} its digests cannot be kept, the next commit reads the whole volume: {}", volume_id_.value,
                  error.cause());
    }

    /// The touched leaves of the block that begins at leaf `first`, in parts for the workers.
    void read_touched(std::size_t first) {
        const auto end = first + leaves_.size();
        std::vector<LeafRun> parts;
        for (; next_run_ < runs_.size() && runs_[next_run_].first < end; ++next_run_) {
            const auto& run = runs_[next_run_];
            for (auto at = std::max(run.first, first); at < std::min(run.end, end); at += part_leaves) {
                parts.push_back({at, std::min({at + part_leaves, run.end, end})});
            }
            if (run.end > end) {
                break;  // goes on in the next block
            }
        }
        do_parts(parts.size(), usual_workers, [&]() -> PartWork {
            const auto buffer = std::make_shared<AlignedBuffer>(digest_read_size);
            return [&, buffer](std::size_t part) { read_part(parts[part], first, *buffer); };
        });
    }

    void read_part(const LeafRun& part, std::size_t block, AlignedBuffer& buffer) {
        if (stop_.stop_requested()) {
            throw Error(ErrorCode::cancelled,
                        "stopped while reading the volume " + volume_id_.value + " for its digest");
        }
        const Bytes start = part.first * leaf_size;
        const Range range{start, std::min<Bytes>(part.end * leaf_size, size_) - start};
        const auto digests = read_leaf_digests(content_, range, buffer);
        check(part, digests);
        for (std::size_t i = 0; i < digests.size(); ++i) {
            const bool is_zero = digests[i] == zero_leaf_digest(leaf_of(range, i).length);
            leaves_[part.first - block + i] = is_zero ? LeafDigest{} : digests[i];
        }
    }

    void check(const LeafRun& part, const std::vector<LeafDigest>& digests) const {
        auto known = std::partition_point(expected_.begin(), expected_.end(),
                                          [&](const ExpectedLeaves& leaves) { return leaves.end <= part.first; });
        for (; known != expected_.end() && known->first < part.end; ++known) {
            for (auto i = std::max(known->first, part.first); i < std::min(known->end, part.end); ++i) {
                if (digests[i - part.first] != known->digest) {
                    throw lost_write(i);
                }
            }
        }
    }

    Error lost_write(std::size_t leaf) const {
        return Error(
            ErrorCode::external,
            fmt::format("the volume {} does not hold what was just written to it at offset {}", volume_id_.value,
                        leaf * leaf_size),
            {.consequence = "The volume is between two points until the commit is repeated; the staged changes "
                            "are kept.",
             .remedy = "Look at the storage of the volume, then repeat the commit.",
             .retry_safe = true});
    }

    const VolumeId& volume_id_;
    DeviceContent content_;
    const Bytes size_;
    const std::vector<LeafRun> runs_;
    const std::vector<ExpectedLeaves>& expected_;
    const std::stop_token& stop_;
    VolumeDigester before_;
    VolumeDigester after_;
    std::unique_ptr<LeafFileWriter> file_;
    std::vector<LeafDigest> leaves_;
    std::size_t next_run_ = 0;
};

}  // namespace

DigestMap::DigestMap(std::string folder) : folder_(std::move(folder)) {
    os::make_folders(folder_);
}

std::string DigestMap::path(const VolumeId& volume_id) const {
    return folder_ + "/" + volume_id.value + ".leaves";
}
std::string DigestMap::snapshot_path(const VolumeId& volume_id) const {
    return folder_ + "/" + volume_id.value + ".snapshot.leaves";
}

std::string DigestMap::from_zero(const VolumeId& volume_id, const BlockDevice& device,
                                 const std::vector<Range>& touched, const std::stop_token& stop,
                                 const Progress& on_progress) const {
    device.forget_cached();
    return DigestPass(volume_id, device, touched, nothing_expected, stop)
        .run(nullptr, path(volume_id), on_progress)
        .value();
}

std::string DigestMap::recompute(const VolumeId& volume_id, const BlockDevice& device, const std::stop_token& stop,
                                 const Progress& on_progress) const {
    return from_zero(volume_id, device, {{0, device.size()}}, stop, on_progress);
}

std::string DigestMap::update(const VolumeId& volume_id, const BlockDevice& device, const std::vector<Range>& touched,
                              const std::stop_token& stop, const Progress& on_progress,
                              const std::vector<ExpectedLeaves>& expected) const {
    device.forget_cached();
    const auto known = LeafFileReader::open(path(volume_id));
    if (known && known->volume_size() == device.size()) {
        DigestPass pass(volume_id, device, touched, expected, stop);
        if (auto digest = pass.run(&*known, path(volume_id), on_progress)) {
            return std::move(*digest);
        }
        log::warn("volume={} its kept digests are damaged, the whole volume is read", volume_id.value);
    }
    DigestPass whole(volume_id, device, {{0, device.size()}}, expected, stop);
    return whole.run(nullptr, path(volume_id), on_progress).value();
}

std::optional<std::string> DigestMap::known(const VolumeId& volume_id) const {
    const auto file = LeafFileReader::open(path(volume_id));
    if (!file) {
        return std::nullopt;
    }
    VolumeDigester digester(file->volume_size());
    const auto count = leaf_count({0, file->volume_size()});
    std::vector<LeafDigest> leaves;
    for (std::size_t first = 0; first < count; first += block_leaves) {
        leaves.resize(std::min(block_leaves, count - first));
        file->read(first, leaves);
        digester.add(leaves);
    }
    return digester.finish() == file->digest() ? std::optional(file->digest()) : std::nullopt;
}

/// `to` becomes what `from` is, or nothing when that is not there or cannot be done.
void DigestMap::replace(const VolumeId& volume_id, const std::string& from, const std::string& to) const {
    os::remove_file(to);
    if (::link(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
        log::warn("volume={} its digests cannot be kept: {}", volume_id.value,
                  os::system_error("link " + to, errno).cause());
    }
    sync_folder(folder_);
}

void DigestMap::save_for_snapshot(const VolumeId& volume_id) const {
    replace(volume_id, path(volume_id), snapshot_path(volume_id));
}

void DigestMap::restore_from_snapshot(const VolumeId& volume_id) const {
    replace(volume_id, snapshot_path(volume_id), path(volume_id));
}

void DigestMap::forget_snapshot(const VolumeId& volume_id) const {
    os::remove_file(snapshot_path(volume_id));
}

void DigestMap::forget_current(const VolumeId& volume_id) const {
    os::remove_file(path(volume_id));
    sync_folder(folder_);
}

void DigestMap::forget(const VolumeId& volume_id) const {
    os::remove_file(path(volume_id));
    forget_snapshot(volume_id);
}

}  // namespace mk::volumes
