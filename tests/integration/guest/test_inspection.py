"""What the inspection finds on disks: real libguestfs, nothing is written."""

import hashlib
import subprocess

import pytest

from guestlab import ask, beacon, blank_disk, codes, encrypted_disk, INSPECTOR


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_a_linux_guest_with_its_disks_in_the_wrong_order(tmp_path, work, firmware):
    root, data = beacon(tmp_path, firmware)
    before = digest(root), digest(data)
    answer = ask("inspect", [data, root], work)
    facts = answer["facts"]
    assert codes(answer) == set()
    assert (digest(root), digest(data)) == before
    (system,) = facts["systems"]
    assert (system["family"], system["distribution"], system["architecture"]) == ("linux", "debian", "x86_64")
    assert (system["product"], system["major"], system["osinfo"]) == ("12.0", 12, "debian12")
    assert (facts["firmware"], facts["boot_disk"], system["disk"]) == (firmware, 1, 1)
    assert [disk["scheme"] for disk in facts["disks"]] == ["gpt", "msdos" if firmware == "bios" else "gpt"]
    mounted = {filesystem["mount_point"]: filesystem for filesystem in facts["filesystems"]}
    assert set(mounted) == {"/", "/data"} | ({"/boot/efi"} if firmware == "uefi" else set())
    for filesystem in mounted.values():
        assert filesystem["problem"] == "" and 0 < filesystem["free_bytes"] < filesystem["bytes"]
    assert facts["efi_folder"] == (firmware == "uefi")


def test_a_blank_and_an_encrypted_disk(tmp_path, work):
    disks = [blank_disk(tmp_path / "blank.img"), encrypted_disk(tmp_path / "encrypted.img")]
    answer = ask("inspect", disks, work)
    assert answer["facts"]["systems"] == [] and answer["facts"]["boot_disk"] == -1
    types = {(partition["disk"], partition["number"]): partition["type"] for partition in answer["facts"]["partitions"]}
    assert types == {(0, -1): "", (1, 1): "crypto_LUKS", (1, 2): "BitLocker"}
    assert codes(answer) == {"no_system", "disk_encrypted"}
    assert all(finding["severity"] == "blocker" and finding["remedy"] for finding in answer["findings"])


def test_a_windows_guest_and_drivers_on_an_image(windows, virtio_win, virt_tools, tmp_path, work):
    # libguestfs takes whatever file system is on the "ISO"; a real one is iso9660.
    image = tmp_path / "virtio-win.iso"
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-d", virtio_win, image], check=True, timeout=60)
    answer = ask("inspect", [windows], work, virtio_win=image, virt_tools=virt_tools)
    facts = answer["facts"]
    (system,) = facts["systems"]
    assert (system["family"], system["product"]) == ("windows", "Windows Server 2022 Standard")
    assert (system["major"], system["minor"], system["variant"], system["osinfo"]) == (10, 0, "Server", "win2k22")
    assert (system["architecture"], system["disk"]) == ("x86_64", 0)
    assert (facts["firmware"], facts["boot_disk"], facts["hibernated"]) == ("bios", 0, False)
    assert "viostor/2k22/amd64/viostor.sys" in facts["iso_drivers"]
    assert answer["findings"] == []


def test_a_hibernated_windows_on_an_appliance_without_drivers(hibernated_windows, work):
    answer = ask("inspect", [hibernated_windows], work)
    assert answer["facts"]["hibernated"]
    assert codes(answer) == {"hibernated", "appliance_virtio_win", "appliance_rhsrvany", "appliance_guest_agent"}


def test_a_disk_that_is_not_there(tmp_path, work):
    answer = ask("inspect", [tmp_path / "nothing.img"], work)
    assert answer["error"] == "external" and "nothing.img" in answer["cause"] and "attached" in answer["remedy"]


@pytest.mark.parametrize("arguments, code, words", [
    ([], 2, "required"),
    (["--memory-mib", "1", "disk"], 2, "--memory-mib"),
    (["/nowhere/disk"], 3, "/nowhere/disk"),
    (["/tmp"], 3, "is no disk"),
])
def test_exit_codes_of_the_inspector(arguments, code, words):
    done = subprocess.run([INSPECTOR, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code and words in done.stderr and done.stdout == ""
