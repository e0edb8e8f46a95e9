#pragma once
// The Volume Daemon, spoken to through its API. Long calls are operations that are polled; an operation that the
// daemon's restart interrupted is started again, which is safe because every call reads reality first. Thread-safe.

#include <functional>
#include <string>

#include "base/retry.hpp"
#include "base/secret.hpp"
#include "control/failover/ports.hpp"
#include "control/replication/ports.hpp"

namespace mk::oma {

class VolumesClient : public replication::ReplicaVolumes, public failover::FailoverVolumes {
  public:
    using Report = std::function<void(const std::string&)>;

    struct Pacing {
        std::chrono::milliseconds poll{300};
        /// A daemon that cannot be asked for this long is not just restarting.
        RetryPolicy patience{.give_up_after = std::chrono::seconds{60}};
    };
    VolumesClient(std::string base_url, Secret token, Pacing pacing);
    VolumesClient(std::string base_url, Secret token)
        : VolumesClient(std::move(base_url), std::move(token), Pacing{}) {}

    std::vector<contracts::Volume> volumes_of(const VmContextId& vm, const std::stop_token& stop) override;
    contracts::Volume create(const contracts::CreateVolume& request, const std::stop_token& stop) override;
    contracts::Volume resize(const VolumeId& volume, Bytes bytes, const std::stop_token& stop) override;
    contracts::Volume attach_to_appliance(const VolumeId& volume, const std::stop_token& stop) override;
    contracts::Volume attach_as_root(const VolumeId& volume, const CloudMachineId& machine,
                                     const std::stop_token& stop) override;
    contracts::Volume attach_as_data(const VolumeId& volume, const CloudMachineId& machine,
                                     const std::stop_token& stop) override;
    void detach(const VolumeId& volume, const std::stop_token& stop) override;
    void remove(const VolumeId& volume, const std::stop_token& stop) override;

    contracts::WriteSession open_session(const contracts::OpenWriteSession& request,
                                         const std::stop_token& stop) override;
    std::vector<contracts::WriteSession> sessions_of(const JobId& job, const std::stop_token& stop) override;
    std::vector<Range> verify(const WriteSessionId& session, const std::vector<contracts::DigestedRange>& ranges,
                              const std::stop_token& stop) override;
    std::string commit(const WriteSessionId& session, const Report& report, const std::stop_token& stop) override;
    void abort(const WriteSessionId& session, const std::stop_token& stop) override;
    void give_up(const WriteSessionId& session, const std::stop_token& stop) override;

    contracts::Snapshot create_snapshot(const VolumeId& volume, const std::string& name, const Report& report,
                                        const std::stop_token& stop) override;
    contracts::Snapshot create_snapshot_for_clones(const VolumeId& volume, const std::string& name,
                                                   const Report& report, const std::stop_token& stop) override;
    void revert_snapshot(const VolumeId& volume, const Report& report, const std::stop_token& stop) override;
    void remove_snapshot(const VolumeId& volume, const std::stop_token& stop) override;
    contracts::Volume create_clone(const VolumeId& volume, const std::string& name, const Report& report,
                                   const std::stop_token& stop) override;
    std::vector<contracts::Volume> clones_of(const VmContextId& vm, const std::stop_token& stop) override;
    void remove_clone(const VolumeId& clone, const std::stop_token& stop) override;
    std::string digest(const VolumeId& volume, const Report& report, const std::stop_token& stop) override;
    void discard_default_root(const CloudMachineId& machine, const std::stop_token& stop) override;
    std::vector<failover::MachineVolume> volumes_at(const CloudMachineId& machine,
                                                    const std::stop_token& stop) override;
    failover::StagingSpace staging(const std::stop_token& stop) override;

    /// The version that /health tells. Throws Error{unavailable}.
    std::string version();

  private:
    std::vector<contracts::Volume> list(const std::string& query, const std::stop_token& stop);
    contracts::Snapshot take_snapshot(const VolumeId& volume, const std::string& name, bool must_revert,
                                      const Report& report, const std::stop_token& stop);
    Json operate(const std::string& method, const std::string& path, const Json& body, const Report& report,
                 const std::stop_token& stop);
    contracts::Operation follow(const std::string& operation_id, const Report& report, const std::stop_token& stop);

    std::string base_url_;
    Secret token_;
    Pacing pacing_;
};

}  // namespace mk::oma
