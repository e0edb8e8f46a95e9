"""Driver injection into a phony Windows with the real virt-v2v-in-place; what it did is read without libguestfs.

Not proven here: that a real Windows starts with real drivers. Linux guests are converted and booted in tests/integration/lab.
"""

import shutil

import pytest

from guestlab import ask, encrypted_disk
from phony_windows import build_virtio_win, Volume


@pytest.fixture(scope="module")
def guest(windows, tmp_path_factory):
    """One copy; the tests follow one another on it."""
    return shutil.copy(windows, tmp_path_factory.mktemp("converted") / "windows.img")


def test_success_without_drivers_is_a_failure(guest, virt_tools, tmp_path, work):
    others = build_virtio_win(tmp_path / "virtio-win", "2k19")
    answer = ask("convert", [guest], work, virtio_win=others, virt_tools=virt_tools)
    assert answer.get("drivers") is False, answer
    assert "no virtio drivers available for this version of Windows" in answer["text"]
    assert "guest.virtio_win" in answer["text"]
    with Volume(guest) as volume:
        assert not volume.has("Windows/System32/drivers/viostor.sys")
        assert volume.registry("SYSTEM", "ControlSet001\\Services\\viostor") == ""


def test_drivers_are_injected(guest, virtio_win, virt_tools, work):
    answer = ask("convert", [guest], work, virtio_win=virtio_win, virt_tools=virt_tools)
    assert answer.get("drivers") is True, answer
    assert answer["uefi"] is False
    check_converted(guest)


def test_a_second_run_is_harmless(guest, virtio_win, virt_tools, work):
    answer = ask("convert", [guest], work, virtio_win=virtio_win, virt_tools=virt_tools)
    assert answer.get("drivers") is True, answer
    check_converted(guest)


def check_converted(image):
    with Volume(image) as volume:
        for file in ("Windows/System32/drivers/viostor.sys", "Windows/Drivers/VirtIO/viostor.inf",
                     "Windows/Drivers/VirtIO/netkvm.sys", "Windows/Drivers/VirtIO/netkvm.inf"):
            assert volume.has(file), file
        service = volume.registry("SYSTEM", "ControlSet001\\Services\\viostor")
        assert '"Start"=dword:00000000' in service
        assert "viostor.sys" in service
        assert "VEN_1AF4&DEV_1001" in volume.registry("SYSTEM", "DriverDatabase\\DeviceIds\\PCI")


def test_a_hibernated_windows_is_refused(hibernated_windows, virtio_win, virt_tools, tmp_path, work):
    image = shutil.copy(hibernated_windows, tmp_path / "hibernated.img")
    answer = ask("convert", [image], work, virtio_win=virtio_win, virt_tools=virt_tools)
    assert answer.get("error") == "conflict", answer
    assert "hibernated" in answer["cause"] and "powercfg" in answer["remedy"]


def test_an_encrypted_guest_is_refused(tmp_path, work):
    answer = ask("convert", [encrypted_disk(tmp_path / "encrypted.img")], work)
    assert answer.get("error") == "conflict", answer
    assert "encrypted" in answer["cause"]


def test_a_missing_disk_is_told_at_once(tmp_path, work):
    answer = ask("convert", [tmp_path / "nothing.img"], work)
    assert answer.get("error") == "unavailable", answer
    assert "not there" in answer["cause"]
