#pragma once
// The digest of a volume, kept up to date by the units that a commit touched: SHA-256 of each 32 MiB unit; the volume's
// digest is the SHA-256 over the unit digests (lower-case hex, one after the other, without separators). One state file
// per volume, and one more for the state at the time of its snapshot. The files only save reading: one that cannot be
// written or read is dropped, and the next commit reads the whole volume. Thread-safe as long as one volume is used by
// one thread.

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "model/ids.hpp"
#include "target/volumes/block_device.hpp"

namespace mk::volumes {

class DigestMap {
  public:
    using Progress = std::function<void(double percent)>;

    explicit DigestMap(std::string folder);

    /// Reads the whole device freshly; keeps and returns the digest.
    std::string recompute(const VolumeId& volume_id, const BlockDevice& device, const std::stop_token& stop,
                          const Progress& on_progress = {}) const;
    /// Reads only the units that `touched` meets. Without a fitting state file as recompute().
    std::string update(const VolumeId& volume_id, const BlockDevice& device, const std::vector<Range>& touched,
                       const std::stop_token& stop, const Progress& on_progress = {}) const;
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
    struct Units;
    std::string path(const VolumeId& volume_id) const;
    std::string snapshot_path(const VolumeId& volume_id) const;
    std::optional<Units> load(const VolumeId& volume_id) const;
    void store(const VolumeId& volume_id, const std::string& file, const std::string& content) const;
    std::string hash(const VolumeId& volume_id, const BlockDevice& device, Units units,
                     const std::vector<Range>& touched, const std::stop_token& stop, const Progress& on_progress) const;

    std::string folder_;
};

}  // namespace mk::volumes
