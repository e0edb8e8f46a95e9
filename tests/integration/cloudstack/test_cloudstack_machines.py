"""Machines: deployment, root swap, attach order, real guests, stop, destroy, recover."""

import pathlib
import socket

import pytest

from cloudlab import GIB, failed, refused, wait_for


def serial(volume):
    return volume.replace("-", "")[:20]


def command_line(cloud, vm):
    pid = next(m["pid"] for m in cloud.inventory()["vms"] if m["id"] == vm)
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def disks_in_order(arguments):
    return [a.split("serial=")[1].split(",")[0] for a in arguments if "serial=" in a]


def root_of(cloud, vm):
    return next(v for v in cloud.api.listVolumes(virtualmachineid=vm)["volume"] if v["deviceid"] == 0)


@pytest.fixture
def vm(cloud):
    """A shell machine that was never started, removed at the end."""
    made = cloud.deploy("shell")["id"]
    yield made
    if "virtualmachine" in cloud.api.listVirtualMachines(id=made):
        cloud.do("destroyVirtualMachine", id=made, expunge="true")


def swap_root(cloud, vm, volume):
    default = root_of(cloud, vm)
    assert default["state"] == "Allocated"
    cloud.detach(default["id"])
    cloud.api.deleteVolume(id=default["id"])
    return cloud.attach(volume, vm, deviceid=0)


def test_shell_machine(cloud, vm):
    shown = cloud.machine(vm)
    assert (shown["state"], shown["name"], shown["hypervisor"]) == ("Stopped", "shell", "KVM")
    assert (shown["boottype"], shown["bootmode"]) == ("BIOS", "LEGACY")
    root = root_of(cloud, vm)
    assert (root["state"], root["type"], root["vmname"], root["vmstate"]) == ("Allocated", "ROOT", "shell", "Stopped")
    nic = shown["nic"][0]
    assert nic["isdefault"] and nic["type"] == "Isolated" and nic["ipaddress"].startswith("127.")
    assert cloud.api.listNics(virtualmachineid=vm)["nic"][0]["id"] == nic["id"]
    short = cloud.api.listVirtualMachines(id=vm, details="min")["virtualmachine"][0]
    assert "nic" not in short
    assert "nic" in cloud.api.listVirtualMachines(id=vm, details="min,nics")["virtualmachine"][0]


def test_the_whole_failover_order(cloud, vm):
    boot, data1, data2 = (cloud.ready_volume(name=name) for name in ("boot", "data1", "data2"))
    attached = swap_root(cloud, vm, boot)
    assert (attached["type"], attached["deviceid"], attached["state"]) == ("ROOT", 0, "Ready")
    assert [cloud.attach(data, vm)["deviceid"] for data in (data1, data2)] == [1, 2]
    assert cloud.machine(vm)["rootdeviceid"] == 0
    cloud.do("startVirtualMachine", id=vm)
    assert cloud.machine(vm)["state"] == "Running"
    arguments = command_line(cloud, vm)
    assert disks_in_order(arguments) == [serial(v) for v in (boot, data1, data2)]
    assert "virtio-blk-pci" in next(a for a in arguments if serial(boot) in a and "serial=" in a)
    assert any("restrict=on" in a for a in arguments)
    assert "kvm" not in " ".join(arguments[arguments.index("-accel"):][:2])
    assert failed(431, cloud.do, "startVirtualMachine", id=vm).endswith("already running")
    assert "Root volume detach" in failed(431, cloud.detach, boot)
    refused(530, cloud.api.createSnapshot, volumeid=data1)
    cloud.do("stopVirtualMachine", id=vm, forced="true")
    for volume in (boot, data1, data2):
        cloud.detach(volume)
    shown = cloud.show(boot)
    assert (shown["type"], shown["state"]) == ("DATADISK", "Ready")
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")
    assert cloud.api.listVirtualMachines(id=vm) == {}
    assert all(cloud.file(volume).exists() for volume in (boot, data1, data2))
    assert not (cloud.state / "vms" / vm).exists()


