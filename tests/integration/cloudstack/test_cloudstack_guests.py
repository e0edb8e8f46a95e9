"""Real guests: a system boots from its volumes, is reached at its address, hears the power button, releases a disk."""

import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from cloudlab import ROOT, wait_for

BUILDER = ROOT / "lab" / "guests" / "build-beacon"
BOOT = 120  # seconds; software emulation on a busy host


def build(folder, virtio, firmware):
    """Builds the beacon guest; with virtio it carries the cloud's drivers, as if they had been injected."""
    if not BUILDER.exists():
        pytest.skip("lab/guests/build-beacon is missing")
    recipe = folder / "recipe"
    shutil.copytree(BUILDER.parent, recipe)
    if virtio:
        script = (recipe / "build-beacon").read_text()
        changed = script.replace("EARLY_DRIVERS=(", "EARLY_DRIVERS=(virtio_pci virtio_blk virtio_net ", 1)
        assert changed != script
        (recipe / "build-beacon").write_text(changed)
    done = subprocess.run([recipe / "build-beacon", folder / "images", firmware], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("the beacon guest cannot be built here: " + done.stderr.strip())
    return folder / "images"


def fill(cloud, image, name):
    """A volume with the bytes of an image, written through the appliance's device as a replication would."""
    volume = cloud.volume(name=name)
    cloud.attach(volume)
    subprocess.run(["dd", f"if={image}", f"of={cloud.link(volume)}", "bs=1M", "conv=notrunc,fsync,sparse", "status=none"], check=True)
    cloud.detach(volume)
    return volume


def machine(cloud, images, name, network, **boot):
    vm = cloud.deploy(name, networkids=network, **boot)["id"]
    root = cloud.api.listVolumes(virtualmachineid=vm)["volume"][0]["id"]
    cloud.detach(root)
    cloud.api.deleteVolume(id=root)
    cloud.attach(fill(cloud, images / "root.img", name + "-root"), vm, deviceid=0)
    cloud.attach(fill(cloud, images / "data.img", name + "-data"), vm)
    return vm


def console(cloud, vm):
    return (cloud.state / "vms" / vm / "serial.log").read_text(errors="replace")


def page(address):
    try:
        with urllib.request.urlopen(f"http://{address}:8080/", timeout=5) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None


def test_without_the_clouds_drivers_it_does_not_boot(cloud, tmp_path):
    vm = machine(cloud, build(tmp_path, False, "bios"), "undriven", cloud.network(True))
    cloud.do("startVirtualMachine", id=vm)
    wait_for(lambda: cloud.machine(vm)["state"] == "Stopped", BOOT)  # it powers itself off
    assert "BEACON-FAIL" in console(cloud, vm)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_boots_answers_unplugs_and_stops(cloud, tmp_path):
    cloud.set("wait.detach.device", 10000)
    cloud.set("lab.stop.wait.ms", 60000)
    images = build(tmp_path, True, "uefi")
    vm = machine(cloud, images, "driven", cloud.network(True), boottype="UEFI", bootmode="LEGACY")
    cloud.do("startVirtualMachine", id=vm)
    wait_for(lambda: "state=ok" in console(cloud, vm), BOOT)
    address = cloud.machine(vm)["nic"][0]["ipaddress"]
    assert "state=ok" in wait_for(lambda: page(address), BOOT)
    spare = cloud.ready_volume()
    cloud.attach(spare, vm)
    cloud.detach(spare)  # a running system confirms the unplug
    assert "virtualmachineid" not in cloud.show(spare)
    cloud.do("stopVirtualMachine", id=vm)
    assert cloud.machine(vm)["state"] == "Stopped"
    assert page(address) is None
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")
