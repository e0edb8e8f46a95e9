#pragma once
// CloudStack for the reconciler: looking with the settings of the moment, removing through the owners of the objects.
// Thread-safe.

#include "control/failover/ports.hpp"
#include "control/reconcile/ports.hpp"
#include "control/replication/ports.hpp"
#include "control/settings/cloudstack_settings.hpp"

namespace mk::oma {

class CloudInventory : public reconcile::TargetInventory {
  public:
    explicit CloudInventory(const settings::CloudStackSettingsRepository& settings) : settings_(settings) {}
    reconcile::TargetView look(const std::stop_token& stop) override;

  private:
    const settings::CloudStackSettingsRepository& settings_;
};

/// Volumes, clones and snapshots belong to the Volume Daemon, machines to the failover's adapter.
class CloudRemoval : public reconcile::TargetRemoval {
  public:
    CloudRemoval(replication::ReplicaVolumes& replicas, failover::FailoverVolumes& volumes,
                 failover::CloudMachines& machines)
        : replicas_(replicas), volumes_(volumes), machines_(machines) {}

    void remove_volume(const VolumeId& volume, const std::stop_token& stop) override;
    void remove_clone(const VolumeId& clone, const std::stop_token& stop) override;
    void remove_snapshot(const VolumeId& volume, const std::stop_token& stop) override;
    void discard_default_root(const CloudMachineId& machine, const std::stop_token& stop) override;
    bool remove_machine(const CloudMachineId& machine, const std::stop_token& stop) override;

  private:
    replication::ReplicaVolumes& replicas_;
    failover::FailoverVolumes& volumes_;
    failover::CloudMachines& machines_;
};

}  // namespace mk::oma
