#include "control/failover/inspection_cache.hpp"

namespace mk::failover {

namespace {
constexpr std::size_t most_kept = 64;
}

std::string InspectionCache::key_of(const RecoveryPointId& point, const DiskId& boot_disk) {
    return point.value + "/" + boot_disk.value;
}

std::optional<GuestInspection> InspectionCache::find(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = seen_.find(key);
    return found == seen_.end() ? std::nullopt : std::optional(found->second);
}

void InspectionCache::keep(const std::string& key, const GuestInspection& seen) {
    const std::lock_guard lock(mutex_);
    if (seen_.insert_or_assign(key, seen).second) {
        order_.push_back(key);
    }
    while (order_.size() > most_kept) {
        seen_.erase(order_.front());
        order_.pop_front();
    }
}

}  // namespace mk::failover
