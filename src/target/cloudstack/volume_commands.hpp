#pragma once
// CloudStack's volumes (cloudstack.md section 5). Only target/volumes may use this header: one owner per kind of
// object. Every command reads the state, acts when needed, waits for the job and reads the state again: what is
// returned was seen, and every call may be repeated. Thread-safe; commands on one machine must not run at the same time
// (section 3).

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "model/ids.hpp"
#include "target/cloudstack/client.hpp"

namespace mk::cloudstack {

struct VolumeInfo {
    VolumeId id;
    std::string name;
    std::string type;   ///< ROOT, DATADISK
    std::string state;  ///< section 4
    Bytes size = 0;
    std::optional<CloudMachineId> vm_id;
    std::optional<int> device_id;
    std::string vm_name;
    std::string vm_state;
    std::optional<CloudSnapshotId> made_from{};  ///< the snapshot, where CloudStack tells
    /// An asynchronous job on the volume that is not over; it may still change where the volume is, whatever its state
    /// says now (a detach leaves it Ready all the time).
    std::string pending_job{};
};

struct VolumeLimits {
    std::chrono::milliseconds settle{std::chrono::minutes{30}};  ///< for a transitional state to end
    std::chrono::milliseconds attach{std::chrono::hours{3}};     ///< may copy the volume between pools
    std::chrono::milliseconds detach_job{std::chrono::minutes{35}};
    std::chrono::milliseconds unplug{std::chrono::minutes{5}};  ///< patience with a guest that does not let go
    std::chrono::milliseconds first_unplug_pause{2'000};
    std::chrono::milliseconds remove{std::chrono::minutes{30}};  ///< deleteVolume blocks until the storage answers
    std::chrono::milliseconds settle_poll{1'000};
};

class VolumeCommands {
  public:
    explicit VolumeCommands(const Client& client, VolumeLimits limits = {}) : client_(client), limits_(limits) {}

    struct Create {
        std::string name;  ///< unique: a volume whose creation was not answered is found again by it
        std::string zone_id;
        std::string disk_offering_id;
        std::uint64_t size_gib = 0;
    };
    /// A volume of exactly that name that exists already is returned instead. Error{conflict} when there are several.
    VolumeInfo create(const Create& request, const std::stop_token& stop) const;
    /// Nothing when it does not exist or is being expunged.
    std::optional<VolumeInfo> find(const VolumeId& id, const std::stop_token& stop) const;
    std::vector<VolumeInfo> list_named(const std::string& name, const std::stop_token& stop) const;
    /// The one of that name, if there is one. Error{conflict} when there are several.
    std::optional<VolumeInfo> find_named(const std::string& name, const std::stop_token& stop) const;
    std::vector<VolumeInfo> list_of_machine(const CloudMachineId& vm_id, const std::stop_token& stop) const;
    /// As find(), waiting until no operation and no job is under way: a late detach would clear a newer attachment
    /// (apache/cloudstack 14214). Throws Error{not_found}.
    VolumeInfo settled(const VolumeId& id, const std::stop_token& stop) const;
    /// The same with a limit of its own; nothing when it does not exist.
    std::optional<VolumeInfo> find_settled(const VolumeId& id, std::chrono::milliseconds limit,
                                           const std::stop_token& stop) const;

    /// As data disk; CloudStack picks the device id unless one is given. Error{conflict} when attached to another
    /// machine.
    VolumeInfo attach(const VolumeId& id, const CloudMachineId& vm_id, std::optional<int> device_id,
                      const std::stop_token& stop) const;
    /// As device 0. Error{conflict} when the machine has a root volume, or the volume never was attached (state
    /// Allocated).
    VolumeInfo attach_root(const VolumeId& id, const CloudMachineId& vm_id, const std::stop_token& stop) const;
    /// Repeats refused hot-unplugs within VolumeLimits::unplug. The volume is seen detached before this returns.
    VolumeInfo detach(const VolumeId& id, const std::stop_token& stop) const;
    /// The absence is seen before this returns. Error{conflict} while attached. Deleting what is gone is no error.
    void remove(const VolumeId& id, const std::stop_token& stop) const;
    /// Grows only.
    VolumeInfo resize(const VolumeId& id, std::uint64_t size_gib, const std::stop_token& stop) const;
    /// Tags of any resource type ("Volume", "Snapshot", "UserVm").
    void tag(const std::string& resource_type, const std::string& resource_id, const std::string& key,
             const std::string& value, const std::stop_token& stop) const;

  private:
    VolumeInfo attach_at(const VolumeInfo& volume, const CloudMachineId& vm_id, std::optional<int> device_id,
                         const std::stop_token& stop) const;
    void unplug_once(const VolumeId& id, const std::stop_token& stop) const;

    const Client& client_;
    VolumeLimits limits_;
};

}  // namespace mk::cloudstack
