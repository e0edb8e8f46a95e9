"""What the figures were measured on."""

import os
import pathlib
import platform
import subprocess


def _first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "absent"


def _model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory_gib():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30), 1)


def available_memory():
    """Bytes that could be used without swapping."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def describe():
    """Name -> text, in the order of the report."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    features = [name for name in ("aes", "vaes", "avx2", "avx512f", "sha_ni") if f" {name}" in flags]
    return {
        "processors": f"{os.cpu_count()} x {_model()} ({' '.join(features)})",
        "memory": f"{_memory_gib()} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "nbdkit": _first_line(["nbdkit", "--version"]).removeprefix("nbdkit "),
        "nbdcopy": _first_line(["nbdcopy", "--version"]).removeprefix("nbdcopy "),
        "qemu-img": _first_line(["qemu-img", "--version"]).split("version ")[-1],
        "stunnel": _first_line(["dpkg-query", "-W", "-f=${Version}", "stunnel4"]),
        "OpenSSL": _first_line(["openssl", "version"]).removeprefix("OpenSSL "),
        "GnuTLS": _first_line(["dpkg-query", "-W", "-f=${Version}", "libgnutls30"]),
        "load": f"{os.getloadavg()[0]:.1f} when it began",
    }
