#pragma once
// What a CloudStack offers, for the settings (cloudstack.md section 10). Reads only. Thread-safe.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "model/ids.hpp"
#include "target/cloudstack/client.hpp"
#include "target/cloudstack/machine_commands.hpp"

namespace mk::cloudstack {

struct ZoneInfo {
    std::string id;
    std::string name;
    std::string network_type;
};

struct TemplateInfo {
    std::string id;
    std::string name;
    std::string hypervisor;
    std::string os_type_id;
    std::string os_type_name;
    bool is_ready = false;
    Bytes size = 0;
};

struct ServiceOfferingInfo {
    std::string id;
    std::string name;
    bool is_customized = false;
    int cpus = 0;        ///< 0 where the caller chooses
    int cpu_mhz = 0;     ///< likewise
    int memory_mib = 0;  ///< likewise
    // What the caller may choose; 0: no limit is told.
    int min_cpus = 0;
    int max_cpus = 0;
    int min_memory_mib = 0;
    int max_memory_mib = 0;
};

/// A limit of the account and what it uses of it. Countable things in pieces, memory in MiB, storage in GiB.
struct ResourceLimit {
    int type = 0;  ///< 0 machines, 2 volumes, 3 snapshots, 8 CPUs, 9 memory, 10 primary, 11 secondary storage
    std::int64_t most = 0;
    std::optional<std::int64_t> used;  ///< nothing: it cannot be told
};

struct DiskOfferingInfo {
    std::string id;
    std::string name;
    bool is_customized = false;  ///< needed: replicas have the size of their source
    std::uint64_t size_gib = 0;
};

struct NetworkInfo {
    std::string id;
    std::string name;
    std::string type;  ///< Isolated, Shared, L2
    std::string state;
    std::string zone_id;
    std::string cidr;
};

struct Capabilities {
    std::string version;
    bool kvm_snapshot_enabled = false;
    bool user_may_expunge_machines = false;
    std::uint64_t smallest_custom_gib = 0;
    std::uint64_t largest_custom_gib = 0;  ///< 0: not told
};

struct OwnMachineHints {
    std::vector<std::string> macs;  ///< of this appliance, any notation
    std::string dmi_uuid;           ///< product UUID; on KVM that of the machine (not proven everywhere)
};

class DiscoveryCommands {
  public:
    explicit DiscoveryCommands(const Client& client) : client_(client) {}

    Capabilities capabilities(const std::stop_token& stop) const;
    std::vector<ZoneInfo> zones(const std::stop_token& stop) const;
    /// Zone ids may be empty: all zones. Templates are those that can be deployed, once each.
    std::vector<TemplateInfo> templates(const std::string& zone_id, const std::stop_token& stop) const;
    std::vector<ServiceOfferingInfo> service_offerings(const std::string& zone_id, const std::stop_token& stop) const;
    std::vector<DiskOfferingInfo> disk_offerings(const std::string& zone_id, const std::stop_token& stop) const;
    std::vector<NetworkInfo> networks(const std::string& zone_id, const std::stop_token& stop) const;
    /// Those of the account that are set, of the types above only. Where the account's totals are not told its objects
    /// are counted.
    std::vector<ResourceLimit> limits(const std::stop_token& stop) const;
    /// Every machine that this account sees, with its cards.
    std::vector<MachineInfo> machines_with_cards(const std::stop_token& stop) const;
    /// By MAC address first, then by DMI UUID. Nothing when none fits; Error{conflict} when the MAC addresses name two
    /// machines.
    std::optional<MachineInfo> find_own_machine(const OwnMachineHints& hints, const std::stop_token& stop) const;

  private:
    const Client& client_;
};

}  // namespace mk::cloudstack
