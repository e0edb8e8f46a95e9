#pragma once
// What a failover needs from the world. Implemented in apps/oma-api over the Volume Daemon's API, CloudStack,
// libguestfs tools and the VMA; by fakes in tests. Errors are mk::Error; every call is safe to repeat: reality is read
// first.

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "contracts/vma_api.hpp"
#include "contracts/volumes_api.hpp"
#include "model/ids.hpp"
#include "model/recovery_point.hpp"
#include "model/source_machine.hpp"

namespace mk::failover {

using Report = std::function<void(const std::string& detail)>;

struct MachineVolume {
    VolumeId volume_id;
    std::string type;  ///< ROOT or DATADISK
    bool is_replica = false;
};

class FailoverVolumes {
  public:
    virtual ~FailoverVolumes() = default;
    virtual std::vector<contracts::Volume> volumes_of(const VmContextId& vm, const std::stop_token& stop) = 0;
    virtual contracts::Volume attach_to_appliance(const VolumeId& volume, const std::stop_token& stop) = 0;
    virtual contracts::Volume attach_as_root(const VolumeId& volume, const CloudMachineId& machine,
                                             const std::stop_token& stop) = 0;
    virtual contracts::Volume attach_as_data(const VolumeId& volume, const CloudMachineId& machine,
                                             const std::stop_token& stop) = 0;
    virtual void detach(const VolumeId& volume, const std::stop_token& stop) = 0;
    virtual contracts::Snapshot create_snapshot(const VolumeId& volume, const std::string& name, const Report& report,
                                                const std::stop_token& stop) = 0;
    virtual void revert_snapshot(const VolumeId& volume, const Report& report, const std::stop_token& stop) = 0;
    virtual void remove_snapshot(const VolumeId& volume, const std::stop_token& stop) = 0;
    virtual std::vector<contracts::Snapshot> snapshots_of(const VmContextId& vm, const std::stop_token& stop) = 0;
    /// Reads the whole volume back from the device; it must be attached to the appliance.
    virtual std::string digest(const VolumeId& volume, const Report& report, const std::stop_token& stop) = 0;
    virtual void discard_default_root(const CloudMachineId& machine, const std::stop_token& stop) = 0;
    virtual std::vector<MachineVolume> volumes_at(const CloudMachineId& machine, const std::stop_token& stop) = 0;
};

struct MachineOrder {
    std::string name;  ///< by the CloudStack rules, unique
    std::string display_name;
    int cpus = 1;
    int memory_mb = 512;
    std::string firmware;  ///< bios or uefi
    bool secure_boot = false;
    std::vector<std::string> network_ids;  ///< the first is the default NIC's
};

struct CloudNic {
    std::string network_id;
    std::string network_name;
    std::string ip_address;
};

struct CloudMachine {
    CloudMachineId id;
    std::string name;
    std::string state;  ///< CloudStack's: Stopped, Running ...
    std::vector<CloudNic> nics;
};

class CloudMachines {
  public:
    virtual ~CloudMachines() = default;
    /// Throws Error when CloudStack is not configured, not reachable or refuses the keys.
    virtual void check(const std::stop_token& stop) = 0;
    virtual std::optional<CloudMachine> find(const CloudMachineId& id, const std::stop_token& stop) = 0;
    virtual std::optional<CloudMachine> find_by_name(const std::string& name, const std::stop_token& stop) = 0;
    /// Deployed without starting it.
    virtual CloudMachine create(const MachineOrder& order, const std::stop_token& stop) = 0;
    virtual CloudMachine start(const CloudMachineId& id, const std::stop_token& stop) = 0;
    virtual void stop(const CloudMachineId& id, const std::stop_token& stop) = 0;
    /// Destroys and expunges. Returns true when its absence was seen, false when the cloud will expunge it later.
    virtual bool destroy(const CloudMachineId& id, const std::stop_token& stop) = 0;
    /// Ids of networks that exist, for the preflight.
    virtual std::vector<std::string> network_ids(const std::stop_token& stop) = 0;
};

struct GuestDisk {
    std::string device_path;  ///< on the appliance
    std::string source_bus;   ///< scsi, sata, ide, nvme: what the guest saw at VMware
};

struct Preparation {
    bool ready = false;  ///< drivers are in: the guest can boot on VirtIO
    bool needs_uefi = false;
    std::string text;  ///< what was done or why not, for the operator
};

class GuestPreparation {
  public:
    virtual ~GuestPreparation() = default;
    /// Throws Error{unavailable} when the tool is not installed, naming the package.
    virtual void check() = 0;
    /// Makes the guest on `disks` (boot disk first) bootable on KVM. Never on the only copy: snapshots must exist.
    virtual Preparation prepare(const std::vector<GuestDisk>& disks, const SourceMachine& source, const Report& log,
                                const std::stop_token& stop) = 0;
};

enum class BootVerdict { booted, not_proven, failed };
std::string_view to_string(BootVerdict verdict);  ///< "booted", "not_proven", "failed"

struct BootEvidence {
    BootVerdict verdict = BootVerdict::not_proven;
    std::string text;  ///< what was seen, when and where
};

class BootCheck {
  public:
    virtual ~BootCheck() = default;
    /// `probe`: "http:PORT/PATH", "tcp:PORT" or "" (only CloudStack's state can be seen: never more than not_proven).
    virtual BootEvidence observe(const CloudMachine& machine, const std::string& probe, std::chrono::seconds limit,
                                 const std::stop_token& stop) = 0;
    /// Throws Error{invalid} for a probe that makes no sense.
    virtual void check(const std::string& probe) = 0;
};

class SourcePower {
  public:
    virtual ~SourcePower() = default;
    virtual contracts::PowerState power(const contracts::PowerRequest& request, const std::stop_token& stop) = 0;
};

/// The last pass of a live failover, run as steps of the failover's own job (replication::PassCoordinator behind it).
class FinalSync {
  public:
    virtual ~FinalSync() = default;
    virtual RecoveryPoint run(const JobId& job, const VmContextId& vm, const std::stop_token& stop) = 0;
    virtual void clean_up(const JobId& job, const VmContextId& vm) = 0;
    /// Drops the write sessions that an interrupted sync keeps to go on from: they hold the volumes. Does not need the
    /// VMware site to answer. Throws when one could not be closed.
    virtual void drop_resumable(const VmContextId& vm) = 0;
};

}  // namespace mk::failover