def test_no_start_without_device_0(cloud, vm):
    cloud.detach(root_of(cloud, vm)["id"])
    cloud.attach(cloud.ready_volume(), vm)
    assert "device 0" in failed(530, cloud.do, "startVirtualMachine", id=vm)
    assert cloud.machine(vm)["state"] == "Stopped"


def test_second_root_is_refused(cloud, vm):
    assert failed(431, cloud.attach, cloud.ready_volume(), vm, deviceid=0) == "Vm already has root volume attached to it"


def test_managed_pool_refuses_root_moves(cloud, vm):
    volume = cloud.ready_volume()
    swap_root(cloud, vm, volume)
    cloud.set("lab.pool.managed", "true")
    assert failed(431, cloud.detach, volume) == "Root volume detach is not supported for Managed DataStores"
    cloud.set("lab.pool.managed", "false")
    cloud.detach(volume)


def test_allocated_volume_on_a_never_started_machine_stays_allocated_until_start(cloud, vm):
    volume = cloud.volume()
    assert cloud.attach(volume, vm)["state"] == "Allocated"
    assert not cloud.file(volume).exists()
    cloud.do("startVirtualMachine", id=vm)
    assert cloud.show(volume)["state"] == "Ready"
    assert root_of(cloud, vm)["state"] == "Ready"
    assert cloud.file(volume).stat().st_size == GIB


def test_uefi_with_fresh_variables(cloud):
    vm = cloud.deploy("uefi", boottype="UEFI", bootmode="LEGACY")["id"]
    assert cloud.machine(vm)["boottype"] == "UEFI"
    cloud.do("startVirtualMachine", id=vm)
    arguments = " ".join(command_line(cloud, vm))
    assert "-machine q35" in arguments and "OVMF_CODE_4M.fd" in arguments
    assert (cloud.state / "vms" / vm / "vars.fd").stat().st_size > 0
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_scsi_root_takes_data_disks_along(cloud):
    vm = cloud.deploy("scsi", **{"details[0].rootDiskController": "scsi"})["id"]
    data = cloud.ready_volume()
    cloud.attach(data, vm)
    cloud.do("startVirtualMachine", id=vm)
    disks = [a for a in command_line(cloud, vm) if "serial=" in a]
    assert len(disks) == 2 and all(a.startswith("scsi-hd") for a in disks)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_power_off_from_inside_becomes_stopped(cloud, vm):
    cloud.do("startVirtualMachine", id=vm)
    cloud.op("power_off", vm=vm)
    wait_for(lambda: cloud.machine(vm)["state"] == "Stopped")
    cloud.do("startVirtualMachine", id=vm)
    assert cloud.machine(vm)["state"] == "Running"


def test_stop_without_force_kills_a_guest_that_does_not_listen(cloud, vm):
    cloud.do("startVirtualMachine", id=vm)
    pid = next(m["pid"] for m in cloud.inventory()["vms"] if m["id"] == vm)
    cloud.do("stopVirtualMachine", id=vm)
    assert cloud.machine(vm)["state"] == "Stopped"
    assert not pathlib.Path(f"/proc/{pid}").exists()


def test_reboot_keeps_the_guest(cloud, vm):
    cloud.do("startVirtualMachine", id=vm)
    before = next(m["pid"] for m in cloud.inventory()["vms"] if m["id"] == vm)
    cloud.do("rebootVirtualMachine", id=vm)
    assert next(m["pid"] for m in cloud.inventory()["vms"] if m["id"] == vm) == before


def test_guest_that_never_answers_keeps_its_disk(cloud, vm):
    """SeaBIOS without a system answers no unplug request, as a guest that is still booting."""
    data = cloud.ready_volume()
    cloud.do("startVirtualMachine", id=vm)
    cloud.attach(data, vm)
    assert "milliseconds" in failed(530, cloud.detach, data)
    assert cloud.show(data)["virtualmachineid"] == vm
    cloud.do("stopVirtualMachine", id=vm, forced="true")
    cloud.detach(data)


