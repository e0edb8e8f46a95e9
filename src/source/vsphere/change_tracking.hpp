#pragma once
// Changed block tracking: switching it on, and asking what changed (vsphere.md section 5).

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "source/vsphere/session.hpp"

namespace mk::vsphere {

/// Sets changeTrackingEnabled. It becomes effective with the next stun: take and remove one snapshot afterwards.
void enable_change_tracking(Session& session, const Moref& vm, const std::stop_token& stop);

/// One answer of QueryChangedDiskAreas.
struct AreaWindow {
    Bytes start = 0;
    Bytes length = 0;
    std::vector<Range> areas;
};

/// Asks window after window until the whole capacity is proven to be covered. An empty list only means that this window
/// has none. Throws Error{corrupt} for a window that does not follow on or does not advance, and
/// with native "ChangeTrackingReset" for more areas than are worth an increment. Result: clipped, sorted, merged.
std::vector<Range> collect_areas(Bytes capacity, const std::function<AreaWindow(Bytes start)>& ask);

/// Sorts, clips to the capacity and merges what overlaps or touches.
std::vector<Range> normalised(std::vector<Range> areas, Bytes capacity);

/// "<tracking uuid>" of "<tracking uuid>/<sequence>". Another one means that tracking was reset.
std::string tracking_uuid_of(const std::string& change_id);

struct AreaQuery {
    Moref vm;
    Moref snapshot;
    int device_key = 0;
    Bytes capacity = 0;
    std::string since;  ///< change id or "*"
};

/// Throws Error{corrupt, native "ChangeTrackingReset"} when the id is not accepted. For "*" a refusal means that the
/// allocation is unknown: the answer is then the whole disk.
std::vector<Range> query_areas(Session& session, const AreaQuery& query, const std::stop_token& stop);

Error tracking_reset(const std::string& why);

}  // namespace mk::vsphere
