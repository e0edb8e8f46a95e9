#include "reconcile_adapters.hpp"

#include <algorithm>

#include "target/cloudstack/inventory_commands.hpp"

namespace mk::oma {

namespace {

/// What everything that we make in CloudStack is tagged with; its value is the machine's context.
constexpr const char* tag_key = "migratekit.context";

Error does_not_see_itself(const CloudMachineId& appliance) {
    return {ErrorCode::conflict,
            appliance.empty() ? std::string("the CloudStack settings do not name the appliance's own machine")
                              : "the CloudStack account does not see this appliance's own machine " + appliance.value +
                                    ", so what it does not list need not be gone",
            {.consequence = "Nothing was compared.",
             .remedy = "Check the keys, the account and the appliance's machine: migratekit cloudstack show",
             .retry_safe = true}};
}

template <class Removal>
void unless_gone(Removal removal) {
    try {
        removal();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
    }
}

}  // namespace

reconcile::TargetView CloudInventory::look(const std::stop_token& stop) {
    const auto settings = settings_.require();
    const cloudstack::Client client({.url = settings.api_url,
                                     .api_key = settings.api_key,
                                     .secret_key = settings.secret_key,
                                     .trust = {.sha256_pin = settings.certificate_sha256, .ca_file = {}}});
    const cloudstack::InventoryCommands inventory(client, tag_key, stop);
    reconcile::TargetView view{.appliance = settings.appliance_vm_id, .machines = {}, .volumes = {}, .snapshots = {}};
    for (auto& one : inventory.machines(stop)) {
        view.machines.push_back({.id = std::move(one.id),
                                 .name = std::move(one.name),
                                 .state = std::move(one.state),
                                 .context = std::move(one.tag),
                                 .created = one.created});
    }
    if (std::none_of(view.machines.begin(), view.machines.end(),
                     [&](const auto& machine) { return machine.id == view.appliance; })) {
        throw does_not_see_itself(view.appliance);
    }
    for (auto& one : inventory.volumes(stop)) {
        view.volumes.push_back({.id = std::move(one.id),
                                .name = std::move(one.name),
                                .state = std::move(one.state),
                                .size = one.size,
                                .vm_id = std::move(one.vm_id),
                                .vm_name = std::move(one.vm_name),
                                .context = std::move(one.tag),
                                .created = one.created});
    }
    for (auto& one : inventory.snapshots(stop)) {
        view.snapshots.push_back({.id = std::move(one.id),
                                  .name = std::move(one.name),
                                  .state = std::move(one.state),
                                  .volume_id = std::move(one.volume_id),
                                  .context = std::move(one.tag),
                                  .created = one.created});
    }
    return view;
}

void CloudRemoval::remove_volume(const VolumeId& volume, const std::stop_token& stop) {
    unless_gone([&] { replicas_.detach(volume, stop); });
    replicas_.remove(volume, stop);
}

void CloudRemoval::remove_clone(const VolumeId& clone, const std::stop_token& stop) {
    unless_gone([&] { volumes_.detach(clone, stop); });
    volumes_.remove_clone(clone, stop);
}

void CloudRemoval::remove_snapshot(const VolumeId& volume, const std::stop_token& stop) {
    volumes_.remove_snapshot(volume, stop);
}

void CloudRemoval::discard_default_root(const CloudMachineId& machine, const std::stop_token& stop) {
    volumes_.discard_default_root(machine, stop);
}

bool CloudRemoval::remove_machine(const CloudMachineId& machine, const std::stop_token& stop) {
    if (!machines_.find(machine, stop)) {
        return true;
    }
    for (const auto& volume : volumes_.volumes_at(machine, stop)) {
        // cloudstack.md section 1 fact 4: a root volume goes with its machine.
        if (volume.is_replica || volume.is_clone) {
            throw Error(ErrorCode::conflict,
                        "the volume " + volume.volume_id.value + " with replicated data is attached to the machine",
                        {.consequence = "The machine was not deleted.",
                         .remedy = "Detach the volume first.",
                         .retry_safe = true});
        }
    }
    machines_.stop(machine, stop);
    return machines_.destroy(machine, stop);
}

}  // namespace mk::oma
