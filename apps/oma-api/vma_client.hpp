#pragma once
// The VMware site, spoken to through the VMA's API. Thread-safe.

#include <chrono>
#include <functional>
#include <string>

#include "control/discovery/discovery_service.hpp"
#include "control/failover/ports.hpp"
#include "control/reconcile/ports.hpp"
#include "control/replication/ports.hpp"
#include "source_access.hpp"
#include "vma_connections.hpp"

namespace mk::oma {

/// For calls of the VMA to vCenters, of which it makes a few at a time and refuses the others.
struct VmaTurns {
    std::chrono::milliseconds pause = std::chrono::seconds{2};
    /// Of the waiting and of the call: discovery of a large vCenter, removal of a snapshot.
    std::chrono::milliseconds limit = std::chrono::minutes{15};
};

class VmaClient : public replication::SourceSite,
                  public discovery::SourceInventory,
                  public failover::SourcePower,
                  public reconcile::SourceSnapshots {
  public:
    /// `route` is asked before each call and may throw.
    explicit VmaClient(std::function<VmaRoute()> route, VmaTurns turns = {})
        : route_(std::move(route)), turns_(turns) {}

    discovery::Inventory discover(const contracts::VcenterAccess& access, const std::string& filter,
                                  const std::stop_token& stop) override;
    SourceMachine look_up(const contracts::VcenterAccess& access, const std::string& moref,
                          const std::string& instance_uuid, const std::stop_token& stop) override;
    std::string target_uri(const contracts::WriteSession& session) const override;
    bool can_compare() const override;
    void start_pass(const contracts::PassRequest& request, const std::stop_token& stop) override;
    contracts::PassProgress progress(const JobId& job, const std::stop_token& stop) override;
    void stop_pass(const JobId& job) override;
    void forget_pass(const JobId& job) override;
    void set_limit(Bytes bytes_per_second) override;
    void forget_checkpoint(const std::string& instance_uuid) override;
    std::vector<std::string> sweep_snapshots(const contracts::VcenterAccess& access, const std::string& moref,
                                             const std::stop_token& stop) override;
    contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token& stop) override;
    reconcile::SourceView find_snapshots(const contracts::VcenterAccess& access, const std::stop_token& stop) override;
    void remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token& stop) override;
    /// The version that /health tells. Throws Error{unavailable}.
    std::string version();

  private:
    VmaConnections::Lease call(std::chrono::milliseconds limit);
    Json post_in_turn(const std::string& path, const Json& body, std::chrono::milliseconds limit,
                      const std::stop_token& stop);

    std::function<VmaRoute()> route_;
    VmaTurns turns_;
    VmaConnections connections_;
};

}  // namespace mk::oma
