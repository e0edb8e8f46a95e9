#pragma once
// What replication needs from the source site and from the Volume Daemon. Implemented in apps/oma-api over contracts/.
// Errors are mk::Error as the peer reported them; Error{unavailable} when it cannot be reached.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "contracts/vma_api.hpp"
#include "contracts/volumes_api.hpp"
#include "model/source_machine.hpp"

namespace mk::replication {

class SourceSite {
  public:
    virtual ~SourceSite() = default;
    /// The machine as it is now, powered off or not. Throws Error{not_found}.
    virtual SourceMachine look_up(const contracts::VcenterAccess& access, const std::string& moref,
                                  const std::string& instance_uuid, const std::stop_token& stop) = 0;
    /// What the VMA writes to: "tunnel:///EXPORT" when it comes through the tunnel, otherwise the session's NBD URI.
    virtual std::string target_uri(const contracts::WriteSession& session) const = 0;
    /// True when the engine there can ask for digests of the copy: only the tunnel carries them. Throws like any call
    /// when there is no way to the site.
    virtual bool can_compare() const = 0;
    virtual void start_pass(const contracts::PassRequest& request, const std::stop_token& stop) = 0;
    virtual contracts::PassProgress progress(const JobId& job, const std::stop_token& stop) = 0;
    virtual void stop_pass(const JobId& job) = 0;
    virtual void forget_pass(const JobId& job) = 0;
    /// The limit of all jobs of the site together, from now on; 0: none. Safe to repeat.
    virtual void set_limit(Bytes bytes_per_second) = 0;
    /// What the site knows of sessions that it could go on with is not needed any more. Error{not_found} when it knows
    /// nothing of the machine.
    virtual void forget_checkpoint(const std::string& instance_uuid) = 0;
    /// Removes snapshots of ours; returns the names of those that are still there.
    virtual std::vector<std::string> sweep_snapshots(const contracts::VcenterAccess& access, const std::string& moref,
                                                     const std::stop_token& stop) = 0;
};

/// The operator's limits. Called about every second by every pass that copies; must not block. Thread-safe.
class BandwidthPolicy {
  public:
    virtual ~BandwidthPolicy() = default;
    /// Of the way between the sites at this moment, daily windows considered; 0: none.
    virtual Bytes limit_now() = 0;
};

/// How much of what is said to be unchanged an ordinary increment compares with the copy. Thread-safe.
class SamplingPolicy {
  public:
    virtual ~SamplingPolicy() = default;
    /// 0 to 100.
    virtual int compare_percent(const VmContextId& vm) = 0;
};

/// Hears what a long operation does now, e.g. "attached, waiting for the device".
using Report = std::function<void(const std::string& detail)>;

class ReplicaVolumes {
  public:
    virtual ~ReplicaVolumes() = default;
    virtual std::vector<contracts::Volume> volumes_of(const VmContextId& vm, const std::stop_token& stop) = 0;
    virtual contracts::Volume create(const contracts::CreateVolume& request, const std::stop_token& stop) = 0;
    virtual contracts::Volume resize(const VolumeId& volume, Bytes bytes, const std::stop_token& stop) = 0;
    virtual contracts::Volume attach_to_appliance(const VolumeId& volume, const std::stop_token& stop) = 0;
    virtual void detach(const VolumeId& volume, const std::stop_token& stop) = 0;
    virtual void remove(const VolumeId& volume, const std::stop_token& stop) = 0;
    /// Of a volume that is to be removed: a failover that could not be taken back left it. No error without one.
    virtual void remove_snapshot(const VolumeId& volume, const std::stop_token& stop) = 0;

    /// With `resume_of` the open session of that job for the volume becomes the new job's, with all that arrived in it.
    virtual contracts::WriteSession open_session(const contracts::OpenWriteSession& request,
                                                 const std::stop_token& stop) = 0;
    virtual std::vector<contracts::WriteSession> sessions_of(const JobId& job, const std::stop_token& stop) = 0;
    /// Ranges whose bytes on the target differ from the digest.
    virtual std::vector<Range> verify(const WriteSessionId& session,
                                      const std::vector<contracts::DigestedRange>& ranges,
                                      const std::stop_token& stop) = 0;
    /// Applies and closes the session; returns the digest of the whole volume. Safe to repeat.
    virtual std::string commit(const WriteSessionId& session, const Report& report, const std::stop_token& stop) = 0;
    /// Of an open session; Error{conflict} when its commit has begun.
    virtual void abort(const WriteSessionId& session, const std::stop_token& stop) = 0;
    /// Aborts also one whose commit has begun: its volume stays between two points. Safe to repeat.
    virtual void give_up(const WriteSessionId& session, const std::stop_token& stop) = 0;
};

}  // namespace mk::replication
