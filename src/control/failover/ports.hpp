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

#include "base/clock.hpp"
#include "contracts/vma_api.hpp"
#include "contracts/volumes_api.hpp"
#include "model/ids.hpp"
#include "model/recovery_point.hpp"
#include "model/source_machine.hpp"

namespace mk::failover {

using Report = std::function<void(const std::string& detail)>;

using contracts::MachineVolume;
using contracts::StagingSpace;

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
    /// The undo of what comes next: Error{conflict} where the storage cannot revert to it (it is removed then).
    virtual contracts::Snapshot create_snapshot(const VolumeId& volume, const std::string& name, const Report& report,
                                                const std::stop_token& stop) = 0;
    /// For clones: kept also where the storage cannot revert to it (Snapshot::revertable tells).
    virtual contracts::Snapshot create_snapshot_for_clones(const VolumeId& volume, const std::string& name,
                                                           const Report& report, const std::stop_token& stop) = 0;
    virtual void revert_snapshot(const VolumeId& volume, const Report& report, const std::stop_token& stop) = 0;
    virtual void remove_snapshot(const VolumeId& volume, const std::stop_token& stop) = 0;
    /// A volume of its own, made from the ready snapshot of the replica `volume`; found again by `name`, so repeatable.
    virtual contracts::Volume create_clone(const VolumeId& volume, const std::string& name, const Report& report,
                                           const std::stop_token& stop) = 0;
    /// Clones of the machine's replicas that are recorded and not seen gone; volumes_of() does not have them.
    virtual std::vector<contracts::Volume> clones_of(const VmContextId& vm, const std::stop_token& stop) = 0;
    /// Of a detached clone; refuses everything that is not a clone. Its absence is seen before this returns.
    virtual void remove_clone(const VolumeId& clone, const std::stop_token& stop) = 0;
    /// Reads the whole volume back from the device; it must be attached to the appliance.
    virtual std::string digest(const VolumeId& volume, const Report& report, const std::stop_token& stop) = 0;
    virtual void discard_default_root(const CloudMachineId& machine, const std::stop_token& stop) = 0;
    virtual std::vector<MachineVolume> volumes_at(const CloudMachineId& machine, const std::stop_token& stop) = 0;
    virtual StagingSpace staging(const std::stop_token& stop) = 0;
};

/// One network card, in the source's order; the first is the default one.
struct NicOrder {
    std::string network_id;
    std::string mac;      ///< empty: CloudStack chooses
    std::string address;  ///< empty: CloudStack chooses
};

struct MachineOrder {
    std::string name;  ///< by the CloudStack rules, unique
    std::string display_name;
    int cpus = 1;
    int memory_mb = 512;
    std::string firmware;  ///< bios or uefi
    bool secure_boot = false;
    std::vector<NicOrder> nics;
};

struct CloudNic {
    std::string network_id;
    std::string network_name;
    std::string ip_address;
};

/// What a machine and its disks would need, for the check before a failover.
struct CloudNeeds {
    MachineOrder machine;
    std::vector<Bytes> new_volumes;  ///< bytes of each volume that would be made beside the replicas (clones)
    std::vector<Bytes> snapshots;    ///< bytes of each volume that would be snapshotted
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
    /// What speaks against it, as far as this account may see: offering, resource limits, size limits, VM snapshots of
    /// the appliance's own machine, version. Changes nothing.
    virtual std::vector<Finding> assess(const CloudNeeds& needs, const std::stop_token& stop) = 0;
    /// Waits for commands on the machines and volumes of this job that an earlier process sent and did not see the end
    /// of. Bounded; what cannot be told is left to the state of the objects.
    virtual void settle(const JobId& job, const std::stop_token& stop) = 0;
};

struct GuestDisk {
    std::string device_path;  ///< on the appliance
    std::string source_bus;   ///< scsi, sata, ide, nvme: what the guest saw at VMware
};

/// What is on the disks, seen without changing them.
struct GuestInspection {
    bool has_system = false;   ///< an operating system was found
    std::string family;        ///< linux, windows, other; empty without a system
    std::string product;       ///< "Debian GNU/Linux 12", for people
    std::string architecture;  ///< x86_64 ...
    int boot_disk = -1;        ///< index of the disk that the firmware would start from; -1: not known
    bool needs_uefi = false;
    std::vector<Finding> findings;  ///< encryption, hibernation, space, drivers that are missing on the appliance
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
    /// Reads the disks (boot disk first) without writing. Takes half a minute; limited and stoppable.
    virtual GuestInspection inspect(const std::vector<GuestDisk>& disks, const SourceMachine& source,
                                    const std::stop_token& stop) = 0;
    /// Makes the guest on `disks` (boot disk first) bootable on KVM. Never on the only copy: snapshots must exist.
    virtual Preparation prepare(const std::vector<GuestDisk>& disks, const SourceMachine& source, const Report& log,
                                const std::stop_token& stop) = 0;
};

enum class BootVerdict { booted, not_proven, failed };
std::string_view to_string(BootVerdict verdict);  ///< "booted", "not_proven", "failed"

/// One thing that was seen, or not seen, of a booting machine.
struct BootObservation {
    Instant when{};
    std::string probe;  ///< "cloudstack", "volumes", or the probe as it was asked for
    bool is_proof = false;
    std::string text;
};

struct BootEvidence {
    BootVerdict verdict = BootVerdict::not_proven;
    std::string text;  ///< what was seen, when and where, in one paragraph
    std::vector<BootObservation> observations;
};

/// How the boot is to be proven. Every probe must answer.
struct BootExpectation {
    std::vector<std::string> probes;  ///< "http:PORT/PATH", "tcp:PORT", "ping"; none: never more than not_proven
    std::string text;                 ///< what the answer of every http and tcp probe must contain; empty: anything
    std::chrono::seconds limit{600};
};

class BootCheck {
  public:
    virtual ~BootCheck() = default;
    virtual BootEvidence observe(const CloudMachine& machine, const BootExpectation& expected,
                                 const std::stop_token& stop) = 0;
    /// Throws Error{invalid} for a probe that makes no sense.
    virtual void check(const BootExpectation& expected) = 0;
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
