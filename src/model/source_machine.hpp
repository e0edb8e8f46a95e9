#pragma once
// A machine as discovery sees it at the source: facts and what they mean for replication. Plain data.

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "model/ids.hpp"

namespace mk {

enum class Severity { note, warning, blocker };
std::string_view to_string(Severity severity);
Severity severity_from(std::string_view word);

/// One thing an operator should know; a blocker forbids replication.
struct Finding {
    Severity severity = Severity::note;
    std::string code;    ///< stable word: "independent_disk", "physical_rdm", "foreign_snapshot_without_cbt" ...
    std::string text;    ///< what and why
    std::string remedy;  ///< what to do; may be empty
};

struct SourceDisk {
    DiskId id;
    int device_key = 0;
    std::string label;
    Bytes capacity = 0;        ///< a multiple of 512, of nothing bigger
    std::string backing_uuid;  ///< identity of the disk; keys may be reused (vsphere.md section 3)
    std::string file_name;     ///< "[datastore] folder/name.vmdk"
    std::string datastore;
    std::string controller;  ///< pvscsi, lsilogic, lsisas, buslogic, ide, sata, nvme
    int bus_number = 0;
    int unit_number = 0;
    bool thin = false;
    std::string disk_mode;
};

struct SourceNic {
    int device_key = 0;
    std::string label;
    std::string adapter;  ///< vmxnet3, e1000, e1000e ...
    std::string mac;
    std::string network;  ///< name of the source network
    bool connected = false;
    std::vector<std::string> addresses;
};

struct SourceMachine {
    std::string vcenter_uuid;  ///< about.instanceUuid; morefs are unique only inside it
    std::string moref;
    std::string instance_uuid;  ///< our identity within the vCenter
    std::string name;
    std::string path;         ///< "/DC0/vm/folder/name"
    std::string power_state;  ///< poweredOn, poweredOff, suspended
    std::string connection_state;
    int cpus = 0;
    int memory_mb = 0;
    std::string guest_id;
    std::string os_type;   ///< guest's full name, "unknown" when nobody knows
    std::string firmware;  ///< bios or uefi
    bool secure_boot = false;
    bool tools_running = false;
    bool change_tracking = false;
    std::vector<DiskId> boot_order;  ///< disks of config.bootOptions.bootOrder, if any
    std::vector<SourceDisk> disks;   ///< in source order
    std::vector<SourceNic> nics;
    Bytes used = 0;  ///< estimate of allocated bytes
    std::vector<Finding> findings;

    bool is_replicable() const;
};

/// The disk to boot from: boot order when it names a disk, otherwise the first disk of the first controller by bus and
/// unit, never a fixed key (CC 6). Throws Error{invalid} for a machine without disks.
DiskId boot_disk_of(const SourceMachine& machine);

}  // namespace mk