def test_hot_plug_into_a_running_guest(cloud, vm):
    data = cloud.volume()
    cloud.do("startVirtualMachine", id=vm)
    assert cloud.attach(data, vm)["deviceid"] == 1
    assert cloud.show(data)["state"] == "Ready"
    assert cloud.do("resizeVolume", id=data, size=2)["volume"]["size"] == 2 * GIB


def test_uefi_runs_out_of_slots(cloud):
    vm = cloud.deploy("slots", boottype="UEFI", bootmode="LEGACY")["id"]
    cloud.do("startVirtualMachine", id=vm)
    volumes = [cloud.volume() for _ in range(3)]
    for volume in volumes[:2]:
        cloud.attach(volume, vm)
    assert "No more available PCI slots" in failed(530, cloud.attach, volumes[2], vm)
    assert "virtualmachineid" not in cloud.show(volumes[2])
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_guest_port_is_reachable_at_its_address(cloud):
    vm = cloud.deploy("reach", networkids=cloud.network(False))["id"]
    cloud.do("startVirtualMachine", id=vm)
    address = cloud.machine(vm)["nic"][0]["ipaddress"]
    socket.create_connection((address, 8080), timeout=10).close()  # the forwarder listens even without a guest system
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")
    with pytest.raises(OSError):
        socket.create_connection((address, 8080), timeout=10)


def test_destroy_takes_the_root_and_spares_data_disks(cloud, vm):
    data, doomed = cloud.ready_volume(), cloud.ready_volume()
    cloud.attach(data, vm)
    cloud.attach(doomed, vm)
    cloud.do("startVirtualMachine", id=vm)
    root = root_of(cloud, vm)["id"]
    failed(431, cloud.do, "destroyVirtualMachine", id=vm, volumeids=root)
    shown = cloud.do("destroyVirtualMachine", id=vm, volumeids=doomed)["virtualmachine"]
    assert shown["state"] == "Destroyed"
    assert cloud.show(root)["state"] == "Destroy"
    assert "Root volume detach" in failed(431, cloud.detach, root)
    assert cloud.api.listVolumes(id=doomed) == {}
    assert "virtualmachineid" not in cloud.show(data)
    assert cloud.api.recoverVirtualMachine(id=vm)["virtualmachine"]["state"] == "Stopped"
    assert cloud.show(root)["state"] == "Ready"
    cloud.do("destroyVirtualMachine", id=vm)
    cloud.do("expungeVirtualMachine", id=vm)
    assert cloud.api.listVolumes(id=root) == {}
    assert not cloud.file(root).exists()
    assert cloud.file(data).exists()


def test_our_volume_as_root_dies_with_the_machine(cloud, vm):
    """The pitfall that the product must avoid is really there."""
    volume = cloud.ready_volume()
    swap_root(cloud, vm, volume)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")
    assert cloud.api.listVolumes(id=volume) == {}
    assert not cloud.file(volume).exists()


def test_tenant_may_not_expunge(cloud):
    network = cloud.user.createNetwork(name="mine", displaytext="mine", zoneid=cloud.zone, networkofferingid=next(
        o["id"] for o in cloud.user.listNetworkOfferings(guestiptype="Isolated")["networkoffering"]))["network"]["id"]
    vm = cloud.do("deployVirtualMachine", cloud.user, name="tenant-vm", zoneid=cloud.zone, startvm="false", networkids=network,
                  templateid=cloud.endpoint["template_id"], serviceofferingid=cloud.endpoint["fixed_service_offering_id"])
    vm = vm["virtualmachine"]
    assert "instancename" not in vm
    refused(531, cloud.user.destroyVirtualMachine, id=vm["id"], expunge="true")
    assert cloud.do("destroyVirtualMachine", cloud.user, id=vm["id"])["virtualmachine"]["state"] == "Destroyed"
    assert cloud.user.listVirtualMachines(id=vm["id"]) == {}
    failed(530, cloud.do, "expungeVirtualMachine", cloud.user, id=vm["id"])
    refused(531, cloud.user.recoverVirtualMachine, id=vm["id"])
    cloud.set("allow.user.expunge.recover.vm", "true")
    cloud.do("expungeVirtualMachine", cloud.user, id=vm["id"])
    cloud.do("deleteNetwork", cloud.user, id=network)


