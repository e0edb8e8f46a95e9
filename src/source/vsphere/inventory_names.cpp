#include "source/vsphere/inventory_names.hpp"

#include <algorithm>

#include "http/url.hpp"

namespace mk::vsphere {
namespace {

// Real trees are a dozen levels deep; more is a loop in the data.
constexpr int highest_climb = 100;

InventoryEntry read_entry(const ObjectProperties& object) {
    InventoryEntry entry;
    entry.type = object.object.type;
    entry.name = object.text("name");
    // A vApp lies in a VM folder and in a resource pool; the folder is its place in the tree of machines.
    entry.parent = object.get("parentFolder") ? object.text("parentFolder") : object.text("parent");
    entry.datastore_type = object.text("summary.type");
    entry.portgroup_key = object.text("key");
    entry.in_maintenance = object.get("runtime.inMaintenanceMode").flag();
    return entry;
}

}  // namespace

InventoryNames InventoryNames::load(Session& session, const std::stop_token& stop) {
    const std::vector<std::string> base{"name", "parent"};
    std::vector<requests::PropertySet> sets{
        {"Folder", base},
        {"HostSystem", {"name", "parent", "runtime.inMaintenanceMode"}},
        {"Datastore", {"name", "parent", "summary.type"}},
        {"Network", base},
        {"ResourcePool", base},
        {"ComputeResource", base},
    };
    std::vector<std::string> types{"Folder", "HostSystem", "Datastore", "Network", "ResourcePool", "ComputeResource"};
    if (session.content().is_vcenter()) {
        sets.push_back({"DistributedVirtualPortgroup", {"name", "parent", "key"}});
        sets.push_back({"VirtualApp", {"name", "parent", "parentFolder"}});
        types.insert(types.end(), {"DistributedVirtualPortgroup", "VirtualApp"});
    }
    sets.push_back({"Datacenter", base});
    types.emplace_back("Datacenter");
    InventoryNames names;
    for (const auto& object : read_inventory(session, types, sets, stop)) {
        names.entries_.insert_or_assign(object.object.id, read_entry(object));
    }
    return names;
}

const InventoryEntry* InventoryNames::find(const std::string& id) const {
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : &found->second;
}

std::string InventoryNames::name_of(const std::string& id) const {
    const auto* entry = find(id);
    return entry == nullptr ? std::string{} : decode_inventory_name(entry->name);
}

std::string InventoryNames::network_by_portgroup_key(const std::string& key) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return !key.empty() && (entry.second.portgroup_key == key || entry.first == key);
    });
    return found == entries_.end() ? std::string{} : decode_inventory_name(found->second.name);
}

std::string InventoryNames::path_of(const std::string& id) const {
    std::string path;
    const auto* entry = find(id);
    // The root folder is not in its own container view, so the climb ends below it.
    for (int steps = 0; entry != nullptr && steps < highest_climb; ++steps) {
        path.insert(0, "/" + entry->name);
        entry = find(entry->parent);
    }
    return path;
}

std::string InventoryNames::datacenter_path(const std::string& id) const {
    std::string place = id;
    for (int steps = 0; steps < highest_climb; ++steps) {
        const auto* entry = find(place);
        if (entry == nullptr) {
            return {};
        }
        if (entry->type == "Datacenter") {
            return path_of(place).substr(1);
        }
        place = entry->parent;
    }
    return {};
}

std::string decode_inventory_name(std::string_view name) {
    return http::percent_decode(name).value_or(std::string(name));
}

}  // namespace mk::vsphere
