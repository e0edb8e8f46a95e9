#pragma once
// What is asked for, and the steps that follow from it. Pure computation.

#include <optional>
#include <string>
#include <vector>

#include "control/joblog/job_log.hpp"
#include "control/machines/machine.hpp"

namespace mk::failover {

struct FailoverRequest {
    bool live = false;
    std::vector<std::string> network_ids;  ///< in NIC order; empty = by mapping, then the configured default
    std::string probe;                     ///< how the boot is proven; see BootCheck
    std::chrono::seconds boot_limit{600};
    std::optional<std::chrono::seconds> test_duration;
    bool auto_cleanup = false;
    bool force_power_off = false;  ///< live: power off when the guest does not shut down
    std::chrono::seconds shutdown_limit{600};
};

/// Where a failover notes in its job's metadata that the source ran when it began: only then a rollback starts it
/// again.
inline constexpr const char* source_was_running_key = "source_was_running";
/// Where a commit notes in its failover's metadata that it begins to delete the snapshots: from then on there is no way
/// back.
inline constexpr const char* commit_begun_key = "commit_begun";
/// The operation of the job that commits a live failover.
inline constexpr const char* commit_operation = "commit";
/// The last step of all plans: everything is done, only the result is not recorded yet.
inline constexpr const char* record_step = "vm-context-status-update";

/// Throws Error{invalid} for durations that are negative or absurd (> 30 days).
void check_request(const FailoverRequest& request);
std::vector<joblog::StepPlan> failover_steps(bool live);
/// The ten steps of the inventory (H1), in their order; a failed live failover also restarts the source.
std::vector<joblog::StepPlan> rollback_steps(bool live);
std::vector<joblog::StepPlan> commit_steps();

/// True when every step but record_step is done: the process died between the last effect and its record.
bool lacks_only_the_record(const joblog::Job& job);
/// True when a step that changes something has begun: what a failover changed, only a rollback puts right.
bool has_touched_something(const joblog::Job& failover);

/// The machine's disks with the boot disk first, the others in source order (K1).
std::vector<machines::MachineDisk> boot_disk_first(std::vector<machines::MachineDisk> disks, const DiskId& boot_disk);
/// "test-failover-<context>-<volume>-<unix time>" (J6), "live-failover-..." (G16); at most 255 characters.
std::string snapshot_name(bool live, const VmContextId& vm, const VolumeId& volume, Instant now);
/// "<vm>-test-<timestamp>" (G15) or the machine's own name for a live failover, by the CloudStack rules.
std::string destination_name(bool live, const std::string& vm_name, Instant now);

}  // namespace mk::failover
