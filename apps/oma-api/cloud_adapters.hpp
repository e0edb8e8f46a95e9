#pragma once
// CloudStack for the control plane: machines and resource discovery, with the settings of the moment. Thread-safe: a
// client is made per call, so that changed settings apply at once.

#include <memory>

#include "control/failover/ports.hpp"
#include "control/settings/cloudstack_setup.hpp"
#include "target/cloudstack/client.hpp"

namespace mk::oma {

class CloudMachinesAdapter : public failover::CloudMachines {
  public:
    explicit CloudMachinesAdapter(settings::CloudStackSettingsRepository& settings) : settings_(settings) {}

    void check(const std::stop_token& stop) override;
    std::optional<failover::CloudMachine> find(const CloudMachineId& id, const std::stop_token& stop) override;
    std::optional<failover::CloudMachine> find_by_name(const std::string& name, const std::stop_token& stop) override;
    failover::CloudMachine create(const failover::MachineOrder& order, const std::stop_token& stop) override;
    failover::CloudMachine start(const CloudMachineId& id, const std::stop_token& stop) override;
    void stop(const CloudMachineId& id, const std::stop_token& stop_token) override;
    bool destroy(const CloudMachineId& id, const std::stop_token& stop) override;
    std::vector<std::string> network_ids(const std::stop_token& stop) override;

  private:
    settings::CloudStackSettingsRepository& settings_;
};

class CloudResourceDiscovery : public settings::ResourceDiscovery {
  public:
    settings::Resources discover(const settings::CloudStackSettings& access, const std::stop_token& stop) override;
};

}  // namespace mk::oma
