#pragma once
// The face of this folder: what apps use of vSphere. Everything else here is behind it.
// Faults are typed: Error::native() carries the SOAP fault type ("NotAuthenticated", "TaskInProgress", ...) and the
// code follows the fault table of vsphere.md section 1.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "block/block_source.hpp"
#include "model/source_machine.hpp"

namespace mk::vsphere {

/// What the appliance offers beside the open transport.
struct ReaderOptions {
    std::string vddk_library_folder;  ///< where the operator unpacked VDDK; empty = not there, "folder" is used
};

struct Access {
    std::string url;  ///< "https://host[:port]/sdk"; a bare "host[:port]" is completed
    std::string username;
    Secret password;
    std::string certificate_sha256;  ///< pinned leaf certificate; empty = CA verification with `ca_file`
    std::string ca_file;
    ReaderOptions readers{};
};

class Session;  // soap session: login, keep-alive, one re-login per lost session (session.hpp)

struct PowerInfo {
    std::string power_state;
    bool tools_running = false;
};

/// A disk as the snapshot froze it.
struct FrozenDisk {
    DiskId id;
    int device_key = 0;
    Bytes capacity = 0;
    std::string backing_uuid;
    std::string change_id;  ///< empty: tracking not active for this disk
    std::string file_name;
};

/// One snapshot of ours and what can be read from it. Not thread-safe, except changed_areas() and open() of different
/// disks.
class FrozenMachine {
  public:
    virtual ~FrozenMachine() = default;
    virtual const std::string& moref() const = 0;  ///< of the snapshot
    virtual const std::string& name() const = 0;
    virtual Instant taken_at() const = 0;         ///< by vCenter's clock
    virtual std::string consistency() const = 0;  ///< crash, application
    virtual const std::vector<FrozenDisk>& disks() const = 0;
    /// Full-coverage loop of vsphere.md section 5; `since` is a change id or "*". Sorted, merged, clipped.
    /// Throws Error{corrupt, native "ChangeTrackingReset"} when vCenter does not accept the id (any more).
    virtual std::vector<Range> changed_areas(const DiskId& disk, const std::string& since,
                                             const std::stop_token& stop) = 0;
    /// A reader through the chosen transport. It reconnects by itself inside the same snapshot (bounded).
    virtual std::unique_ptr<block::BlockSource> open(const DiskId& disk, const std::stop_token& stop) = 0;
    /// Closes readers, removes the snapshot, waits for task and consolidation. Safe to repeat.
    virtual void release(const std::stop_token& stop) = 0;
};

struct FreezeOptions {
    std::string job_id;  ///< goes into the snapshot's name and description
    std::string appliance_id;
    std::string quiesce = "try";  ///< never, try, required
    std::function<void(std::string_view stage)> on_stage{};
    /// Called with moref and name as soon as the snapshot exists, before anything else can fail.
    /// Called again when tracking turns out not to be active: the first snapshot is then removed and replaced.
    std::function<void(const std::string& moref, const std::string& name)> on_snapshot{};
};

/// Names of snapshots: "migratekit-<job id>", with which the ledger knows them.
struct SweepResult {
    std::vector<std::string> removed;
    std::vector<std::string> remaining;
};

/// A snapshot that is named like ours. Without our mark in its description, job_id and appliance_id are empty.
struct FoundSnapshot {
    std::string machine_moref;
    std::string machine_name;
    std::string instance_uuid;  ///< of the machine
    std::string moref;
    std::string name;
    std::string job_id;
    std::string appliance_id;
    Instant created{};  ///< by vCenter's clock
};

/// One vCenter. Thread-safe; one session shared by all calls.
class Vcenter {
  public:
    /// Logs in. Errors: unauthenticated (password, certificate), unavailable, invalid (address).
    static std::shared_ptr<Vcenter> connect(const Access& access, const std::stop_token& stop = {});
    virtual ~Vcenter() = default;  // logs out

    virtual std::string instance_uuid() const = 0;
    virtual std::string version() const = 0;
    /// All machines, or those whose name or path contains `filter` (case-insensitive), each with its findings:
    /// what cannot be replicated and why (vsphere.md sections 3 and 5).
    virtual std::vector<SourceMachine> discover(const std::string& filter, const std::stop_token& stop) = 0;
    /// Throws Error{not_found}. Works for powered-off machines (C5).
    virtual SourceMachine machine(const std::string& moref, const std::stop_token& stop) = 0;
    virtual PowerInfo power(const std::string& moref, const std::stop_token& stop) = 0;
    /// Asks the guest; returns at once. Error{conflict, native "ToolsUnavailable"} without Tools. No effect when
    /// already off.
    virtual void shut_down_guest(const std::string& moref, const std::stop_token& stop) = 0;
    virtual void power_off(const std::string& moref, const std::stop_token& stop) = 0;
    virtual void power_on(const std::string& moref, const std::stop_token& stop) = 0;
    /// vsphere.md section 4 steps 1 to 4: left-overs of ours removed, change tracking enabled and activated when needed
    /// and allowed, snapshot taken. Refuses machines with blockers (Error{conflict} naming the first one).
    virtual std::unique_ptr<FrozenMachine> freeze(const std::string& moref, const FreezeOptions& options,
                                                  const std::stop_token& stop) = 0;
    /// Removes snapshots of ours only (name prefix and description mark), never any other; with an `appliance_id` only
    /// that appliance's, without one those of all our appliances. A creation still under way is waited for first.
    virtual SweepResult sweep_snapshots(const std::string& moref, const std::string& appliance_id,
                                        const std::stop_token& stop) = 0;
    /// All snapshots that are named like ours, of all machines, whichever of our appliances made them.
    virtual std::vector<FoundSnapshot> find_snapshots(const std::stop_token& stop) = 0;
    /// Removes one of them and waits for the consolidation. No error when it is gone. Error{forbidden} without our
    /// mark.
    virtual void remove_snapshot(const std::string& moref, const std::string& snapshot,
                                 const std::stop_token& stop) = 0;
};

/// The transports that work on this appliance: "folder" (nbdkit curl plugin) and "vddk" (plugin and library present).
std::vector<std::string> available_readers(const ReaderOptions& options = {});

/// Our snapshots are named "migratekit-<job id>".
inline constexpr std::string_view snapshot_name_prefix = "migratekit-";

}  // namespace mk::vsphere