def test_delete_protection(cloud, vm):
    cloud.api.updateVirtualMachine(id=vm, deleteprotection="true")
    failed(431, cloud.do, "destroyVirtualMachine", id=vm)
    cloud.api.updateVirtualMachine(id=vm, deleteprotection="false")


def test_details_are_replaced_as_a_whole(cloud, vm):
    cloud.api.updateVirtualMachine(id=vm, details=[{"a": "1", "b": "2"}])
    cloud.api.updateVirtualMachine(id=vm, details=[{"nicAdapter": "e1000"}], displayname="Shown", haenable="true")
    shown = cloud.machine(vm)
    assert (shown["details"], shown["displayname"], shown["haenable"]) == ({"nicAdapter": "e1000"}, "Shown", True)
    cloud.do("startVirtualMachine", id=vm)
    assert any(a.startswith("e1000,") for a in command_line(cloud, vm))
    refused(431, cloud.api.updateVirtualMachine, id=vm, details=[{"x": "y"}])


def test_scale(cloud, vm):
    cloud.do("scaleVirtualMachine", id=vm, serviceofferingid=cloud.endpoint["service_offering_id"],
             details=[{"cpuNumber": "4", "cpuSpeed": "1000", "memory": "4096"}])
    shown = cloud.machine(vm)
    assert (shown["cpunumber"], shown["memory"]) == (4, 4096)
    cloud.do("startVirtualMachine", id=vm)
    arguments = command_line(cloud, vm)
    assert arguments[arguments.index("-m") + 1] == "256"  # the host is spared


def deploy_parameters(cloud, **more):
    return {"zoneid": cloud.zone, "templateid": cloud.endpoint["template_id"], "startvm": "false", "name": "bad-one",
            "serviceofferingid": cloud.endpoint["fixed_service_offering_id"], "networkids": cloud.network(True), **more}


@pytest.mark.parametrize("code, wrong", [
    (431, {"name": "1st"}), (431, {"name": "-x"}), (431, {"name": "x-"}), (431, {"name": "a_b"}), (431, {"name": "a" * 64}),
    (530, {"boottype": "BIOS"}), (431, {"boottype": "UEFI"}), (431, {"boottype": "EFI", "bootmode": "LEGACY"}),
    (431, {"boottype": "BIOS", "bootmode": "SECURE"}), (431, {"hypervisor": "VMware"}), (431, {"rootdisksize": "0"}),
    (431, {"details": [{"cpuNumber": "2"}]}), (431, {"unknown": "x"}), (431, {"ipaddress": "10.1.1.1"}),
    (431, {"macaddress": "03:00:00:00:00:01"}), (431, {"macaddress": "nonsense"}), (431, {"volumeid": "x"}),
])
def test_deployment_refusals(cloud, code, wrong):
    refused(code, cloud.api.deployVirtualMachine, **deploy_parameters(cloud, **wrong))
    assert cloud.api.listVirtualMachines(name="bad-one") == {}


def test_custom_offering_needs_its_details(cloud):
    custom = cloud.endpoint["service_offering_id"]
    for details in ([{"cpuNumber": "2", "memory": "512"}], [{"cpunumber": "2", "cpuSpeed": "1000", "memory": "512"}]):
        refused(431, cloud.api.deployVirtualMachine, **deploy_parameters(cloud, serviceofferingid=custom, details=details))
    shown = cloud.do("deployVirtualMachine", **deploy_parameters(
        cloud, serviceofferingid=custom, details=[{"cpuNumber": "2", "cpuSpeed": "1000", "memory": "512"}]))["virtualmachine"]
    assert (shown["cpunumber"], shown["cpuspeed"], shown["memory"]) == (2, 1000, 512)
    cloud.do("destroyVirtualMachine", id=shown["id"], expunge="true")


