"""Disks that look like a Windows Server 2022 from outside, and folders that look like virtio-win.

Registry hives, a system folder and a disk layout are real in form; there is no Windows in them, so nothing here proves
that a real Windows would start. Needs root (or sudo) for mounting NTFS, and the packages ntfs-3g, libwin-hivex-perl, fdisk.
"""

import os
import pathlib
import struct
import subprocess
import tempfile

MIB = 1 << 20
START = 1 * MIB  # of the partition
SIZE = 320 * MIB  # of the partition: virt-v2v wants 100 MiB free
DISK_ID = 0x34333231
ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}

SYSTEM = f"""Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\\SYSTEM\\Select]
"Current"=dword:00000001
"Default"=dword:00000001
"Failed"=dword:00000000
"LastKnownGood"=dword:00000001

[HKEY_LOCAL_MACHINE\\SYSTEM\\MountedDevices]
"\\\\DosDevices\\\\C:"=hex(3):{','.join(f'{byte:02x}' for byte in struct.pack('<IQ', DISK_ID, START))}

[HKEY_LOCAL_MACHINE\\SYSTEM\\DriverDatabase]

[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001]

[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Control]

[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Control\\CrashControl]
"AutoReboot"=dword:00000001

[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services]

[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\Tcpip]

[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\Tcpip\\Parameters]
"Hostname"="PHONY"
"""


def utf16(text):
    return ",".join(f"{byte:02x}" for byte in (text + "\0").encode("utf-16-le"))


SOFTWARE = f"""Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft]

[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows]

[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion]
"DevicePath"=hex(2):{utf16('%SystemRoot%' + chr(92) + 'inf')}

[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT]

[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion]
"ProductName"="Windows Server 2022 Standard"
"CurrentVersion"="6.3"
"CurrentMajorVersionNumber"=dword:0000000a
"CurrentMinorVersionNumber"=dword:00000000
"CurrentBuildNumber"="20348"
"InstallationType"="Server"
"""


def empty_hive(root):
    """A registry hive with nothing but its root key: a header of 4 KiB and one bin with a key and a security cell."""
    stamp = 132000000000000000
    name = root.encode()

    def cell(content):
        size = (len(content) + 11) & ~7
        return struct.pack("<i", -size) + content + b"\0" * (size - 4 - len(content))

    key_at, none = 0x20, 0xFFFFFFFF
    security_at = key_at + len(cell(b"\0" * (0x4C + len(name))))
    key = struct.pack("<2sHQIIIIIIIIIIIIIIIHH", b"nk", 0x2C, stamp, 0, none, 0, 0, none, none, 0, none, security_at, none,
                      0, 0, 0, 0, 0, len(name), 0) + name
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    body = cell(key) + cell(struct.pack("<2sHIIII", b"sk", 0, security_at, security_at, 1, len(descriptor)) + descriptor)
    free = 4096 - 0x20 - len(body)
    content = struct.pack("<4sIIQQI", b"hbin", 0, 4096, 0, stamp, 0) + body + struct.pack("<i", free) + b"\0" * (free - 4)
    header = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, stamp, 1, 3, 0, 1, key_at, 4096, 1).ljust(508, b"\0")
    checksum = 0
    for word in struct.unpack("<127I", header):
        checksum ^= word
    return (header + struct.pack("<I", checksum)).ljust(4096, b"\0") + content


def program_64():
    """The smallest file that tells its architecture: a PE header for x86-64."""
    return (b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" +
            struct.pack("<HHIIIHH", 0x8664, 0, 0, 0, 0, 0xF0, 0x22) + struct.pack("<H", 0x20B)).ljust(1024, b"\0")


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, env=ENVIRONMENT, stdin=subprocess.DEVNULL, timeout=60, **options)


def as_root(*command):
    run(*([] if os.geteuid() == 0 else ["sudo", "-n"]), *command)


class Mounted:
    """An NTFS in a file, mounted as long as the context lasts."""

    def __init__(self, image, *, read_only=False):
        self.image, self.options = image, "ro" if read_only else "rw"

    def __enter__(self):
        self.point = tempfile.mkdtemp(prefix="ntfs-")
        as_root("ntfs-3g", "-o", f"{self.options},uid={os.getuid()}", self.image, self.point)
        return pathlib.Path(self.point)

    def __exit__(self, *_):
        as_root("umount", self.point)
        os.rmdir(self.point)


