"""Shared guests: each is built once. Runs of libguestfs are what costs time here (ten seconds and more each)."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import guestlab
import phony_windows


def pytest_collection_modifyitems(items):
    reason = missing()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def missing():
    if not guestlab.TOOL.exists() or not guestlab.INSPECTOR.exists():
        return "build it first: ninja -C build/release guest_tool migratekit-inspect (or set MK_BUILD_DIR)"
    for program in ("virt-v2v-in-place", "qemu-system-x86_64", "qemu-img", "ntfs-3g", "hivexregedit"):
        if not shutil.which(program):
            return f"{program} is not installed: run scripts/setup"
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode != 0:
        return "mounting NTFS needs root, or sudo without a password"
    return ""


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("guests")


@pytest.fixture
def work():
    """On a disk, and with a short name: unix sockets of the tools lie below it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mkg", dir="/var/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def windows(scratch):
    """A phony Windows Server 2022; tests that write to it take a copy."""
    return phony_windows.build_windows(scratch / "windows.img")


@pytest.fixture(scope="session")
def hibernated_windows(scratch):
    return phony_windows.build_windows(scratch / "hibernated.img", hibernated=True)


@pytest.fixture(scope="session")
def virtio_win(scratch):
    return phony_windows.build_virtio_win(scratch / "virtio-win")


@pytest.fixture(scope="session")
def virt_tools(scratch):
    return phony_windows.build_virt_tools(scratch / "virt-tools")
