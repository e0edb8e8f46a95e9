"""Snapshots and tasks: links, trees, own configuration, removal, consolidation."""

import pytest
from pyVmomi import vim, vmodl

from labvcenter import GRAIN, disks, find_vm, snapshot, wait


def test_snapshot_names_the_frozen_link_and_the_machine_goes_on_with_a_delta(vm, lab):
    snap = snapshot(vm, "one")
    assert disks(snap)[2000].backing.fileName == "[nfs bulk] off one/off one.vmdk"
    live = disks(vm)[2000].backing
    assert live.fileName == "[nfs bulk] off one/off one-000001.vmdk"
    assert live.parent.fileName == "[nfs bulk] off one/off one.vmdk"
    assert disks(snap)[2000].backing.uuid == live.uuid
    tree = vm.snapshot.rootSnapshotList[0]
    assert (tree.name, tree.description, tree.snapshot._moId) == ("one", "by a test", snap._moId)
    assert vm.snapshot.currentSnapshot._moId == snap._moId
    entry = lab.state("off-one")["snapshots"][0]
    assert entry["origin"] == "mine" and entry["moref"] == snap._moId
    assert {f.name for f in vm.layoutEx.file} >= {"[nfs bulk] off one/off one-000001-delta.vmdk"}
    wait(snap.RemoveSnapshot_Task(False, True))
    assert vm.snapshot is None and disks(vm)[2000].backing.fileName == "[nfs bulk] off one/off one.vmdk"
    assert disks(vm)[2000].backing.parent is None


def test_chain_of_two_and_removal_of_the_older(vm, lab):
    first = snapshot(vm, "one")
    lab.write("off-one", 2000, 0, b"between")
    second = snapshot(vm, "two")
    assert vm.snapshot.rootSnapshotList[0].childSnapshotList[0].snapshot._moId == second._moId
    assert disks(second)[2000].backing.fileName.endswith("off one-000001.vmdk")
    assert disks(vm)[2000].backing.fileName.endswith("off one-000002.vmdk")
    wait(first.RemoveSnapshot_Task(False, True))
    assert [t.snapshot._moId for t in vm.snapshot.rootSnapshotList] == [second._moId]
    assert disks(second)[2000].backing.fileName == "[nfs bulk] off one/off one.vmdk"
    assert disks(vm)[2000].backing.parent.fileName == "[nfs bulk] off one/off one.vmdk"


def test_remove_children_and_remove_all(vm):
    first = snapshot(vm, "one")
    snapshot(vm, "two")
    wait(first.RemoveSnapshot_Task(True, True))
    assert vm.snapshot is None
    snapshot(vm, "three")
    snapshot(vm, "four")
    wait(vm.RemoveAllSnapshots_Task())
    assert vm.snapshot is None
    wait(vm.RemoveAllSnapshots_Task())  # nothing to do is no error


def test_a_snapshot_keeps_the_configuration_of_its_time(vm):
    snap = snapshot(vm)
    wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(annotation="later")))
    assert vm.config.annotation == "later" and snap.config.annotation != "later"


def test_create_ex_checks_its_timeout(vm):
    spec = vim.vm.GuestQuiesceSpec(timeout=15)
    snap = wait(vm.CreateSnapshotEx_Task("ex", "by a test", False, spec))
    assert snap.config is not None
    with pytest.raises(vmodl.fault.InvalidArgument):
        vm.CreateSnapshotEx_Task("ex", "by a test", False, vim.vm.GuestQuiesceSpec(timeout=3))


def test_tasks_are_asynchronous_and_hold_the_machine(vm, lab):
    lab.fault("slow_tasks", seconds=0.6, machine="off-one")
    task = vm.CreateSnapshot_Task("slow", "by a test", False, False)
    assert task.info.state in ("queued", "running")
    assert task._moId in [t._moId for t in vm.recentTask]
    with pytest.raises(vim.fault.TaskInProgress) as caught:
        wait(vm.RemoveAllSnapshots_Task())
    assert caught.value.task._moId == task._moId
    seen = set()
    while task.info.state == "running":
        seen.add(task.info.progress)
    assert len(seen) > 2, "progress moves"
    assert task.info.result is not None


def test_physical_raw_device_cannot_be_snapshotted(lab, si):
    with pytest.raises(vim.fault.SnapshotIncompatibleDeviceInVm):
        wait(find_vm(si, lab, "refused").CreateSnapshot_Task("no", "", False, False))


def test_content_stays_frozen_for_the_judges(vm, lab):
    nbd = pytest.importorskip("nbd")
    lab.write("off-one", 2000, 3 * GRAIN, b"A" * 1000)
    snapshot(vm)
    lab.write("off-one", 2000, 3 * GRAIN, b"B" * 1000)
    frozen = lab.state("off-one")["snapshots"][0]["disks"][0]["frozen"]
    handle = nbd.NBD()
    handle.connect_uri(frozen["uri"])
    assert handle.is_read_only()
    assert bytes(handle.pread(1000, 3 * GRAIN)) == b"A" * 1000
    handle.shutdown()


def test_what_the_lab_cannot_do_is_refused(vm):
    snapshot(vm)
    for call in (vm.RevertToCurrentSnapshot_Task, vm.SuspendVM_Task, vm.ResetVM_Task, vm.Destroy_Task):
        with pytest.raises(vmodl.fault.NotSupported):
            call()


def test_waiting_for_updates_sees_the_task_through(si, vm):
    spec = vmodl.query.PropertyCollector
    task = vm.CreateSnapshot_Task("watched", "by a test", False, False)
    pc = si.content.propertyCollector.CreatePropertyCollector()
    pc.CreateFilter(spec.FilterSpec(
        propSet=[spec.PropertySpec(type=vim.Task, all=False, pathSet=["info.state", "info.progress", "info.result"])],
        objectSet=[spec.ObjectSpec(obj=task)]), False)
    version, values = "", {}
    while values.get("info.state") not in ("success", "error"):
        update = pc.WaitForUpdatesEx(version, spec.WaitOptions(maxWaitSeconds=10))
        assert update is not None, "no update within 10 seconds"
        version = update.version
        for filter_set in update.filterSet:
            for obj in filter_set.objectSet:
                values.update({c.name: c.val for c in obj.changeSet})
    assert values["info.state"] == "success" and values["info.result"] == vm.snapshot.currentSnapshot
    pc.Destroy()
