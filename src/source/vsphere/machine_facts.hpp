#pragma once
// One machine as vCenter describes it, before it is judged: the properties of vsphere.md section 3 as plain data.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "source/vsphere/hardware.hpp"
#include "source/vsphere/property_reader.hpp"
#include "source/vsphere/snapshot_tree.hpp"

namespace mk::vsphere {

struct MachineFacts {
    Moref reference;
    std::string name;            ///< decoded, for people
    std::string inventory_name;  ///< as vCenter escapes it, for paths
    std::string instance_uuid;
    bool has_config = false;
    bool is_template = false;
    int hardware_version = 0;  ///< 0: not told
    int cpus = 0;
    int memory_mb = 0;
    std::string guest_id;
    std::string guest_name;
    std::string firmware;
    bool secure_boot = false;
    std::vector<int> boot_disk_keys;
    std::string power_state;
    std::string connection_state;
    bool consolidation_needed = false;
    std::string host;
    std::string folder;  ///< id of the folder or vApp
    bool tools_running = false;
    bool tracking_supported = true;
    bool tracking_enabled = false;
    std::set<std::string> tracking_off_disks;  ///< "scsi0:0" with ctkEnabled=false in extraConfig
    bool is_encrypted = false;
    Hardware hardware;
    std::vector<SnapshotEntry> snapshots;
    std::map<std::string, std::vector<std::string>> addresses_by_mac;
    Bytes used = 0;
    std::vector<std::string> refused_privileges;  ///< of properties we may not read
};

const std::vector<std::string>& machine_paths();
MachineFacts read_facts(const ObjectProperties& machine);
/// Throws Error{not_found}.
MachineFacts fetch_facts(Session& session, const Moref& vm, const std::stop_token& stop);

}  // namespace mk::vsphere
