"""Installations for the end-to-end tests: lab, services and command line, each in a state directory of its own."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from sites import end_site, make_site  # noqa: E402  (the path has to be set first)


@pytest.fixture(scope="session", autouse=True)
def root_rights():
    if os.geteuid() != 0:
        pytest.skip("the lab's volumes are loop devices: root rights are needed")


@pytest.fixture(scope="module")
def beacon_site(request):
    """With real guests."""
    site = make_site()
    before = request.session.testsfailed
    try:
        yield site.up()
    finally:
        end_site(site, request.session.testsfailed > before)


@pytest.fixture(scope="module")
def quick_site(request):
    """Without guests: small disks, no operating systems."""
    site = make_site(guests=False)
    before = request.session.testsfailed
    try:
        site.up()
        site.connect()
        yield site
    finally:
        end_site(site, request.session.testsfailed > before)
