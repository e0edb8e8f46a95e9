#pragma once
// The digest of a volume (base/block_digest), kept up to date by the leaves that a commit touched. One state file per
// volume (leaf_file.hpp), and one more for the state at the time of its snapshot. The files only save reading: one that
// is missing, damaged or cannot be written is dropped, and the volume is read. Memory does not grow with the volume.
// Thread-safe as long as one volume is used by one thread.

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/block_digest.hpp"
#include "model/ids.hpp"
#include "target/volumes/block_device.hpp"

namespace mk::volumes {

class LeafFileReader;

/// What leaves must hold, because it was just written to them.
struct ExpectedLeaves {
    std::size_t first = 0;  ///< by number
    std::size_t end = 0;
    LeafDigest digest;  ///< of each of them
    bool operator==(const ExpectedLeaves&) const = default;
};

class DigestMap {
  public:
    using Progress = std::function<void(double percent)>;

    explicit DigestMap(std::string folder);

    /// Reads the whole device freshly; keeps and returns the digest.
    std::string recompute(const VolumeId& volume_id, const BlockDevice& device, const std::stop_token& stop,
                          const Progress& on_progress = {}) const;
    /// Reads only the leaves that `touched` meets. Without a fitting state file as recompute(). `expected` (sorted,
    /// disjoint, inside of `touched`): Error{external} when the device does not give back what was written to it;
    /// nothing is kept then.
    std::string update(const VolumeId& volume_id, const BlockDevice& device, const std::vector<Range>& touched,
                       const std::stop_token& stop, const Progress& on_progress = {},
                       const std::vector<ExpectedLeaves>& expected = {}) const;
    /// As update() for a device that was all zero before `touched` was written.
    std::string from_zero(const VolumeId& volume_id, const BlockDevice& device, const std::vector<Range>& touched,
                          const std::stop_token& stop, const Progress& on_progress = {}) const;
    std::optional<std::string> known(const VolumeId& volume_id) const;

    void save_for_snapshot(const VolumeId& volume_id) const;
    /// The volume was reverted: what was known at the snapshot is true again.
    void restore_from_snapshot(const VolumeId& volume_id) const;
    void forget_snapshot(const VolumeId& volume_id) const;
    /// Nothing is known until the next commit; what was saved for the snapshot stays.
    void forget_current(const VolumeId& volume_id) const;
    void forget(const VolumeId& volume_id) const;

  private:
    std::string path(const VolumeId& volume_id) const;
    std::string snapshot_path(const VolumeId& volume_id) const;
    void replace(const VolumeId& volume_id, const std::string& from, const std::string& to) const;

    std::string folder_;
};

}  // namespace mk::volumes
