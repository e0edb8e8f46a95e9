"""A running guest that really writes: frozen disks, exact increments, shutdown through its tools channel."""

import hashlib
import os
import subprocess

import pytest
from pyVim import connect

from labvcenter import ROOT, Lab, changed_areas, disks, enable_tracking, eventually, find_vm, snapshot, wait

BOOT_LIMIT = 120  # seconds; emulated guests share the host with whatever else runs


def build_images(folder):
    """Freshly built guest images, a second or two each."""
    for firmware in ("bios", "uefi"):
        subprocess.run([os.path.join(ROOT, "lab", "guests", "build-beacon"), os.path.join(folder, f"beacon-{firmware}"), firmware],
                       check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def guest_lab(tmp_path_factory):
    lab = Lab("--images", build_images(str(tmp_path_factory.mktemp("images"))))
    yield lab
    assert lab.stop() == 0


def serial(lab, machine):
    path = lab.machine(machine)["serial_log"]
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def whole(lab, key, cookie):
    response, data = lab.download("beacon", key, cookie)
    assert response.status == 200
    return bytearray(data)


def piece(lab, key, cookie, start, length):
    response, data = lab.download("beacon", key, cookie,
                                  extra={"Range": "bytes=%d-%d" % (start, start + length - 1)})
    assert response.status == 206 and len(data) == length
    return data


def digest(data):
    return hashlib.sha256(data).hexdigest()


def writes(lab):
    return serial(lab, "beacon").count("BEACON-WRITE")


def test_running_guest_is_copied_exactly(guest_lab):
    lab = guest_lab
    assert lab.machine("beacon")["has_guest"]
    eventually(lambda: writes(lab) >= 1, BOOT_LIMIT)
    assert "state=ok" in serial(lab, "beacon")
    si = lab.connect()
    cookie = si._stub.cookie.split(";")[0]
    vm = find_vm(si, lab, "beacon")
    eventually(lambda: vm.guest.toolsRunningStatus == "guestToolsRunning")
    enable_tracking(vm)

    first = snapshot(vm, "first")
    ids = {k: d.backing.changeId for k, d in disks(first).items()}
    copy = {key: whole(lab, key, cookie) for key in ids}
    count = writes(lab)
    eventually(lambda: writes(lab) > count)
    assert {k: digest(whole(lab, k, cookie)) for k in ids} == {k: digest(c) for k, c in copy.items()}, "frozen stays frozen"
    wait(first.RemoveSnapshot_Task(False, True))

    for _ in range(2):
        count = writes(lab)
        eventually(lambda: writes(lab) > count)
        snap = snapshot(vm, "next")
        changed = 0
        for key in ids:
            for start, length in changed_areas(vm, snap, key, ids[key])[0]:
                copy[key][start:start + length] = piece(lab, key, cookie, start, length)
                changed += length
        assert 0 < changed < sum(len(c) for c in copy.values()) // 4
        assert {k: digest(whole(lab, k, cookie)) for k in ids} == {k: digest(c) for k, c in copy.items()}
        ids = {k: d.backing.changeId for k, d in disks(snap).items()}
        wait(snap.RemoveSnapshot_Task(False, True))

    vm.ShutdownGuest()
    eventually(lambda: vm.runtime.powerState == "poweredOff", BOOT_LIMIT)
    assert "BEACON-STOP" in serial(lab, "beacon"), "the guest ended itself"
    last = snapshot(vm, "last")
    for key in ids:
        for start, length in changed_areas(vm, last, key, ids[key])[0]:
            copy[key][start:start + length] = piece(lab, key, cookie, start, length)
    wait(last.RemoveSnapshot_Task(False, True))
    for disk in lab.machine("beacon")["disks"]:
        with open(disk["live_file"], "rb") as file:
            assert digest(file.read()) == digest(copy[disk["key"]]), "the final copy is the disk"
    connect.Disconnect(si)


def test_uefi_guest_boots_from_nvme_and_dies_with_its_power(guest_lab):
    lab = guest_lab
    si = lab.connect()
    vm = find_vm(si, lab, "beacon-uefi")
    wait(vm.PowerOnVM_Task())
    eventually(lambda: "state=ok" in serial(lab, "beacon-uefi"), BOOT_LIMIT)
    wait(vm.PowerOffVM_Task())
    assert vm.runtime.powerState == "poweredOff"
    assert "BEACON-STOP" not in serial(lab, "beacon-uefi")
    connect.Disconnect(si)
