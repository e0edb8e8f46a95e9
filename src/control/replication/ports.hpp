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
    virtual void start_pass(const contracts::PassRequest& request, const std::stop_token& stop) = 0;
    virtual contracts::PassProgress progress(const JobId& job, const std::stop_token& stop) = 0;
    virtual void stop_pass(const JobId& job) = 0;
    virtual void forget_pass(const JobId& job) = 0;
    /// Removes snapshots of ours; returns the names of those that are still there.
    virtual std::vector<std::string> sweep_snapshots(const contracts::VcenterAccess& access, const std::string& moref,
                                                     const std::stop_token& stop) = 0;
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

    virtual contracts::WriteSession open_session(const contracts::OpenWriteSession& request,
                                                 const std::stop_token& stop) = 0;
    virtual std::vector<contracts::WriteSession> sessions_of(const JobId& job, const std::stop_token& stop) = 0;
    /// Ranges whose bytes on the target differ from the digest.
    virtual std::vector<Range> verify(const WriteSessionId& session,
                                      const std::vector<contracts::DigestedRange>& ranges,
                                      const std::stop_token& stop) = 0;
    /// Applies and closes the session; returns the digest of the whole volume. Safe to repeat.
    virtual std::string commit(const WriteSessionId& session, const Report& report, const std::stop_token& stop) = 0;
    virtual void abort(const WriteSessionId& session, const std::stop_token& stop) = 0;
};

}  // namespace mk::replication
