#pragma once
// Names and places of everything around the machines: folders, datacenters, hosts, datastores, networks. A picture of
// one moment, immutable after loading.

#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "source/vsphere/property_reader.hpp"

namespace mk::vsphere {

struct InventoryEntry {
    std::string type;
    std::string name;  ///< as vCenter writes it: '/', '\' and '%' escaped
    std::string parent;
    std::string datastore_type;  ///< VMFS, NFS, vsan, VVOL ...
    std::string portgroup_key;
    bool in_maintenance = false;
};

class InventoryNames {
  public:
    static InventoryNames load(Session& session, const std::stop_token& stop);
    /// From entries by id, for tests.
    explicit InventoryNames(std::map<std::string, InventoryEntry> entries) : entries_(std::move(entries)) {}
    InventoryNames() = default;

    const InventoryEntry* find(const std::string& id) const;
    /// Decoded name; empty when unknown.
    std::string name_of(const std::string& id) const;
    std::string network_by_portgroup_key(const std::string& key) const;
    /// "/DC0/vm/folder" of an object whose parent is `id`, without the root folder; names stay escaped.
    std::string path_of(const std::string& id) const;
    /// "DC0" or "folder/DC0": the datacenter above `id`, as /folder wants it; empty when there is none.
    std::string datacenter_path(const std::string& id) const;

  private:
    std::map<std::string, InventoryEntry> entries_;
};

/// "a%2fb" -> "a/b".
std::string decode_inventory_name(std::string_view name);

}  // namespace mk::vsphere
