"""The life of a volume: record, bytes, loop device and link on the appliance, growth, deletion, and every refusal."""

import json
import os
import pathlib
import subprocess

from cloudlab import GIB, failed, refused, wait_for


def test_allocated_until_first_attach(cloud):
    volume = cloud.volume(name="fresh", size=2)
    shown = cloud.show(volume)
    assert (shown["state"], shown["size"], shown["type"]) == ("Allocated", 2 * GIB, "DATADISK")
    assert not {"virtualmachineid", "deviceid", "attached", "vmname", "storage"} & set(shown)
    assert not cloud.file(volume).exists()
    cloud.attach(volume)
    assert cloud.show(volume)["state"] == "Ready"
    assert cloud.file(volume).stat().st_size == 2 * GIB
    assert cloud.file(volume).stat().st_blocks == 0
    cloud.detach(volume)


def test_appears_as_a_device_of_the_right_size_and_content(cloud):
    volume = cloud.volume()
    answer = cloud.attach(volume)
    assert (answer["virtualmachineid"], answer["type"], answer["state"]) == (cloud.appliance, "DATADISK", "Ready")
    link = cloud.link(volume)
    assert link.is_symlink() and os.readlink(link).startswith("/dev/loop")
    size = subprocess.run(["blockdev", "--getsize64", link], capture_output=True, text=True, check=True).stdout
    assert int(size) == GIB
    with open(link, "r+b") as device:
        device.seek(123 * 4096)
        device.write(b"really written")
    cloud.detach(volume)
    assert not os.path.lexists(link)
    with open(cloud.file(volume), "rb") as image:
        image.seek(123 * 4096)
        assert image.read(14) == b"really written"
    shown = cloud.show(volume)
    assert (shown["state"], shown["type"]) == ("Ready", "DATADISK")
    assert not {"virtualmachineid", "deviceid", "attached", "vmname", "vmstate"} & set(shown)


def test_device_ids_skip_root_and_cdrom(cloud):
    volumes = [cloud.volume() for _ in range(4)]
    assert [cloud.attach(volume)["deviceid"] for volume in volumes] == [1, 2, 4, 5]
    cloud.detach(volumes[1])
    spare = cloud.volume()
    assert cloud.attach(spare)["deviceid"] == 2
    for volume in [spare, volumes[0], volumes[2], volumes[3]]:
        cloud.detach(volume)


def test_wished_device_ids(cloud):
    first, second = cloud.volume(), cloud.volume()
    assert cloud.attach(first, deviceid=7)["deviceid"] == 7
    for wrong in (3, 34, -2):
        assert failed(530, cloud.attach, second, deviceid=wrong) == "deviceId should be 0,1,2,4-33"
    assert failed(530, cloud.attach, second, deviceid=7).startswith("deviceId 7 is used by vm ")
    assert cloud.show(second)["state"] == "Allocated"
    assert cloud.do("detachVolume", deviceid=7, virtualmachineid=cloud.appliance)["volume"]["id"] == first