def write_hive(folder, name, text):
    """Below `folder`; hivexregedit works on a file that no FUSE is under."""
    with tempfile.TemporaryDirectory() as scratch:
        hive, registry = pathlib.Path(scratch, name), pathlib.Path(scratch, "text.reg")
        hive.write_bytes(empty_hive(name))
        registry.write_text(text)
        run("hivexregedit", "--merge", "--prefix", f"HKEY_LOCAL_MACHINE\\{name}", hive, registry)
        (folder / name).write_bytes(hive.read_bytes())


def build_windows(image, *, hibernated=False):
    """Writes the raw disk `image`: MBR, one NTFS partition, started by a BIOS."""
    partition = image.with_suffix(".ntfs")
    with open(partition, "wb") as file:
        file.truncate(SIZE)
    run("mkntfs", "-Q", "-q", "-F", "-p", START // 512, "-H", 255, "-S", 63, partition, stdout=subprocess.DEVNULL)
    with Mounted(partition) as volume:
        system = volume / "Windows" / "System32"
        for folder in (system / "config", system / "drivers", volume / "Program Files"):
            folder.mkdir(parents=True)
        write_hive(system / "config", "SYSTEM", SYSTEM)
        write_hive(system / "config", "SOFTWARE", SOFTWARE)
        (system / "cmd.exe").write_bytes(program_64())
        (volume / "autoexec.bat").write_bytes(b"")
        if hibernated:
            (volume / "hiberfil.sys").write_bytes(b"hibr".ljust(8192, b"\0"))
    with open(image, "wb") as file:
        file.truncate(START + SIZE)
    subprocess.run(["sfdisk", "-q", image], env=ENVIRONMENT, check=True, text=True, timeout=60,
                   input=f"label: dos\nlabel-id: {DISK_ID:#x}\n{START // 512},{SIZE // 512},7,*\n")
    with open(image, "r+b") as file:
        file.write(b"\xfa\x33\xc0\x8e\xd0")  # the first instructions of a boot sector: all that tells boot code from zeros
    run("dd", f"if={partition}", f"of={image}", f"bs={MIB}", f"seek={START // MIB}", "conv=notrunc,sparse", "status=none")
    partition.unlink()
    return image


def build_virtio_win(folder, version="2k22"):
    """A folder laid out as virtio-win is, with drivers for one version of Windows that are none."""
    for name in ("viostor", "NetKVM"):
        drivers = folder / name / version / "amd64"
        drivers.mkdir(parents=True)
        for suffix in ("sys", "inf", "cat"):
            (drivers / f"{name.lower()}.{suffix}").write_bytes(f"{name} for {version}, no driver\n".encode())
    agent = folder / "guest-agent"
    agent.mkdir()
    (agent / "qemu-ga-x86_64.msi").write_bytes(b"no installer\n")
    return folder


def build_virt_tools(folder):
    folder.mkdir(parents=True)
    for name in ("rhsrvany.exe", "pnp_wait.exe"):
        (folder / name).write_bytes(program_64())
    return folder


class Volume:
    """Drive C: of a phony Windows disk, read without libguestfs."""

    def __init__(self, image):
        self.image = image

    def __enter__(self):
        self.copy = self.image.with_suffix(".c")
        run("dd", f"if={self.image}", f"of={self.copy}", f"bs={MIB}", f"skip={START // MIB}", f"count={SIZE // MIB}",
            "conv=sparse", "status=none")
        self.mounted = Mounted(self.copy, read_only=True)
        self.root = self.mounted.__enter__()
        return self

    def __exit__(self, *_):
        self.mounted.__exit__()
        self.copy.unlink()

    def has(self, path):
        """Windows does not tell cases apart."""
        place = self.root
        for part in path.split("/"):
            place = next((entry for entry in place.iterdir() if entry.name.lower() == part.lower()), None)
            if place is None:
                return False
        return True

    def registry(self, hive, key):
        """The key and everything below it, as text of a .reg file."""
        export = subprocess.run(
            ["hivexregedit", "--export", "--unsafe-printable-strings", "--prefix", f"HKLM\\{hive}",
             str(self.root / "Windows" / "System32" / "config" / hive), key],
            capture_output=True, env=ENVIRONMENT, text=True, timeout=60)
        return export.stdout if export.returncode == 0 else ""
