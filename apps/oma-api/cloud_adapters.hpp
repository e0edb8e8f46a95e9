#pragma once
// CloudStack for the control plane: machines and resource discovery, with the settings of the moment. Thread-safe: a
// client is made per call, so that changed settings apply at once.

#include <memory>

#include "control/failover/failover_repository.hpp"
#include "control/failover/ports.hpp"
#include "control/ledger/ledger.hpp"
#include "control/settings/cloudstack_setup.hpp"
#include "target/cloudstack/machine_commands.hpp"

namespace mk::oma {

/// A machine is ours when the ledger or its failover job holds its id. One that is known by its name only is ours when
/// it carries our tag, or the display name of that failover, and was created after the failover began. What is not ours
/// is neither adopted nor stopped nor destroyed, whatever its name (cloudstack.md section 9 rules 3 and 4).
class CloudMachinesAdapter : public failover::CloudMachines {
  public:
    CloudMachinesAdapter(settings::CloudStackSettingsRepository& settings, const ledger::Ledger& ledger,
                         const failover::FailoverRepository& failovers)
        : settings_(settings), ledger_(ledger), failovers_(failovers) {}

    void check(const std::stop_token& stop) override;
    std::optional<failover::CloudMachine> find(const CloudMachineId& id, const std::stop_token& stop) override;
    /// While the ledger has an open entry of that name: only a machine that is ours. Otherwise whoever's it is.
    std::optional<failover::CloudMachine> find_by_name(const std::string& name, const std::stop_token& stop) override;
    /// Error{conflict} when a machine of that name exists and is not ours.
    failover::CloudMachine create(const failover::MachineOrder& order, const std::stop_token& stop) override;
    failover::CloudMachine start(const CloudMachineId& id, const std::stop_token& stop) override;
    void stop(const CloudMachineId& id, const std::stop_token& stop_token) override;
    bool destroy(const CloudMachineId& id, const std::stop_token& stop) override;
    std::vector<std::string> network_ids(const std::stop_token& stop) override;

  private:
    bool is_ours(const cloudstack::MachineInfo& machine, const cloudstack::MachineCommands& machines,
                 const std::stop_token& stop) const;
    void refuse_others(const std::string& name, const cloudstack::MachineCommands& machines,
                       const std::stop_token& stop) const;
    void require_ours(const cloudstack::MachineInfo& machine, const cloudstack::MachineCommands& machines,
                      const std::stop_token& stop) const;
    std::optional<ledger::Entry> entry_of(const std::string& name) const;
    void tag(const CloudMachineId& id, const std::string& name, const cloudstack::MachineCommands& machines,
             const std::stop_token& stop) const;

    settings::CloudStackSettingsRepository& settings_;
    const ledger::Ledger& ledger_;
    const failover::FailoverRepository& failovers_;
};

class CloudResourceDiscovery : public settings::ResourceDiscovery {
  public:
    settings::Resources discover(const settings::CloudStackSettings& access, const std::stop_token& stop) override;
};

}  // namespace mk::oma
