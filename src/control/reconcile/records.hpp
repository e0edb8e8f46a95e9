#pragma once
// What is recorded of objects outside, at one moment. Plain data; read by record_reader.hpp.

#include <set>
#include <string>
#include <vector>

#include "control/ledger/ledger.hpp"
#include "control/machines/machine.hpp"
#include "control/reconcile/ports.hpp"

namespace mk::reconcile {

/// A row of ossea_volumes.
struct RecordedVolume {
    VolumeId id;
    VmContextId vm;
    DiskId disk;
    std::string name;
    Bytes size = 0;
    CloudSnapshotId snapshot_id;
    std::string snapshot_name;
    std::string snapshot_status;  ///< none, creating, ready, failed, rollback_complete
    bool is_in_a_point = false;   ///< a recovery point needs it
};

/// A row of volume_clones.
struct RecordedClone {
    std::string row_id;
    std::string name;
    VolumeId id;  ///< empty while its creation was not answered
    VmContextId vm;
};

/// The newest failover of a machine.
struct RecordedFailover {
    JobId job;
    VmContextId vm;
    bool live = false;
    std::string status;
    CloudMachineId machine;  ///< empty before it is known
    std::string machine_name;
};

struct Records {
    std::vector<machines::Machine> machines;
    std::set<VmContextId> busy;  ///< machines with a job that has not ended
    std::set<JobId> open_jobs;
    std::vector<ledger::Entry> entries;  ///< open ones
    std::vector<ledger::Entry> handed_over;
    std::vector<RecordedVolume> volumes;
    std::vector<RecordedClone> clones;
    std::vector<RecordedFailover> failovers;
    std::set<VmContextId> known_contexts;  ///< that were ever managed here
    std::set<JobId> known_jobs;            ///< of those that snapshots at the source name
};

/// What could not be asked.
struct Unreachable {
    ledger::Site site = ledger::Site::target;
    std::string name;  ///< "CloudStack", or the vCenter's
    std::string problem;
};

/// What the sites said, and which of them did not answer.
struct Reality {
    std::optional<TargetView> target;
    std::vector<SourceView> sources;
    std::set<std::string> silent_vcenters;
    std::vector<Unreachable> unreachable;
};

}  // namespace mk::reconcile
