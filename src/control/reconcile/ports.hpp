#pragma once
// What the reconciler needs from the two sites. Implemented in apps/oma-api over CloudStack's API, the Volume Daemon
// and the VMA; by fakes in tests. Errors are mk::Error; looking changes nothing; every removal is safe to repeat.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "contracts/vma_api.hpp"
#include "model/ids.hpp"

namespace mk::reconcile {

// An object's `context` is the value of our tag; nothing where it has none. `created` is by the clock of CloudStack.

struct CloudMachine {
    CloudMachineId id;
    std::string name;
    std::string state;
    std::optional<std::string> context{};
    std::optional<Instant> created{};
};

struct CloudVolume {
    VolumeId id;
    std::string name;
    std::string state;
    Bytes size = 0;
    std::optional<CloudMachineId> vm_id{};  ///< attached to
    std::string vm_name{};
    std::optional<std::string> context{};
    std::optional<Instant> created{};
};

struct CloudSnapshot {
    CloudSnapshotId id;
    std::string name;
    std::string state;
    VolumeId volume_id;
    std::optional<std::string> context{};
    std::optional<Instant> created{};
};

/// Everything that the account sees; what is gone or being expunged is left out, machines that are Destroyed are not.
struct TargetView {
    CloudMachineId appliance;  ///< the machine that this installation runs on
    std::vector<CloudMachine> machines;
    std::vector<CloudVolume> volumes;
    std::vector<CloudSnapshot> snapshots;
};

class TargetInventory {
  public:
    virtual ~TargetInventory() = default;
    /// Throws also when the list cannot be whole: CloudStack is not configured, refuses the keys, or does not show this
    /// appliance's own machine, so that what is not listed cannot be taken for absent.
    virtual TargetView look(const std::stop_token& stop) = 0;
};

class TargetRemoval {
  public:
    virtual ~TargetRemoval() = default;
    /// A replica that the Volume Daemon knows, or its record when the volume is gone. Taken from the appliance first;
    /// Error{conflict} while it is attached elsewhere, is written to, or has a snapshot.
    virtual void remove_volume(const VolumeId& volume, const std::stop_token& stop) = 0;
    /// A clone that the Volume Daemon knows, or its record. Error{conflict} while it is attached elsewhere.
    virtual void remove_clone(const VolumeId& clone, const std::stop_token& stop) = 0;
    /// The snapshot of ours of that replica, or its record.
    virtual void remove_snapshot(const VolumeId& volume, const std::stop_token& stop) = 0;
    /// The root volume that a machine was made with; refuses replicas.
    virtual void discard_default_root(const CloudMachineId& machine, const std::stop_token& stop) = 0;
    /// Error{conflict} when it is not ours or a replica or clone is attached to it. False: destroyed, CloudStack
    /// expunges it later.
    virtual bool remove_machine(const CloudMachineId& machine, const std::stop_token& stop) = 0;
};

struct SourceView {
    std::string vcenter_uuid;
    std::vector<contracts::SourceSnapshot> snapshots;
};

class SourceSnapshots {
  public:
    virtual ~SourceSnapshots() = default;
    virtual SourceView find_snapshots(const contracts::VcenterAccess& access, const std::stop_token& stop) = 0;
    /// Error{forbidden} when it is not ours, Error{conflict} while a job copies the machine; no error when it is gone.
    virtual void remove_snapshot(const contracts::SnapshotRemoval& removal, const std::stop_token& stop) = 0;
};

}  // namespace mk::reconcile
