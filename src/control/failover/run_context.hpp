#pragma once
// What the steps of a plan share: whose failover it is, and the way to everything that is recorded or real. Holds
// nothing that a step has learned: what a later step needs is in the database or can be seen. One object per job; runs
// on the job's thread.

#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "control/failover/collaborators.hpp"
#include "control/failover/failover_plan.hpp"

namespace mk::failover {

struct RunContext {
    Collaborators& use;
    JobId job;       ///< that carries the plan out; empty while it is only shown
    JobId failover;  ///< that is carried out, taken back, or committed
    VmContextId vm;
    FailoverRequest request;  ///< of the failover

    /// Throws Error{not_found} when it is not managed any more.
    machines::Machine machine() const;
    FailoverJob row() const;
    std::optional<RecoveryPoint> point() const;
    /// Boot disk first, then source order.
    std::vector<machines::MachineDisk> disks() const;
    /// The replica of each disk, in the order of disks(). Throws Error{conflict} when one has none.
    std::vector<contracts::Volume> replicas(const std::stop_token& stop) const;
    /// The clone of each disk that has one which is made, in the order of disks().
    std::vector<contracts::Volume> clones(const std::stop_token& stop) const;
    /// What the machine in the cloud runs on: the clones of a test on clones, otherwise the replicas. Throws
    /// Error{conflict} when one is missing.
    std::vector<contracts::Volume> guest_volumes(const std::stop_token& stop) const;
    /// The machine in the cloud; by the name that was recorded before it was made when its id was never learned.
    std::optional<CloudMachine> destination(const std::stop_token& stop) const;
    /// The same for steps after its creation: throws Error{conflict} when it is gone.
    CloudMachine require_destination(const std::stop_token& stop) const;
    contracts::PowerState source_power(const std::string& action, const std::stop_token& stop) const;

    /// Notes in the metadata of the failover's job, which its rollbacks read too; null for none.
    Json recall(const char* key) const;
    void remember(const char* key, const Json& value) const;
    /// Of a replica as the failover found it, where the recovery point's digest says nothing of it (a copy that is
    /// known to differ, and was accepted); empty when it was not read.
    std::string digest_before(const VolumeId& volume) const;
    void note_digest_before(const VolumeId& volume, const std::string& digest) const;
    /// A set of volumes in the metadata of a job.
    std::set<std::string> noted_volumes(const JobId& of_job, const char* key) const;
    void note_volume(const JobId& of_job, const char* key, const VolumeId& volume) const;
};

/// Whatever has become of it, its guest does not run.
bool is_off(const CloudMachine& machine);
/// True for a snapshot that is complete; a replica that was reverted to it still has it.
bool has_snapshot(const contracts::Volume& volume);
/// "the volume of disk-2000 (mk-web-01-disk-2000)"
std::string name_of(const contracts::Volume& volume);
std::string count_of(std::size_t done, std::size_t all, const char* what);

}  // namespace mk::failover
