"""The beacon guest boots on VMware's controllers, does not boot in the cloud, and does after real driver injection."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILDER = ROOT / "lab" / "guests" / "build-beacon"
ORACLE = ROOT / "build" / "lab" / "lab-oracle"
OVMF = pathlib.Path("/usr/share/OVMF")
BOOT_LIMIT = 120  # seconds; a boot takes ten on an idle host

pytestmark = pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed")


@pytest.fixture(scope="module", params=["bios", "uefi"])
def guest(request, tmp_path_factory):
    """Freshly built disks; the tests of one firmware follow one another on them, as in a guest's life."""
    subprocess.run([ROOT / "lab" / "build", "oracle"], check=True, timeout=300)
    folder = tmp_path_factory.mktemp("g")
    subprocess.run([BUILDER, folder, request.param], check=True, timeout=120)
    return folder, request.param


def expected(folder):
    run = subprocess.run([ORACLE, "beacon-sum", folder / "data.img", "--json"], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


class Machine:
    """A QEMU process with the guest's two disks behind one kind of controller."""

    def __init__(self, folder, firmware, controller):
        self.serial, self.tools = folder / "serial.log", folder / "t.sock"
        for path in (self.serial, self.tools):
            path.unlink(missing_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = f"""qemu-system-x86_64 -accel tcg -m 256 -display none -nodefaults -no-reboot -serial file:{self.serial}
            -serial unix:{self.tools},server=on,wait=off
            -drive file={folder}/root.img,format=raw,if=none,id=d0 -drive file={folder}/data.img,format=raw,if=none,id=d1"""
        command += {
            "pvscsi": " -device pvscsi -device scsi-hd,drive=d0 -device scsi-hd,drive=d1",
            "nvme": " -device nvme,drive=d0,serial=a -device nvme,drive=d1,serial=b",
            "virtio": " -device virtio-blk-pci,drive=d0 -device virtio-blk-pci,drive=d1 -device virtio-net-pci,netdev=n"
            f" -netdev user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:8080",
        }[controller]
        if firmware == "uefi":
            shutil.copy(OVMF / "OVMF_VARS_4M.fd", folder / "vars.fd")
            command += f" -machine q35 -drive if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd"
            command += f" -drive if=pflash,format=raw,file={folder}/vars.fd"
        self.process = subprocess.Popen(command.split())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def text(self):
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def await_line(self, start):
        """The fields of the first complete line that begins so; fails when the machine ends or time is up."""
        deadline = time.monotonic() + BOOT_LIMIT
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            found = re.search(re.escape(start) + r"([^\r\n]*)[\r\n]", self.text())
            if found:
                return dict(word.split("=", 1) for word in found.group(1).split() if "=" in word)
            assert not ended, f"the machine ended without {start!r}:\n{self.text()}"
            time.sleep(0.1)
        pytest.fail(f"no {start!r} in {BOOT_LIMIT} s:\n{self.text()}")

    def http(self):
        """The guest's page; the port forward is there before the guest has its address."""
        deadline = time.monotonic() + BOOT_LIMIT
        while True:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).read().decode()
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "the guest does not answer"
                time.sleep(0.1)

    def shut_down(self):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(self.tools))
            channel.sendall(b"shutdown\n")
            stop = self.await_line("BEACON-STOP ")
        assert self.process.wait(timeout=BOOT_LIMIT) == 0
        return stop


def check_marker(marker, verdict):
    assert marker["state"] == "ok" and marker["bad"] == "0"
    assert (marker["sum"], marker["last"], int(marker["seq"])) == (verdict["sum"], verdict["last"], verdict["seq"])


def test_it_runs_on_vmware_controllers_and_writes(guest):
    folder, firmware = guest
    before = expected(folder)
    with Machine(folder, firmware, "pvscsi" if firmware == "bios" else "nvme") as machine:
        check_marker(machine.await_line("BEACON host=beacon "), before)
        machine.await_line("BEACON-WRITE ")
        stop = machine.shut_down()
    after = expected(folder)
    assert (stop["sum"], stop["last"]) == (after["sum"], after["last"])
    assert after["seq"] > before["seq"]


def test_it_does_not_boot_in_the_cloud_without_drivers(guest):
    folder, firmware = guest
    with Machine(folder, firmware, "virtio") as machine:
        machine.await_line("BEACON-FAIL ")
        assert machine.process.wait(timeout=BOOT_LIMIT) == 0


@pytest.mark.skipif(not shutil.which("virt-v2v-in-place"), reason="virt-v2v is not installed")
def test_it_boots_in_the_cloud_after_driver_injection(guest):
    folder, firmware = guest
    before = expected(folder)
    disks = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{folder}/{name}.img'/>"
        f"<target dev='{target}' bus='scsi'/></disk>"
        for name, target in (("root", "sda"), ("data", "sdb"))
    )
    (folder / "guest.xml").write_text(
        "<domain type='vmware'><name>beacon</name><memory unit='MiB'>256</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm"
        f"</type></os><features><acpi/><apic/></features><devices>{disks}</devices></domain>"
    )
    environment = os.environ | {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}
    subprocess.run(
        ["virt-v2v-in-place", "--root", "first", f"--machine-readable=file:{folder}/progress.json", "-i", "libvirtxml",
         folder / "guest.xml"],
        check=True, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=600,
    )
    messages = (folder / "progress.json").read_text()
    assert "This guest has virtio drivers installed." in messages
    assert ("This guest requires UEFI" in messages) == (firmware == "uefi")
    with Machine(folder, firmware, "virtio") as machine:
        marker = machine.await_line("BEACON host=beacon ")
        check_marker(marker, before)
        assert f"sum={before['sum']} " in machine.http()
        machine.shut_down()


def test_wrong_use_is_told_apart(tmp_path):
    for arguments in ([], [tmp_path], [tmp_path, "openfirmware"]):
        run = subprocess.run([BUILDER, *arguments], capture_output=True, text=True)
        assert run.returncode == 2 and "bios|uefi" in run.stderr


def test_the_key_names_recipe_and_kernel():
    key = subprocess.run([BUILDER, "--key"], check=True, capture_output=True, text=True).stdout
    assert re.fullmatch(r"[0-9a-f]{16}-\S+-cloud-amd64\n", key)
    assert subprocess.run([BUILDER, "--key"], check=True, capture_output=True, text=True).stdout == key
