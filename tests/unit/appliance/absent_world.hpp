#pragma once
// A world in which nobody answers: what the OMA's services need so that a router with every route can be built.

#include "base/error.hpp"
#include "control/discovery/discovery_service.hpp"
#include "control/failover/ports.hpp"
#include "control/reconcile/ports.hpp"
#include "control/replication/ports.hpp"
#include "control/settings/cloudstack_setup.hpp"
#include "control/settings/source_appliances.hpp"

namespace mk::test {

[[noreturn]] inline void nobody_answers() {
    throw Error(ErrorCode::unavailable, "nobody answers");
}

class AbsentSource : public replication::SourceSite, public failover::SourcePower, public discovery::SourceInventory {
  public:
    using Stop = std::stop_token;
    SourceMachine look_up(const contracts::VcenterAccess&, const std::string&, const std::string&,
                          const Stop&) override {
        nobody_answers();
    }
    void start_pass(const contracts::PassRequest&, const Stop&) override { nobody_answers(); }
    contracts::PassProgress progress(const JobId&, const Stop&) override { nobody_answers(); }
    void stop_pass(const JobId&) override { nobody_answers(); }
    void forget_pass(const JobId&) override { nobody_answers(); }
    std::string target_uri(const contracts::WriteSession&) const override { nobody_answers(); }
    bool can_compare() const override { nobody_answers(); }
    void set_limit(Bytes) override { nobody_answers(); }
    void forget_checkpoint(const std::string&) override { nobody_answers(); }
    std::vector<std::string> sweep_snapshots(const contracts::VcenterAccess&, const std::string&,
                                             const Stop&) override {
        nobody_answers();
    }
    contracts::PowerState power(const contracts::PowerRequest&, const Stop&) override { nobody_answers(); }
    discovery::Inventory discover(const contracts::VcenterAccess&, const std::string&, const Stop&) override {
        nobody_answers();
    }
};

class AbsentReplicaVolumes : public replication::ReplicaVolumes {
  public:
    using Stop = std::stop_token;
    std::vector<contracts::Volume> volumes_of(const VmContextId&, const Stop&) override { nobody_answers(); }
    contracts::Volume create(const contracts::CreateVolume&, const Stop&) override { nobody_answers(); }
    contracts::Volume resize(const VolumeId&, Bytes, const Stop&) override { nobody_answers(); }
    contracts::Volume attach_to_appliance(const VolumeId&, const Stop&) override { nobody_answers(); }
    void detach(const VolumeId&, const Stop&) override { nobody_answers(); }
    void remove(const VolumeId&, const Stop&) override { nobody_answers(); }
    void remove_snapshot(const VolumeId&, const Stop&) override { nobody_answers(); }
    contracts::WriteSession open_session(const contracts::OpenWriteSession&, const Stop&) override { nobody_answers(); }
    std::vector<contracts::WriteSession> sessions_of(const JobId&, const Stop&) override { nobody_answers(); }
    std::vector<Range> verify(const WriteSessionId&, const std::vector<contracts::DigestedRange>&,
                              const Stop&) override {
        nobody_answers();
    }
    std::string commit(const WriteSessionId&, const replication::Report&, const Stop&) override { nobody_answers(); }
    void abort(const WriteSessionId&, const Stop&) override { nobody_answers(); }
    void give_up(const WriteSessionId&, const Stop&) override { nobody_answers(); }
};

class AbsentFailoverVolumes : public failover::FailoverVolumes {
  public:
    using Stop = std::stop_token;
    std::vector<contracts::Volume> volumes_of(const VmContextId&, const Stop&) override { nobody_answers(); }
    contracts::Volume attach_to_appliance(const VolumeId&, const Stop&) override { nobody_answers(); }
    contracts::Volume attach_as_root(const VolumeId&, const CloudMachineId&, const Stop&) override { nobody_answers(); }
    contracts::Volume attach_as_data(const VolumeId&, const CloudMachineId&, const Stop&) override { nobody_answers(); }
    void detach(const VolumeId&, const Stop&) override { nobody_answers(); }
    contracts::Snapshot create_snapshot(const VolumeId&, const std::string&, const failover::Report&,
                                        const Stop&) override {
        nobody_answers();
    }
    contracts::Snapshot create_snapshot_for_clones(const VolumeId&, const std::string&, const failover::Report&,
                                                   const Stop&) override {
        nobody_answers();
    }
    void revert_snapshot(const VolumeId&, const failover::Report&, const Stop&) override { nobody_answers(); }
    void remove_snapshot(const VolumeId&, const Stop&) override { nobody_answers(); }
    contracts::Volume create_clone(const VolumeId&, const std::string&, const failover::Report&, const Stop&) override {
        nobody_answers();
    }
    std::vector<contracts::Volume> clones_of(const VmContextId&, const Stop&) override { nobody_answers(); }
    void remove_clone(const VolumeId&, const Stop&) override { nobody_answers(); }
    failover::StagingSpace staging(const Stop&) override { nobody_answers(); }
    std::string digest(const VolumeId&, const failover::Report&, const Stop&) override { nobody_answers(); }
    void discard_default_root(const CloudMachineId&, const Stop&) override { nobody_answers(); }
    std::vector<failover::MachineVolume> volumes_at(const CloudMachineId&, const Stop&) override { nobody_answers(); }
};

class AbsentCloud : public failover::CloudMachines, public settings::ResourceDiscovery {
  public:
    using Stop = std::stop_token;
    void check(const Stop&) override { nobody_answers(); }
    std::optional<failover::CloudMachine> find(const CloudMachineId&, const Stop&) override { nobody_answers(); }
    std::optional<failover::CloudMachine> find_by_name(const std::string&, const Stop&) override { nobody_answers(); }
    failover::CloudMachine create(const failover::MachineOrder&, const Stop&) override { nobody_answers(); }
    failover::CloudMachine start(const CloudMachineId&, const Stop&) override { nobody_answers(); }
    void stop(const CloudMachineId&, const Stop&) override { nobody_answers(); }
    bool destroy(const CloudMachineId&, const Stop&) override { nobody_answers(); }
    std::vector<std::string> network_ids(const Stop&) override { nobody_answers(); }
    std::vector<Finding> assess(const failover::CloudNeeds&, const Stop&) override { nobody_answers(); }
    void settle(const JobId&, const Stop&) override { nobody_answers(); }
    settings::Resources discover(const settings::CloudStackSettings&, const Stop&) override { nobody_answers(); }
};

class AbsentTools : public failover::GuestPreparation, public failover::BootCheck, public failover::FinalSync {
  public:
    using Stop = std::stop_token;
    void check() override { nobody_answers(); }
    failover::Preparation prepare(const std::vector<failover::GuestDisk>&, const SourceMachine&,
                                  const failover::Report&, const Stop&) override {
        nobody_answers();
    }
    failover::GuestInspection inspect(const std::vector<failover::GuestDisk>&, const SourceMachine&,
                                      const Stop&) override {
        nobody_answers();
    }
    failover::BootEvidence observe(const failover::CloudMachine&, const failover::BootExpectation&,
                                   const Stop&) override {
        nobody_answers();
    }
    void check(const failover::BootExpectation&) override {}
    RecoveryPoint run(const JobId&, const VmContextId&, const Stop&) override { nobody_answers(); }
    void clean_up(const JobId&, const VmContextId&) override { nobody_answers(); }
    void drop_resumable(const VmContextId&) override { nobody_answers(); }
};

class AbsentSites : public reconcile::TargetInventory,
                    public reconcile::TargetRemoval,
                    public reconcile::SourceSnapshots {
  public:
    using Stop = std::stop_token;
    reconcile::TargetView look(const Stop&) override {
        if (!view) {
            nobody_answers();
        }
        return *view;
    }
    void remove_volume(const VolumeId&, const Stop&) override { nobody_answers(); }
    void remove_clone(const VolumeId&, const Stop&) override { nobody_answers(); }
    void remove_snapshot(const VolumeId&, const Stop&) override { nobody_answers(); }
    void discard_default_root(const CloudMachineId&, const Stop&) override { nobody_answers(); }
    bool remove_machine(const CloudMachineId&, const Stop&) override { nobody_answers(); }
    reconcile::SourceView find_snapshots(const contracts::VcenterAccess&, const Stop&) override { nobody_answers(); }
    void remove_snapshot(const contracts::SnapshotRemoval&, const Stop&) override { nobody_answers(); }

    std::optional<reconcile::TargetView> view;  ///< what CloudStack shows, for tests that want it to answer
};

/// No limit, nothing compared.
class PlainPolicies : public replication::BandwidthPolicy, public replication::SamplingPolicy {
  public:
    Bytes limit_now() override { return 0; }
    int compare_percent(const VmContextId&) override { return 0; }
};

/// Pairings in memory.
class FakePairings : public settings::Pairings {
  public:
    std::vector<settings::PairedAppliance> list() const override { return all; }
    settings::Invitation invite() override {
        ++codes;
        return {.code = "ABCDE-FGHIJ", .expires = {}, .fingerprint = "f0", .fingerprint_for_people = "f 0"};
    }
    std::size_t open_invitations() const override { return codes; }
    bool remove(const std::string& id) override {
        return std::erase_if(all, [&](const settings::PairedAppliance& one) { return one.id == id; }) > 0;
    }

    std::vector<settings::PairedAppliance> all;
    std::size_t codes = 0;
};

}  // namespace mk::test
