"""Guests on raw disks for libguestfs, and the program that inspects and converts them."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import phony_windows  # noqa: E402

BUILD = pathlib.Path(os.environ.get("MK_BUILD_DIR", ROOT / "build" / "release"))
TOOL = BUILD / "tests" / "guest_tool"
INSPECTOR = BUILD / "bin" / "migratekit-inspect"
BEACON = ROOT / "lab" / "guests" / "build-beacon"
MARK = b"MIGRATEKIT_GUEST_RUN="
MIB = 1 << 20
LIMIT_S = 400  # of one run; twenty seconds to a minute when the host is idle


def order(action, disks, work, **tools):
    return {"action": action, "disks": [str(disk) for disk in disks],
            "tools": {"inspector": str(INSPECTOR), "virtio_win": str(work / "no-virtio-win"),
                      "virt_tools": str(work / "no-virt-tools"), "work_folder": str(work)} |
            {name: str(value) for name, value in tools.items()}}


def ask(action, disks, work, **tools):
    """The answer of a whole run; checks that nothing is left behind."""
    done = subprocess.run([TOOL], input=json.dumps(order(action, disks, work, **tools)), capture_output=True, text=True,
                          timeout=LIMIT_S, check=False)
    assert done.stdout, f"guest_tool ended with {done.returncode} and no answer:\n{done.stderr}"
    answer = json.loads(done.stdout)
    assert ("error" in answer) == (done.returncode != 0)
    assert runs_left(work) == [] and marked_processes(work) == []
    return answer


def codes(answer):
    return {finding["code"] for finding in answer["findings"]}


def runs_left(work):
    return sorted(path.name for path in work.glob("migratekit-guest-*"))


def marked_processes(work):
    """Processes of runs below `work`, dead or alive owners alike."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if MARK + str(work).encode() + b"/" in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended
    return found


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def beacon(folder, firmware):
    subprocess.run([BEACON, folder, firmware], check=True, timeout=120)
    return folder / "root.img", folder / "data.img"


def blank_disk(path):
    with open(path, "wb") as file:
        file.truncate(16 * MIB)
    return path


def bitlocker_partition():
    """What tells BitLocker from other partitions: signature, GUID, and the place of its metadata."""
    sector = bytearray(512)
    sector[0:11] = b"\xeb\x58\x90-FVE-FS-"
    sector[160:176] = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
    sector[176:184] = struct.pack("<Q", MIB)
    return bytes(sector).ljust(MIB, b"\0") + b"-FVE-FS-" + struct.pack("<HH", 64, 2)


def encrypted_disk(path):
    """A LUKS container in the first partition, what looks like BitLocker in the second."""
    luks = path.with_suffix(".luks")
    command = ["qemu-img", "create", "-q", "-f", "luks", "--object", "secret,id=key,data=of-a-test",
               "-o", "key-secret=key,iter-time=10", luks, "8M"]
    # It measures the processor to choose the number of iterations, and gives up when the clock was too coarse for once.
    for _ in range(9):
        if subprocess.run(command, timeout=60).returncode == 0:
            break
    else:
        subprocess.run(command, check=True, timeout=60)
    with open(path, "wb") as file:
        file.truncate(32 * MIB)
        file.seek(MIB)
        file.write(luks.read_bytes())
        file.seek(20 * MIB)
        file.write(bitlocker_partition())
    luks.unlink()
    subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", path], check=True, text=True, timeout=60,
                   env=phony_windows.ENVIRONMENT, input="label: dos\n2048,36864,83\n40960,,7\n")
    return path


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
