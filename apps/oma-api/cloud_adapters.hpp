#pragma once
// CloudStack for the control plane: machines and resource discovery, with the settings of the moment. Thread-safe: a
// client is made per call, so that changed settings apply at once.

#include <chrono>
#include <string>
#include <vector>

#include "control/failover/failover_repository.hpp"
#include "control/failover/ports.hpp"
#include "control/joblog/job_log.hpp"
#include "control/ledger/effects.hpp"
#include "control/ledger/ledger.hpp"
#include "control/settings/cloudstack_setup.hpp"
#include "target/cloudstack/machine_commands.hpp"

namespace mk::oma {

/// A machine is ours when the ledger or its failover job holds its id. One that is known by its name only is ours when
/// it carries our tag, or the display name of that failover, and was created after the failover began. What is not ours
/// is neither adopted nor stopped nor destroyed, whatever its name (cloudstack.md section 9 rules 3 and 4).
class CloudMachinesAdapter : public failover::CloudMachines {
  public:
    /// How long settle() waits.
    struct Patience {
        std::chrono::milliseconds jobs = std::chrono::minutes{10};     ///< for jobs of CloudStack, all together
        std::chrono::milliseconds commands = std::chrono::minutes{2};  ///< for a neighbour to say what it got
        std::chrono::milliseconds poll = std::chrono::seconds{1};
    };
    struct Records {
        settings::CloudStackSettingsRepository& settings;
        const ledger::Ledger& ledger;
        ledger::Effects& effects;
        const failover::FailoverRepository& failovers;
        const joblog::JobLog& job_log;
    };
    explicit CloudMachinesAdapter(Records records) : CloudMachinesAdapter(records, Patience()) {}
    CloudMachinesAdapter(Records records, Patience patience)
        : settings_(records.settings),
          ledger_(records.ledger),
          effects_(records.effects),
          failovers_(records.failovers),
          job_log_(records.job_log),
          patience_(patience) {}

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
    std::vector<Finding> assess(const failover::CloudNeeds& needs, const std::stop_token& stop) override;
    /// Of every process of ours. A job that outlives our patience stays noted; a command whose answer nobody saw is
    /// noted as unknown.
    void settle(const JobId& job, const std::stop_token& stop) override;

  private:
    cloudstack::Client client_of(const settings::CloudStackSettings& settings) const;
    std::vector<std::string> objects_of(const JobId& job) const;
    std::vector<ledger::Effect> submitted_effects(const std::vector<std::string>& objects,
                                                  const std::stop_token& stop) const;
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
    ledger::Effects& effects_;
    const failover::FailoverRepository& failovers_;
    const joblog::JobLog& job_log_;
    const Patience patience_;
};

class CloudResourceDiscovery : public settings::ResourceDiscovery {
  public:
    settings::Resources discover(const settings::CloudStackSettings& access, const std::stop_token& stop) override;
};

}  // namespace mk::oma
