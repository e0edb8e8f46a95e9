"""Installations for the end-to-end tests: lab, services and command line, each in a state directory of its own."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))

from installation import Site  # noqa: E402  (the path has to be set first)


@pytest.fixture(scope="session", autouse=True)
def root_rights():
    if os.geteuid() != 0:
        pytest.skip("the lab's volumes are loop devices: root rights are needed")


def make_site(**options):
    # A short path: unix sockets below it may have 107 characters at most.
    state = tempfile.mkdtemp(prefix="mk-e2e-", dir=os.environ.get("MK_E2E_FOLDER", "/var/tmp"))
    return Site(state, **options)


def end_site(site, failed):
    site.down()
    if failed:
        print(f"kept for a look: {site.state}")
    else:
        import shutil

        shutil.rmtree(site.state, ignore_errors=True)


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
