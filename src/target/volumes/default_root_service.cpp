#include "target/volumes/default_root_service.hpp"

#include <algorithm>

#include "target/volumes/machine_lock.hpp"

namespace mk::volumes {

using cloudstack::VolumeInfo;

/// From the ledger when an earlier call was cut off after detaching it, otherwise from the machine. Empty when there is
/// none, or when one of our volumes is the root by now: an earlier call was completed then.
VolumeId DefaultRootService::find(const CloudMachineId& vm_id, const Cloud& cloud, const Progress& progress) const {
    if (const auto known = parts_.ledger.find_object(ledger_default_root, vm_id.value)) {
        return VolumeId{*known};
    }
    const auto all = cloud.volumes().list_of_machine(vm_id, progress.stop());
    const auto root =
        std::find_if(all.begin(), all.end(), [](const VolumeInfo& v) { return v.type == "ROOT" || v.device_id == 0; });
    return root == all.end() || parts_.volumes.find_known(root->id) ? VolumeId{} : root->id;
}

VolumeId DefaultRootService::discard(const CloudMachineId& vm_id, const Progress& progress) {
    const auto cloud = parts_.cloud.open();
    if (vm_id == cloud->appliance()) {
        throw Error(ErrorCode::forbidden, "the root volume of the appliance is not discarded",
                    {.consequence = "Nothing was changed."});
    }
    const auto lease = lock_machine(parts_.locks, vm_id, progress.stop());
    const auto root = find(vm_id, *cloud, progress);
    if (root.empty()) {
        parts_.ledger.name_gone(ledger_default_root, vm_id.value);  // of a call that was cut off before it knew the id
        return root;
    }
    if (parts_.volumes.find_known(root)) {
        throw Error(
            ErrorCode::forbidden,
            "the ledger takes the replica or clone " + root.value + " for the default root volume of " + vm_id.value,
            {.consequence = "Nothing was changed."});
    }
    parts_.cloud.open_for({root.value}, progress);
    if (const auto info = cloud->volumes().find(root, progress.stop())) {
        if (info->vm_id && *info->vm_id != vm_id) {
            throw Error(ErrorCode::conflict, "the volume " + root.value + " is attached to another machine now",
                        {.consequence = "Nothing was changed."});
        }
        parts_.ledger.confirm(parts_.ledger.intend(ledger_default_root, vm_id.value, VmContextId{}, JobId{}),
                              root.value);
        progress.say("Detaching the default root volume");
        cloud->volumes().detach(root, progress.stop());
        progress.say("Deleting the default root volume");
        cloud->volumes().remove(root, progress.stop());
    }
    parts_.ledger.gone(ledger_default_root, root.value);
    return root;
}

}  // namespace mk::volumes
