#include "target/cloudstack/inventory_commands.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "target/cloudstack/fields.hpp"

namespace mk::cloudstack {
namespace {

const Parameters everything{{"listall", "true"}};

bool is_one_of(std::string_view state, std::initializer_list<std::string_view> states) {
    return std::find(states.begin(), states.end(), state) != states.end();
}

bool may_not_read(const Error& error) {
    return error.code() == ErrorCode::forbidden || error.code() == ErrorCode::unauthenticated;
}

}  // namespace

InventoryCommands::InventoryCommands(const Client& client, const std::string& tag_key, const std::stop_token& stop)
    : client_(client) {
    try {
        for (const auto& json : client.list("listTags", {{"key", tag_key}, {"listall", "true"}}, "tag", stop)) {
            if (text_field(json, "key") == tag_key) {
                tags_[text_field(json, "resourceid")] = text_field(json, "value");
            }
        }
    } catch (const Error& error) {
        if (!may_not_read(error)) {
            throw;
        }
        log::warn("this account may not read tags in CloudStack: {}", error.cause());
    }
}

std::optional<std::string> InventoryCommands::tag_of(const std::string& id) const {
    const auto found = tags_.find(id);
    return found == tags_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<ListedMachine> InventoryCommands::machines(const std::stop_token& stop) const {
    std::vector<ListedMachine> machines;
    for (const auto& json :
         client_.list("listVirtualMachines", {{"listall", "true"}, {"details", "min"}}, "virtualmachine", stop)) {
        const auto id = text_field(json, "id");
        const auto state = text_field(json, "state");
        if (!is_one_of(state, {"Expunging", "Expunged"})) {
            machines.push_back({.id = CloudMachineId{id},
                                .name = text_field(json, "name"),
                                .state = state,
                                .tag = tag_of(id),
                                .created = time_field(json, "created")});
        }
    }
    return machines;
}

std::vector<ListedVolume> InventoryCommands::volumes(const std::stop_token& stop) const {
    std::vector<ListedVolume> volumes;
    for (const auto& json : client_.list("listVolumes", everything, "volume", stop)) {
        const auto id = text_field(json, "id");
        const auto state = text_field(json, "state");
        const auto machine = text_field(json, "virtualmachineid");
        if (!is_one_of(state, {"Destroy", "Expunging", "Expunged"})) {
            volumes.push_back({.id = VolumeId{id},
                               .name = text_field(json, "name"),
                               .state = state,
                               .size = static_cast<Bytes>(number_field(json, "size").value_or(0)),
                               .vm_id = machine.empty() ? std::nullopt : std::optional(CloudMachineId{machine}),
                               .vm_name = text_field(json, "vmname"),
                               .tag = tag_of(id),
                               .created = time_field(json, "created")});
        }
    }
    return volumes;
}

std::vector<ListedSnapshot> InventoryCommands::snapshots(const std::stop_token& stop) const {
    std::vector<ListedSnapshot> snapshots;
    for (const auto& json : client_.list("listSnapshots", everything, "snapshot", stop)) {
        const auto id = text_field(json, "id");
        const auto state = text_field(json, "state");
        // The same snapshot may be listed once per store.
        const bool is_known = std::any_of(snapshots.begin(), snapshots.end(),
                                          [&](const ListedSnapshot& one) { return one.id.value == id; });
        if (!is_known && !is_one_of(state, {"Destroyed", "Hidden"})) {
            snapshots.push_back({.id = CloudSnapshotId{id},
                                 .name = text_field(json, "name"),
                                 .state = state,
                                 .volume_id = VolumeId{text_field(json, "volumeid")},
                                 .tag = tag_of(id),
                                 .created = time_field(json, "created")});
        }
    }
    return snapshots;
}

}  // namespace mk::cloudstack