def test_constrained_offering(cloud):
    offering = cloud.api.listServiceOfferings(name="lab-constrained")["serviceoffering"][0]
    assert offering["serviceofferingdetails"]["maxcpunumber"] == "8"
    refused(431, cloud.api.deployVirtualMachine, **deploy_parameters(
        cloud, serviceofferingid=offering["id"], details=[{"cpuNumber": "9", "memory": "512"}]))


def test_same_name_twice(cloud, vm):
    text = refused(431, cloud.api.deployVirtualMachine, **deploy_parameters(cloud, name="shell"))
    assert "already exists in the network domain" in text


def test_chosen_addresses(cloud):
    networks = [{"networkid": cloud.network(False), "mac": "02:aa:bb:cc:dd:01"}, {"networkid": cloud.network(True)}]
    shown = cloud.deploy("two-nics", iptonetworklist=networks)
    assert [nic["isdefault"] for nic in shown["nic"]] == [True, False]
    assert shown["nic"][0]["macaddress"] == "02:aa:bb:cc:dd:01"
    refused(431, cloud.api.deployVirtualMachine, **{
        **deploy_parameters(cloud), "networkids": None, "iptonetworklist": networks})  # the MAC is taken
    refused(431, cloud.api.deployVirtualMachine, **deploy_parameters(cloud, iptonetworklist=networks))
    taken = shown["nic"][1]["ipaddress"]
    refused(431, cloud.api.deployVirtualMachine, **deploy_parameters(cloud, ipaddress=taken))
    cloud.do("destroyVirtualMachine", id=shown["id"], expunge="true")


def test_failed_first_start_ends_in_error(cloud):
    cloud.fault("capacity", command="deployVirtualMachine")
    answer = cloud.api.deployVirtualMachine(**deploy_parameters(cloud, name="never", startvm="true"))
    assert cloud.job(answer["jobid"])["jobresultcode"] == 533
    assert cloud.machine(answer["id"])["state"] == "Error"
    cloud.do("expungeVirtualMachine", id=answer["id"])


def test_the_appliance_is_out_of_bounds(cloud):
    for command in ("stopVirtualMachine", "destroyVirtualMachine", "rebootVirtualMachine", "startVirtualMachine"):
        refused(531, getattr(cloud.api, command), id=cloud.appliance)
    shown = cloud.machine(cloud.appliance)
    assert (shown["state"], shown["boottype"]) == ("Running", "BIOS")
    assert "pid" not in next(m for m in cloud.inventory()["vms"] if m["appliance"])


def test_networks(cloud):
    offering = cloud.api.listNetworkOfferings(guestiptype="Isolated", state="Enabled", forvpc="false")["networkoffering"][0]
    made = cloud.api.createNetwork(name="n", displaytext="n", zoneid=cloud.zone, networkofferingid=offering["id"])["network"]
    assert (made["type"], made["state"]) == ("Isolated", "Allocated")
    vm = cloud.deploy("net-vm", networkids=made["id"])["id"]
    cloud.do("startVirtualMachine", id=vm)
    assert cloud.api.listNetworks(id=made["id"])["network"][0]["state"] == "Implemented"
    failed(530, cloud.do, "deleteNetwork", id=made["id"])
    cloud.do("stopVirtualMachine", id=vm, forced="true")
    assert cloud.api.listNetworks(id=made["id"])["network"][0]["state"] == "Allocated"
    cloud.do("addNicToVirtualMachine", virtualmachineid=vm, networkid=cloud.network(False))
    assert len(cloud.machine(vm)["nic"]) == 2
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")
    cloud.do("deleteNetwork", id=made["id"])
    assert cloud.api.listNetworks(id=made["id"]) == {}
