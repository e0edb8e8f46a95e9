#pragma once
// What was seen on a guest's disks, by recovery point: looking takes half a minute, and a check is often followed by
// the failover that asks the same. In memory only. Thread-safe.

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "control/failover/ports.hpp"

namespace mk::failover {

class InspectionCache {
  public:
    /// The order of the disks, which the boot disk decides, is part of what was seen.
    static std::string key_of(const RecoveryPointId& point, const DiskId& boot_disk);

    std::optional<GuestInspection> find(const std::string& key) const;
    /// Keeps the last sixty-four.
    void keep(const std::string& key, const GuestInspection& seen);

  private:
    mutable std::mutex mutex_;
    std::map<std::string, GuestInspection> seen_;  // guarded by mutex_
    std::deque<std::string> order_;                // guarded by mutex_; oldest first
};

}  // namespace mk::failover
