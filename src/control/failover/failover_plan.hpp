#pragma once
// What is asked for, and the steps that follow from it. Pure computation.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/failover/ports.hpp"
#include "control/joblog/job_log.hpp"
#include "control/machines/machine.hpp"

namespace mk::failover {

struct FailoverRequest {
    bool live = false;
    /// A test on volumes made from the snapshots: the replicas stay at the appliance, and replication goes on.
    bool on_clones = false;
    std::vector<std::string> network_ids;  ///< in NIC order; empty = by mapping, then the configured default
    std::vector<std::string> addresses;    ///< in NIC order, "" = CloudStack chooses; may be shorter than the NICs
    bool keep_mac = false;                 ///< the source's MAC addresses; otherwise CloudStack makes new ones
    BootExpectation boot;
    bool inspect_guest = true;       ///< look at the guest's disks before anything is touched
    bool accept_unverified = false;  ///< go on although the recovery point is torn or known to differ; audited
    std::optional<std::chrono::seconds> test_duration;
    bool auto_cleanup = false;         ///< test: roll back by itself after test_duration
    bool rollback_on_failure = false;  ///< roll back by itself when a step fails
    bool force_power_off = false;      ///< live: power off when the guest does not shut down
    std::chrono::seconds shutdown_limit{600};
};
Json to_json(const FailoverRequest& request);  ///< as it is kept in failover_jobs.request
FailoverRequest request_from(const Json& json);

/// Where a failover notes in its job's metadata that the source ran when it began: only then a rollback starts it
/// again.
inline constexpr const char* source_was_running_key = "source_was_running";
/// Where a commit notes in its failover's metadata that it begins to delete the snapshots: from then on there is no way
/// back.
inline constexpr const char* commit_begun_key = "commit_begun";
/// Where a failover notes that it cannot be stopped any more: it is about to start the machine (live), or to record its
/// result.
inline constexpr const char* sealed_key = "sealed";
/// Where a failover that broke notes that its rollback is to start by itself; false from then on.
inline constexpr const char* rolls_back_key = "rolls_back_by_itself";
/// Where a rollback, a cleanup or a commit notes which failover it is about.
inline constexpr const char* failover_job_key = "failover_job";

/// The operations of the jobs that end a failover.
inline constexpr const char* rollback_operation = "rollback";
inline constexpr const char* go_back_operation = "go-back";
inline constexpr const char* cleanup_operation = "cleanup";
inline constexpr const char* commit_operation = "commit";
/// The last step of all plans: everything is done, only the result is not recorded yet.
inline constexpr const char* record_step = "vm-context-status-update";
/// Before it nothing was changed.
inline constexpr const char* validation_step = "pre-failover-validation";
inline constexpr const char* shutdown_step = "source-shutdown";
inline constexpr const char* start_step = "vm-startup-and-validation";

/// From this step on a failover cannot be stopped any more, only committed or taken back: a live failover's start of
/// its machine. To be marked wherever steps are shown.
inline bool is_point_of_no_return(JobType type, std::string_view step) {
    return type == JobType::live_failover && step == start_step;
}
/// The same for a person who is told.
inline constexpr const char* no_return_text = "the machine is started in the cloud: the point of no return";

/// Longer tests, and longer waits, are mistakes.
inline constexpr std::chrono::seconds longest_duration = std::chrono::hours{24 * 30};
/// Throws Error{invalid} for durations that are negative or absurd, and for wishes that contradict each other.
void check_request(const FailoverRequest& request);
/// Throws Error{invalid} unless it is between 1 second and 30 days.
void check_duration(const char* name, std::chrono::seconds value);
/// The rollback starts by itself when a step fails.
bool rolls_back_on_failure(const FailoverRequest& request);

/// True when a step that changes something has begun: what a failover changed, only a rollback puts right.
bool has_touched_something(const joblog::Job& failover);

/// The bus as the guest saw it at VMware, in virt-v2v's words: scsi, sata, ide, nvme.
std::string source_bus(const SourceMachine& source, const DiskId& disk);
/// The machine's disks with the boot disk first, the others in source order (K1).
std::vector<machines::MachineDisk> boot_disk_first(std::vector<machines::MachineDisk> disks, const DiskId& boot_disk);
/// "test-failover-<context>-<volume>-<unix time>" (J6), "live-failover-..." (G16); at most 255 characters. `begun`:
/// when the failover was asked for, so that its names are the same after a restart.
std::string snapshot_name(bool live, const VmContextId& vm, const VolumeId& volume, Instant begun);
/// "test-clone-<context>-<disk>-<unix time>"
std::string clone_name(const VmContextId& vm, const DiskId& disk, Instant begun);
/// "<vm>-test-<timestamp>" (G15) or the machine's own name for a live failover, by the CloudStack rules.
std::string destination_name(bool live, const std::string& vm_name, Instant now);

}  // namespace mk::failover