def test_attach_refusals(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    assert failed(431, cloud.attach, volume) == "Please specify a volume that is not attached to any VM."
    assert failed(431, cloud.attach, cloud.volume(), deviceid=0).startswith("Root volume detach can happen only")
    cloud.op("vm_snapshot", vm=cloud.appliance, snapshot="somebody's")
    try:
        assert "VM snapshots" in failed(431, cloud.attach, cloud.volume())
        assert "VM snapshots" in failed(431, cloud.detach, volume)
        assert "VM snapshots" in failed(431, cloud.do, "resizeVolume", id=volume, size=2)
        assert cloud.api.listVMSnapshot(virtualmachineid=cloud.appliance)["vmSnapshot".lower()][0]["name"] == "somebody's"
    finally:
        cloud.op("vm_snapshot_gone", vm=cloud.appliance)
    assert cloud.api.listVMSnapshot() == {}
    cloud.detach(volume)


def test_appliance_holds_32_data_disks(cloud):
    volumes = [cloud.volume() for _ in range(33)]
    vm = cloud.deploy("many")["id"]
    ids = [cloud.attach(volume, vm)["deviceid"] for volume in volumes[:32]]
    assert ids == [1, 2] + list(range(4, 34))
    assert "maximum number of data disks" in failed(431, cloud.attach, volumes[32], vm)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_detach_refusals(cloud):
    assert failed(431, cloud.detach, cloud.volume()) == "The specified volume is not attached to a VM."
    root = next(v for v in cloud.api.listVolumes(virtualmachineid=cloud.appliance)["volume"] if v["deviceid"] == 0)
    assert "Root volume detach" in failed(431, cloud.detach, root["id"])
    refused(431, cloud.api.detachVolume)
    refused(431, cloud.api.detachVolume, deviceid=9, virtualmachineid=cloud.appliance)


def test_a_held_device_is_not_unplugged_until_its_holder_closes_it(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    with open(cloud.link(volume), "rb"):
        for _ in range(2):
            text = failed(530, cloud.detach, volume)
            assert text.startswith("Failed to detach volume disk from VM migratekit-oma; ")
            assert "Could not detach volume after sending the command and waiting for [400] milliseconds." in text
            assert text.endswith("Try again in a couple of minutes.")
        shown = cloud.show(volume)
        assert (shown["virtualmachineid"], shown["state"]) == (cloud.appliance, "Ready")
        assert cloud.link(volume).exists()
    wait_for(lambda: not os.path.lexists(cloud.link(volume)))  # released late, as by a busy guest
    assert cloud.show(volume)["virtualmachineid"] == cloud.appliance
    cloud.detach(volume)
    assert "virtualmachineid" not in cloud.show(volume)


def test_create_refusals(cloud):
    create = cloud.api.createVolume
    custom, fixed = cloud.endpoint["disk_offering_id"], cloud.endpoint["fixed_disk_offering_id"]
    common = {"name": "x", "zoneid": cloud.zone}
    assert refused(431, create, diskofferingid=custom, **common) == "This disk offering requires a custom size specified"
    assert refused(431, create, diskofferingid=fixed, size=2, **common) == "This disk offering does not allow custom size"
    refused(431, create, diskofferingid=custom, size=0, **common)
    refused(431, create, diskofferingid=custom, size=1025, **common)
    refused(431, create, diskofferingid=custom, size=1, zoneid=cloud.zone)
    refused(431, create, name="x", size=1, zoneid=cloud.zone)
    capabilities = cloud.api.listCapabilities()["capability"]
    assert (capabilities["customdiskofferingminsize"], capabilities["customdiskofferingmaxsize"]) == (1, 1024)
    cloud.set("custom.diskoffering.size.max", 4096)
    refused(431, create, diskofferingid=custom, size=2001, **common)
    assert cloud.do("createVolume", diskofferingid=fixed, **common)["volume"]["size"] == 2 * GIB


def test_volume_limit_of_the_account(cloud):
    cloud.op("limit", type=2, max=0)
    try:
        assert "'volume'" in refused(535, cloud.volume)
        limits = cloud.api.listResourceLimits(resourcetype=2)["resourcelimit"]
        assert [limit["max"] for limit in limits] == [0]
    finally:
        cloud.op("limit", type=2, max=-1)


def test_virtualmachineid_without_snapshot_does_not_attach(cloud):
    volume = cloud.volume(virtualmachineid=cloud.appliance)
    assert cloud.show(volume)["state"] == "Allocated"
    assert "virtualmachineid" not in cloud.show(volume)


def test_delete(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    assert refused(431, cloud.api.deleteVolume, id=volume) == "Please specify a volume that is not attached to any VM."
    cloud.detach(volume)
    assert cloud.api.deleteVolume(id=volume) == {"success": True}
    assert not cloud.file(volume).exists()
    assert cloud.api.listVolumes(id=volume) == {}  # it resolves, and is gone
    refused(431, cloud.api.deleteVolume, id=volume)
    assert "entity does not exist" in refused(431, cloud.api.listVolumes, id="00000000-0000-4000-8000-000000000000")


def test_destroy_and_recover(cloud):
    volume = cloud.ready_volume()
    assert cloud.do("destroyVolume", id=volume)["volume"]["state"] == "Destroy"
    failed(431, cloud.attach, volume)
    assert cloud.api.recoverVolume(id=volume)["volume"]["state"] == "Ready"
    cloud.do("destroyVolume", id=volume, expunge="true")
    assert cloud.api.listVolumes(id=volume) == {}
    assert not cloud.file(volume).exists()


def test_tenant_may_be_forbidden_to_expunge_volumes(cloud):
    cloud.set("allow.user.expunge.recover.volume", "false")
    volume = cloud.do("createVolume", cloud.user, name="t", size=1, zoneid=cloud.zone,
                      diskofferingid=cloud.endpoint["disk_offering_id"])["volume"]["id"]
    failed(530, cloud.do, "destroyVolume", cloud.user, id=volume, expunge="true")
    assert not cloud.user.listCapabilities()["capability"]["allowuserexpungerecovervolume"]
    assert cloud.user.deleteVolume(id=volume) == {"success": True}


def test_delete_protection(cloud):
    volume = cloud.volume()
    cloud.do("updateVolume", id=volume, deleteprotection="true", name="kept")
    assert cloud.show(volume)["name"] == "kept"
    refused(431, cloud.api.deleteVolume, id=volume)
    cloud.do("updateVolume", id=volume, deleteprotection="false")
    cloud.api.deleteVolume(id=volume)


def test_grow_on_the_appliance(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    assert cloud.do("resizeVolume", id=volume, size=3)["volume"]["size"] == 3 * GIB
    size = subprocess.run(["blockdev", "--getsize64", cloud.link(volume)], capture_output=True, text=True, check=True)
    assert int(size.stdout) == 3 * GIB
    assert failed(431, cloud.do, "resizeVolume", id=volume, size=2, shrinkok="true") == "Unable to shrink volumes of type QCOW2"
    cloud.detach(volume)
    cloud.do("resizeVolume", id=volume, size=4)
    assert cloud.file(volume).stat().st_size == 4 * GIB


def test_fixed_offering_does_not_grow(cloud):
    volume = cloud.do("createVolume", name="fixed", zoneid=cloud.zone,
                      diskofferingid=cloud.endpoint["fixed_disk_offering_id"])["volume"]["id"]
    assert "disk offering must be customizable" in failed(431, cloud.do, "resizeVolume", id=volume, size=3)


def test_views_of_administrator_and_tenant(cloud):
    volume = cloud.ready_volume(name="admins-own")
    assert {"storage", "storageid", "path", "clusterid"} <= set(cloud.show(volume))
    assert cloud.user.listVolumes(name="admins-own", listall="true") == {}
    refused(531, cloud.user.deleteVolume, id=volume)
    refused(531, cloud.user.attachVolume, id=volume, virtualmachineid=cloud.appliance)
    mine = cloud.do("createVolume", cloud.user, name="tenants-own", size=1, zoneid=cloud.zone,
                    diskofferingid=cloud.endpoint["disk_offering_id"])["volume"]
    assert mine["account"] == "tenant" and not {"storage", "path"} & set(mine)
    assert cloud.api.listVolumes(name="tenants-own") == {}
    assert cloud.api.listVolumes(name="tenants-own", listall="true")["count"] == 1
    assert "belong to different accounts" in failed(530, cloud.attach, mine["id"])


def test_appliance_of_the_tenant(own):
    own.op("assign_appliance", account="tenant")
    volume = own.do("createVolume", own.user, name="t", size=1, zoneid=own.zone,
                    diskofferingid=own.endpoint["disk_offering_id"])["volume"]["id"]
    shown = own.do("attachVolume", own.user, id=volume, virtualmachineid=own.appliance)["volume"]
    assert shown["deviceid"] == 1 and "storage" not in shown
    assert own.link(volume).exists()
    own.do("detachVolume", own.user, id=volume)


def test_inventory_names_files_and_devices(cloud):
    volume = cloud.volume(name="seen")
    cloud.attach(volume)
    entry = next(v for v in cloud.inventory()["volumes"] if v["id"] == volume)
    assert entry["file"] == str(cloud.file(volume))
    assert entry["device"] == os.readlink(cloud.link(volume))
    backing = pathlib.Path("/sys/block", pathlib.Path(entry["device"]).name, "loop/backing_file").read_text().strip()
    assert backing == entry["file"]
    cloud.detach(volume)
    entry = next(v for v in cloud.inventory()["volumes"] if v["id"] == volume)
    assert "device" not in entry and json.dumps(entry)


def test_many_at_once_are_never_confused(cloud):
    volumes = [cloud.volume(size=size) for size in (1, 2, 3, 4)]
    jobs = [cloud.api.attachVolume(id=v, virtualmachineid=cloud.appliance)["jobid"] for v in volumes]
    assert [cloud.job(job)["jobstatus"] for job in jobs] == [1] * 4
    for size, volume in enumerate(volumes, start=1):
        shown = subprocess.run(["blockdev", "--getsize64", cloud.link(volume)], capture_output=True, text=True, check=True)
        assert int(shown.stdout) == size * GIB
    ids = [cloud.show(volume)["deviceid"] for volume in volumes]
    assert ids == sorted(ids)  # the machine's queue kept the order
    for volume in volumes:
        cloud.detach(volume)
