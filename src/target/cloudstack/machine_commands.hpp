#pragma once
// CloudStack's virtual machines (cloudstack.md section 7). Only the machine adapter of control/failover creates and
// destroys machines. Every command reads the state, acts when needed, waits for the job and reads the state again;
// every call may be repeated. Thread-safe; commands on one machine must not run at the same time.

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "model/ids.hpp"
#include "target/cloudstack/client.hpp"

namespace mk::cloudstack {

struct NicInfo {
    std::string id;
    std::string network_id;
    std::string network_name;
    std::string address;
    std::string mac;
    bool is_default = false;
};

struct MachineInfo {
    CloudMachineId id;
    std::string name;
    std::string display_name;
    std::string state;  ///< section 4: Stopped Starting Running Stopping Migrating Destroyed Expunging Error Unknown
    std::string zone_id;
    std::string template_id;
    std::string service_offering_id;
    std::vector<NicInfo> nics;
    std::optional<Instant> created;  ///< by the clock of CloudStack
};

struct DeployNic {
    std::string network_id;
    std::string mac;      ///< empty: CloudStack chooses
    std::string address;  ///< empty: CloudStack chooses
};

/// The machine is made without starting it; its default root volume is Allocated and has no bytes.
struct Deploy {
    std::string name;  ///< by model/machine_name.hpp; unique: found again by it when the answer was lost
    std::string display_name;
    std::string zone_id;
    std::string service_offering_id;
    std::string template_id;
    std::vector<DeployNic> nics;  ///< the first is the default one
    int cpus = 0;                 ///< > 0 for customized offerings only: fixed ones refuse it
    int memory_mib = 0;           ///< likewise
    int cpu_mhz = 0;              ///< likewise, where the offering does not fix it
    bool uefi = false;
    bool secure_boot = false;
    std::string root_disk_controller;  ///< virtio, scsi, sata, ide; empty: the guest OS type decides
    std::string nic_adapter;           ///< virtio, e1000, rtl8139; empty: likewise
};

struct MachineLimits {
    std::chrono::milliseconds job{std::chrono::minutes{30}};
    std::chrono::milliseconds poll{1'000};
    int attempts = 3;  ///< of a command of which nobody knows what came of it
};

class MachineCommands {
  public:
    explicit MachineCommands(const Client& client, MachineLimits limits = {}) : client_(client), limits_(limits) {}

    /// A machine of exactly that name that exists already is returned instead.
    MachineInfo deploy(const Deploy& request, const std::stop_token& stop) const;
    /// Nothing when it does not exist or is being expunged. A Destroyed one (recoverable) is returned.
    std::optional<MachineInfo> find(const CloudMachineId& id, const std::stop_token& stop) const;
    /// Every machine that this account sees.
    std::vector<MachineInfo> list_all(const std::stop_token& stop) const;
    std::vector<MachineInfo> list_named(const std::string& name, const std::stop_token& stop) const;
    /// As find(), waiting until no operation is under way. Throws Error{not_found}.
    MachineInfo settled(const CloudMachineId& id, const std::stop_token& stop) const;
    std::vector<NicInfo> nics(const CloudMachineId& id, const std::stop_token& stop) const;

    /// Names of the VM snapshots of the machine: any of them forbids attach, detach, resize and revert (section 7.4).
    std::vector<std::string> vm_snapshots(const CloudMachineId& id, const std::stop_token& stop) const;
    void tag(const CloudMachineId& id, const std::string& key, const std::string& value,
             const std::stop_token& stop) const;
    /// The value of the machine's tag, if it has it.
    std::optional<std::string> find_tag(const CloudMachineId& id, const std::string& key,
                                        const std::stop_token& stop) const;

    MachineInfo start(const CloudMachineId& id, const std::stop_token& stop) const;
    MachineInfo stop(const CloudMachineId& id, bool forced, const std::stop_token& stop_token) const;
    /// Volumes that are still attached as root die with the machine: detach replicas first (section 9.5). With
    /// `expunge` the absence is seen before this returns; where the user may not expunge (Error{forbidden} or 531
    /// inside), call with false.
    void destroy(const CloudMachineId& id, bool expunge, const std::stop_token& stop) const;
    /// Of a Destroyed machine.
    void expunge(const CloudMachineId& id, const std::stop_token& stop) const;

  private:
    using IsDone = std::function<bool(const std::optional<MachineInfo>&)>;
    bool wait_for_job(const std::string& command, const Parameters& parameters, const std::stop_token& stop) const;
    std::optional<MachineInfo> rested(const CloudMachineId& id, const std::stop_token& stop) const;
    std::optional<MachineInfo> bring_about(const std::string& command, const Parameters& parameters,
                                           const CloudMachineId& id, const IsDone& is_done,
                                           const std::stop_token& stop) const;
    void wait_gone(const CloudMachineId& id, const std::stop_token& stop) const;

    const Client& client_;
    MachineLimits limits_;
};

}  // namespace mk::cloudstack
