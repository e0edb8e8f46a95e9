#pragma once
// What a pass is asked to do beside copying what changed. Plain data.

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace mk::replication {

struct PassOptions {
    /// Copies everything anew: what an earlier pass left to go on from is dropped.
    bool full = false;
    /// Reads the whole machine, compares it with the copy by digests and sends what differs: for when change tracking
    /// is not to be trusted. Without a recovery point there is nothing to compare with, so everything is sent.
    bool compare = false;
    /// An increment compares a share of what is said to be unchanged. Off where downtime counts more: the final sync of
    /// a failover. What is known to be doubtful is compared all the same. The caller's, not part of the JSON.
    bool sample = true;
    int priority = 0;            ///< -100 to 100; higher ones get slots and bandwidth first
    Bytes bytes_per_second = 0;  ///< limit of this job on the wire; 0: none
};

/// Throws Error{invalid}: full and compare together, a priority out of bounds.
void check_options(const PassOptions& options);
/// For a job's metadata, and back; what is missing is the default.
Json to_json(const PassOptions& options);
PassOptions pass_options_from(const Json& json);

}  // namespace mk::replication
