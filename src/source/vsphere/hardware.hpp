#pragma once
// The device list of a machine or of a snapshot (config.hardware.device), as facts. Disks are matched by key, never by
// their place: the order differs between a machine and its snapshots. Pure.

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "source/vsphere/reply.hpp"

namespace mk::vsphere {

struct DiskDevice {
    int key = 0;
    std::string label;
    int controller_key = 0;
    int unit_number = 0;
    Bytes capacity = 0;
    std::string backing;  ///< class without "BackingInfo": "VirtualDiskFlatVer2"
    std::string file_name;
    std::string uuid;
    std::string change_id;
    std::string disk_mode;
    std::string sharing;
    std::string compatibility;  ///< of an RDM: virtualMode, physicalMode
    Moref datastore;
    bool thin = false;
    bool has_parent = false;  ///< a delta link over another file
    bool is_encrypted = false;

    bool is_raw_mapping() const { return backing.find("RawDiskMapping") != std::string::npos; }
    bool is_raw_device() const { return !is_raw_mapping() && backing.find("Raw") != std::string::npos; }
    bool is_flat() const { return backing == "VirtualDiskFlatVer2"; }
    bool is_independent() const { return disk_mode.starts_with("independent"); }
    /// x-00000N.vmdk: a link of a snapshot chain, not the base disk.
    bool has_delta_name() const;
};

struct ControllerDevice {
    int key = 0;
    std::string kind;  ///< pvscsi, lsilogic, lsisas, buslogic, ide, sata, nvme, or the class name
    int bus_number = 0;
    bool is_shared = false;
};

struct NicDevice {
    int key = 0;
    std::string label;
    std::string adapter;
    std::string mac;
    bool connected = false;
    Moref network;
    std::string network_name;   ///< of a standard network backing
    std::string portgroup_key;  ///< of a distributed switch backing
};

struct Hardware {
    std::vector<DiskDevice> disks;
    std::vector<ControllerDevice> controllers;
    std::vector<NicDevice> nics;
    std::vector<std::string> other_classes;

    const ControllerDevice* controller_of(const DiskDevice& disk) const;
    const DiskDevice* disk(int key) const;
    bool has_class(std::string_view part) const;
};

/// `devices` is the value of config.hardware.device; an empty Node gives empty Hardware.
Hardware read_hardware(const Node& devices);

}  // namespace mk::vsphere
