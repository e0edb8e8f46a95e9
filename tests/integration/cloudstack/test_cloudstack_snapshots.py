"""Snapshots: states, refusals, and bytes that really come back."""

import hashlib
import os

import pytest

from cloudlab import GIB, failed, refused, wait_for


def write(path, offset, content):
    with open(path, "r+b") as device:
        device.seek(offset)
        device.write(content)


def read(path, offset, length):
    with open(path, "rb") as device:
        device.seek(offset)
        return device.read(length)


def digest(path):
    """Over size and content; holes and written zeros count the same."""
    value = hashlib.sha256(str(os.path.getsize(path)).encode())
    with open(path, "rb") as image:
        offset = 0
        while True:
            try:
                offset = os.lseek(image.fileno(), offset, os.SEEK_DATA) & ~0xfff
            except OSError:  # nothing but a hole up to the end
                return value.hexdigest()
            image.seek(offset)
            chunk = image.read(4096)
            if chunk.count(0) != len(chunk):
                value.update(str(offset).encode() + chunk)
            offset += 4096


def test_revert_restores_what_was_written_to_the_device(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    first = os.urandom(65536)
    write(cloud.link(volume), 5 << 20, first)
    cloud.detach(volume)
    before = digest(cloud.file(volume))
    snapshot = cloud.snapshot(volume, name="before-test")
    assert (snapshot["state"], snapshot["revertable"], snapshot["volumeid"]) == ("BackedUp", True, volume)
    cloud.attach(volume)
    write(cloud.link(volume), 5 << 20, os.urandom(65536))
    write(cloud.link(volume), 900 << 20, os.urandom(65536))
    cloud.detach(volume)
    assert digest(cloud.file(volume)) != before
    cloud.do("revertSnapshot", id=snapshot["id"])
    assert digest(cloud.file(volume)) == before
    cloud.attach(volume)
    assert read(cloud.link(volume), 5 << 20, 65536) == first
    cloud.detach(volume)
    cloud.do("deleteSnapshot", id=snapshot["id"])
    assert cloud.api.listSnapshots(volumeid=volume) == {}
    assert not (cloud.state / "snapshots" / snapshot["id"]).exists()
    assert digest(cloud.file(volume)) == before


def test_states_on_the_way(cloud):
    volume = cloud.ready_volume()
    cloud.set("lab.job.step.ms", 80)
    answer = cloud.api.createSnapshot(volumeid=volume)
    seen, volumes = [], set()

    def finished():
        shown = cloud.api.listSnapshots(id=answer["id"])["snapshot"][0]
        if not seen or seen[-1] != shown["state"]:
            seen.append(shown["state"])
        if shown["state"] in ("Creating", "BackingUp"):
            assert (shown["jobid"], shown["jobstatus"]) == (answer["jobid"], 0)
            volumes.add(shown["volumestate"])
        return shown["state"] == "BackedUp"

    wait_for(finished)
    assert seen[-3:] == ["Creating", "BackingUp", "BackedUp"]
    assert "Snapshotting" in volumes
    wait_for(lambda: cloud.show(volume)["state"] == "Ready")


def test_without_secondary_storage(cloud):
    cloud.set("snapshot.backup.to.secondary", "false")
    snapshot = cloud.snapshot(cloud.ready_volume())
    assert (snapshot["state"], snapshot["locationtype"]) == ("BackedUp", "PRIMARY")


def test_refused_while_attached_to_the_running_appliance(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    assert not cloud.api.listCapabilities()["capability"]["kvmsnapshotenabled"]
    text = refused(530, cloud.api.createSnapshot, volumeid=volume)
    assert text.startswith("KVM Snapshot is not supported for Running VMs. ")
    cloud.set("kvm.snapshot.enabled", "true")
    content = os.urandom(4096)
    write(cloud.link(volume), 8192, content)
    snapshot = cloud.snapshot(volume)["id"]
    assert read(cloud.state / "snapshots" / snapshot, 8192, 4096) == content
    text = failed(431, cloud.do, "revertSnapshot", id=snapshot)
    assert text == "The VM the specified disk is attached to is not in the shutdown state."
    cloud.detach(volume)


def test_one_at_a_time_per_machine(cloud):
    cloud.set("kvm.snapshot.enabled", "true")
    one, two = cloud.volume(), cloud.volume()
    cloud.attach(one)
    cloud.attach(two)
    cloud.fault("delay_job", command="createSnapshot", ms=400)
    answer = cloud.api.createSnapshot(volumeid=one)
    wait_for(lambda: cloud.show(one)["state"] == "Snapshotting")
    assert refused(431, cloud.api.createSnapshot, volumeid=two) == (
        "There is other active snapshot tasks on the instance to which the volume is attached, please try again later")
    cloud.job(answer["jobid"])
    cloud.snapshot(two)
    cloud.detach(one)
    cloud.detach(two)


def test_detached_volumes_do_not_wait_for_each_other(cloud):
    one, two = cloud.ready_volume(), cloud.ready_volume()
    cloud.fault("delay_job", command="createSnapshot", ms=5000)
    slow = cloud.api.createSnapshot(volumeid=one)["jobid"]
    assert cloud.snapshot(two)["state"] == "BackedUp"
    assert cloud.api.queryAsyncJobResult(jobid=slow)["jobstatus"] == 0


def test_refusals(cloud):
    text = refused(431, cloud.api.createSnapshot, volumeid=cloud.volume())
    assert "is not in Ready state but Allocated. Cannot take snapshot." in text
    volume = cloud.ready_volume()
    refused(431, cloud.api.createSnapshot, volumeid=volume, locationtype="PRIMARY")
    cloud.op("limit", type=3, max=0)
    try:
        refused(535, cloud.api.createSnapshot, volumeid=volume)
    finally:
        cloud.op("limit", type=3, max=-1)


def test_volume_cannot_be_deleted_during_a_snapshot(cloud):
    volume = cloud.ready_volume()
    cloud.fault("delay_job", command="createSnapshot", ms=300)
    answer = cloud.api.createSnapshot(volumeid=volume)
    wait_for(lambda: cloud.show(volume)["state"] == "Snapshotting")
    assert refused(431, cloud.api.deleteVolume, id=volume) == (
        "There are snapshot operations in progress on the volume, unable to delete it")
    assert "is not in Ready state but Snapshotting" in refused(431, cloud.api.createSnapshot, volumeid=volume)
    assert "Can't delete" in failed(431, cloud.do, "deleteSnapshot", id=answer["id"])
    assert cloud.job(answer["jobid"])["jobstatus"] == 1


def test_snapshot_survives_its_volume(cloud):
    volume = cloud.ready_volume(name="gone")
    write(cloud.file(volume), 0, b"kept")
    snapshot = cloud.snapshot(volume)["id"]
    cloud.api.deleteVolume(id=volume)
    shown = cloud.api.listSnapshots(id=snapshot)["snapshot"][0]
    assert (shown["state"], shown["volumename"]) == ("BackedUp", "gone")
    failed(431, cloud.do, "revertSnapshot", id=snapshot)
    clone = cloud.do("createVolume", name="clone", snapshotid=snapshot)["volume"]
    assert (clone["state"], clone["type"], clone["snapshotid"]) == ("Ready", "DATADISK", snapshot)
    assert read(cloud.file(clone["id"]), 0, 4) == b"kept"


def test_volume_from_a_snapshot_may_be_larger_but_not_smaller(cloud):
    volume = cloud.volume(size=2)
    cloud.attach(volume)
    cloud.detach(volume)
    snapshot = cloud.snapshot(volume)["id"]
    refused(431, cloud.api.createVolume, name="small", snapshotid=snapshot, size=1)
    bigger = cloud.do("createVolume", name="big", snapshotid=snapshot, size=3)["volume"]
    assert bigger["size"] == 3 * GIB == cloud.file(bigger["id"]).stat().st_size


def test_revert_takes_the_size_back_too(cloud):
    volume = cloud.ready_volume()
    snapshot = cloud.snapshot(volume)["id"]
    cloud.do("resizeVolume", id=volume, size=2)
    cloud.do("revertSnapshot", id=snapshot)
    assert cloud.show(volume)["size"] == GIB == cloud.file(volume).stat().st_size


def test_revert_on_a_stopped_machine_and_not_with_vm_snapshots(cloud):
    vm = cloud.deploy("stopped-revert")["id"]
    volume = cloud.ready_volume()
    snapshot = cloud.snapshot(volume)["id"]
    cloud.attach(volume, vm)
    cloud.do("revertSnapshot", id=snapshot)
    cloud.op("vm_snapshot", vm=vm, snapshot="x")
    failed(431, cloud.do, "revertSnapshot", id=snapshot)
    cloud.op("vm_snapshot_gone", vm=vm)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_storage_that_cannot_revert(cloud):
    cloud.set("lab.snapshot.revertable", "false")
    snapshot = cloud.snapshot(cloud.ready_volume())
    assert snapshot["revertable"] is False
    assert failed(530, cloud.do, "revertSnapshot", id=snapshot["id"]) == (
        "Reverting not supported. Create a template or volume based on the snapshot instead.")


@pytest.mark.parametrize("half", ["first", "second"])
def test_partial_revert_leaves_a_broken_volume_and_can_be_repeated(cloud, half):
    volume = cloud.ready_volume()
    offset = 10 << 20 if half == "first" else 800 << 20
    write(cloud.file(volume), offset, b"A" * 4096)
    snapshot = cloud.snapshot(volume)["id"]
    write(cloud.file(volume), offset, b"B" * 4096)
    cloud.fault("revert_partial")
    failed(530, cloud.do, "revertSnapshot", id=snapshot)
    assert read(cloud.file(volume), offset, 4096) == (b"A" if half == "first" else b"B") * 4096
    assert cloud.show(volume)["state"] == "Ready"
    assert cloud.api.listSnapshots(id=snapshot)["snapshot"][0]["state"] == "BackedUp"
    cloud.do("revertSnapshot", id=snapshot)
    assert read(cloud.file(volume), offset, 4096) == b"A" * 4096


def test_snapshot_error(cloud):
    volume = cloud.ready_volume()
    cloud.fault("snapshot_error")
    answer = cloud.api.createSnapshot(volumeid=volume)
    job = cloud.job(answer["jobid"])
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert cloud.api.listSnapshots(id=answer["id"])["snapshot"][0]["state"] == "Error"
    assert cloud.show(volume)["state"] == "Ready"
    failed(431, cloud.do, "revertSnapshot", id=answer["id"])
    cloud.do("deleteSnapshot", id=answer["id"])
    assert cloud.snapshot(volume)["state"] == "BackedUp"


def test_volume_from_a_snapshot_is_attached_at_once_when_asked(cloud):
    volume = cloud.ready_volume()
    write(cloud.file(volume), 4096, b"cloned")
    snapshot = cloud.snapshot(volume)["id"]
    clone = cloud.do("createVolume", name="clone", snapshotid=snapshot, virtualmachineid=cloud.appliance)["volume"]
    assert (clone["virtualmachineid"], clone["deviceid"]) == (cloud.appliance, 1)
    assert read(cloud.link(clone["id"]), 4096, 6) == b"cloned"
    cloud.detach(clone["id"])
    cloud.op("vm_snapshot", vm=cloud.appliance, snapshot="x")
    answer = cloud.api.createVolume(name="left", snapshotid=snapshot, virtualmachineid=cloud.appliance)
    assert cloud.job(answer["jobid"])["jobresultcode"] == 431
    cloud.op("vm_snapshot_gone", vm=cloud.appliance)
    assert cloud.show(answer["id"])["state"] == "Ready" and "virtualmachineid" not in cloud.show(answer["id"])
