#pragma once
// The snapshots of a machine and whose they are. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "source/vsphere/reply.hpp"

namespace mk::vsphere {

struct SnapshotEntry {
    Moref reference;
    std::string name;
    std::string description;
    Instant created{};
    bool quiesced = false;
};

/// The whole tree, parents before children. `snapshot` is the machine's property; absent when there is none.
std::vector<SnapshotEntry> read_snapshot_tree(const Node& snapshot);

/// What our snapshots say about themselves, for people and for is_ours().
std::string snapshot_description(std::string_view job_id, std::string_view appliance_id);

/// Whose a snapshot says it is.
struct SnapshotMark {
    std::string job_id;
    std::string appliance_id;
};
/// Nothing where the description does not carry our mark.
std::optional<SnapshotMark> mark_of(const SnapshotEntry& snapshot);

/// Name prefix and description mark both. With an `appliance_id` only that appliance's: another one may be reading from
/// its snapshot at this moment.
bool is_ours(const SnapshotEntry& snapshot, std::string_view appliance_id = {});

/// xsd:dateTime, UTC or with offset. The epoch for anything else.
Instant parse_date_time(std::string_view text);

}  // namespace mk::vsphere
