#include "source/vsphere/own_snapshots.hpp"

#include <algorithm>

#include "source/vsphere/property_reader.hpp"
#include "source/vsphere/snapshots.hpp"
#include "source/vsphere/tasks.hpp"

namespace mk::vsphere {
namespace {

FoundSnapshot found_at(const ObjectProperties& machine, const SnapshotEntry& snapshot) {
    const auto mark = mark_of(snapshot);
    return {.machine_moref = machine.object.id,
            .machine_name = machine.text("name"),
            .instance_uuid = machine.text("config.instanceUuid"),
            .moref = snapshot.reference.id,
            .name = snapshot.name,
            .job_id = mark ? mark->job_id : "",
            .appliance_id = mark ? mark->appliance_id : "",
            .created = snapshot.created};
}

}  // namespace

std::vector<FoundSnapshot> find_own_snapshots(Session& session, const std::stop_token& stop) {
    std::vector<FoundSnapshot> found;
    const std::vector<requests::PropertySet> wanted{{"VirtualMachine", {"name", "config.instanceUuid", "snapshot"}}};
    for (const auto& machine : read_inventory(session, {"VirtualMachine"}, wanted, stop)) {
        for (const auto& snapshot : read_snapshot_tree(machine.get("snapshot"))) {
            if (snapshot.name.starts_with(snapshot_name_prefix)) {
                found.push_back(found_at(machine, snapshot));
            }
        }
    }
    return found;
}

void remove_own_snapshot(Session& session, const Moref& vm, const std::string& snapshot, const std::stop_token& stop) {
    try {
        wait_for_running_tasks(session, vm, stop);
        const auto tree = list_snapshots(session, vm, stop);
        const auto entry = std::find_if(tree.begin(), tree.end(),
                                        [&](const SnapshotEntry& one) { return one.reference.id == snapshot; });
        if (entry == tree.end()) {
            return;
        }
        if (!is_ours(*entry)) {
            throw Error(ErrorCode::forbidden, "the snapshot '" + entry->name + "' (" + snapshot + ") is not ours",
                        {.consequence = "Nothing was removed.",
                         .remedy = "Remove it in vCenter when nobody needs it.",
                         .retry_safe = true});
        }
        remove_snapshot(session, vm, entry->reference, stop);
    } catch (const Error& error) {
        // The machine went, and its snapshots with it.
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
    }
}

}  // namespace mk::vsphere
