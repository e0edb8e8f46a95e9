"""Installations for the end-to-end tests: lab, services and command line, each in a state directory of its own. Both live as
long as the session, because bringing one up takes seconds; every test file makes sure of what it needs in them."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from sites import ROOT, end_site, make_site  # noqa: E402  (the path has to be set first)
from story import PROBE, Story  # noqa: E402
from witness import Witness  # noqa: E402


# One disk, UEFI, NVMe, and a label that says nothing about its operating system (BB8, BB14).
SINGLE = {"name": "single", "role": "off", "folder": ["Tests"], "host": "esx-b1.lab.example", "datastore": "vmfs-fast",
          "firmware": "efi", "controller": "nvme", "image": "beacon-uefi", "guest_id": "otherGuest64",
          "guest_full_name": "Other (64-bit)", "cpus": 2, "memory_mb": 256, "power": "off", "tools": False,
          "disks": [{"key": 32000, "image": "root.img", "size": 188743680}],
          "nics": [{"mac": "00:50:56:b0:00:21", "network": "Production"}]}


def running(request, site):
    before = request.session.testsfailed
    try:
        site.up()
        site.connect()
        yield site
    finally:
        end_site(site, request.session.testsfailed > before)


@pytest.fixture(scope="session", autouse=True)
def root_rights():
    if os.geteuid() != 0:
        pytest.skip("the lab's volumes are loop devices: root rights are needed")


@pytest.fixture(scope="session")
def beacon_site(request, root_rights):
    """With real guests, and one machine beside the lab's own."""
    site = make_site()
    inventory = json.loads((ROOT / "lab/vcenter/inventory.json").read_text())
    inventory["machines"].append(SINGLE)
    site.inventory = site.state / "inventory.json"
    site.inventory.write_text(json.dumps(inventory))
    yield from running(request, site)


@pytest.fixture(scope="session")
def quick_site(request, root_rights):
    """Without guests: small disks, no operating systems."""
    yield from running(request, make_site(guests=False))


@pytest.fixture(scope="session")
def story(beacon_site):
    """The running machine with two disks. test_acceptance.py tells its story."""
    return Story(beacon_site, print)


@pytest.fixture(scope="session")
def single(beacon_site):
    """The machine with one disk."""
    return Witness(beacon_site, "single")


@pytest.fixture(scope="session")
def single_move(beacon_site, single):
    """The job of its live failover, which was started in the words of older clients (BB3) and may be under way."""
    beacon_site.operate("vcenter", "archive", machine="single", enabled="true")
    beacon_site.cli("vm", "add", "single")
    beacon_site.cli("sync", "start", "single", "--wait")
    single.compare_with_frozen(single.recovery_points()[0])
    status, answer = beacon_site.api("POST", "/api/v1/failover/live", {"vm_name": "single", "probe": PROBE})
    assert status == 202, answer
    return answer["job_id"]
