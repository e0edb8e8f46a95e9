"""What a discovery finds: hosts, datastores, networks, folders, machines and their traits."""

import pytest
from pyVmomi import vim, vmodl

from labvcenter import disks, find_vm


def names(si, kind):
    view = si.content.viewManager.CreateContainerView(si.content.rootFolder, [kind], True)
    try:
        return sorted(o.name for o in view.view)
    finally:
        view.Destroy()


def test_places(si):
    assert len(names(si, vim.HostSystem)) >= 2
    assert names(si, vim.Datastore) == ["nfs bulk", "vmfs-fast"]
    assert {"Production", "Backup", "VM Network", "dv-Application"} <= set(names(si, vim.Network))
    assert names(si, vim.VirtualMachine) == ["beacon", "beacon-uefi", "off-one", "refused"]


def test_machines_are_found_by_path_and_uuid(lab, si):
    for machine in lab.endpoint["machines"]:
        path = machine["path"].lstrip("/")
        assert si.content.searchIndex.FindByInventoryPath(path)._moId == machine["moref"]
        found = si.content.searchIndex.FindByUuid(None, machine["instance_uuid"], True, True)
        assert found._moId == machine["moref"]
    assert si.content.searchIndex.FindByInventoryPath("Europe/Lab-DC/vm/nothing") is None


def test_running_machine(lab, si):
    vm = find_vm(si, lab, "beacon")
    assert vm.runtime.powerState == "poweredOn" and vm.runtime.bootTime
    assert vm.config.firmware == "bios" and vm.config.guestId == "debian12_64Guest"
    assert vm.capability.changeTrackingSupported and not vm.config.changeTrackingEnabled
    assert vm.guest.toolsRunningStatus == "guestToolsRunning" and vm.guest.net[0].macAddress == "00:50:56:b0:00:11"
    found = disks(vm)
    assert sorted(found) == [2000, 2001]
    assert len({d.backing.uuid for d in found.values()}) == 2
    controllers = [d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.ParaVirtualSCSIController)]
    assert {d.controllerKey for d in found.values()} == {controllers[0].key}
    assert vm.summary.storage.committed > 0
    assert {f.name for f in vm.layoutEx.file} >= {"[vmfs-fast] beacon/beacon.vmdk", "[vmfs-fast] beacon/beacon-flat.vmdk"}
    nic = next(d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualVmxnet3))
    assert nic.backing.deviceName == "Production" and nic.backing.network.name == "Production"


def test_uefi_machine_has_nvme_and_a_distributed_port(lab, si):
    vm = find_vm(si, lab, "beacon-uefi")
    assert vm.config.firmware == "efi" and vm.runtime.powerState == "poweredOff"
    controller = next(d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualNVMEController))
    assert {d.controllerKey for d in disks(vm).values()} == {controller.key}
    nic = next(d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualVmxnet3))
    group = next(n for n in vm.network if isinstance(n, vim.dvs.DistributedVirtualPortgroup))
    assert nic.backing.port.portgroupKey == group.key and group.name == "dv-Application"


def test_refused_machine_shows_every_reason(lab, si):
    vm = find_vm(si, lab, "refused")
    found = disks(vm)
    assert found[2001].backing.diskMode == "independent_persistent"
    raw = found[2002].backing
    assert isinstance(raw, vim.vm.device.VirtualDisk.RawDiskMappingVer1BackingInfo)
    assert raw.compatibilityMode == "physicalMode" and raw.lunUuid
    assert vm.snapshot.rootSnapshotList[0].name == "before upgrade"
    assert found[2000].backing.fileName == "[vmfs-fast] refused/refused-000001.vmdk"
    assert found[2000].backing.parent.fileName == "[vmfs-fast] refused/refused.vmdk"
    assert [s["origin"] for s in lab.state("refused")["snapshots"]] == ["foreign"]
    assert vm.parent.name == "Legacy%2fOld"


def retrieve(si, vm, paths, maximum=None):
    pc = si.content.propertyCollector
    view = si.content.viewManager.CreateContainerView(si.content.rootFolder, [vim.VirtualMachine], True)
    spec = vmodl.query.PropertyCollector
    traversal = spec.TraversalSpec(name="v", type=vim.view.ContainerView, path="view", skip=False)
    filter_spec = spec.FilterSpec(
        propSet=[spec.PropertySpec(type=vim.VirtualMachine, all=False, pathSet=paths)],
        objectSet=[spec.ObjectSpec(obj=view, skip=True, selectSet=[traversal])])
    return pc.RetrievePropertiesEx([filter_spec], spec.RetrieveOptions(maxObjects=maximum))


def test_pages_hold_what_was_asked_for_and_tokens_work_once(lab, si, vm):
    pc = si.content.propertyCollector
    page = retrieve(si, vm, ["name"], 3)
    assert len(page.objects) == 3 and page.token
    rest = pc.ContinueRetrievePropertiesEx(page.token)
    assert len(rest.objects) == 1 and not rest.token
    assert len({o.obj._moId for o in page.objects + rest.objects}) == 4
    with pytest.raises(vmodl.fault.InvalidArgument):
        pc.ContinueRetrievePropertiesEx(page.token)
    page = retrieve(si, vm, ["name"], 1)
    pc.CancelRetrievePropertiesEx(page.token)
    with pytest.raises(vmodl.fault.InvalidArgument):
        pc.ContinueRetrievePropertiesEx(page.token)
    assert len(retrieve(si, vm, ["name"]).objects) == 4


def test_unknown_property_is_a_fault(si, vm):
    for path in ("config.colour", "nothing", "runtime.powerState.x"):
        with pytest.raises(vmodl.query.InvalidProperty) as caught:
            retrieve(si, vm, ["name", path])
        assert caught.value.name == path
