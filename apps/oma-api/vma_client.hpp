#pragma once
// The VMware site, spoken to through the VMA's API. Thread-safe: every call uses a connection of its own.

#include <string>

#include "base/secret.hpp"
#include "control/discovery/discovery_service.hpp"
#include "control/failover/ports.hpp"
#include "control/replication/ports.hpp"

namespace mk::oma {

class VmaClient : public replication::SourceSite, public discovery::SourceInventory, public failover::SourcePower {
  public:
    VmaClient(std::string base_url, Secret token);

    discovery::Inventory discover(const contracts::VcenterAccess& access, const std::string& filter,
                                  const std::stop_token& stop) override;
    SourceMachine look_up(const contracts::VcenterAccess& access, const std::string& moref,
                          const std::string& instance_uuid, const std::stop_token& stop) override;
    void start_pass(const contracts::PassRequest& request, const std::stop_token& stop) override;
    contracts::PassProgress progress(const JobId& job, const std::stop_token& stop) override;
    void stop_pass(const JobId& job) override;
    void forget_pass(const JobId& job) override;
    std::vector<std::string> sweep_snapshots(const contracts::VcenterAccess& access, const std::string& moref,
                                             const std::stop_token& stop) override;
    contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token& stop) override;
    /// The version that /health tells. Throws Error{unavailable}.
    std::string version();

  private:
    std::string base_url_;
    Secret token_;
};

}  // namespace mk::oma
