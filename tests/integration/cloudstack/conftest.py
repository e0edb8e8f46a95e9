"""Fixtures: a simulator shared by the tests of a file, or one of its own for tests that kill it."""

import os
import shutil
import subprocess
import tempfile

import pytest

from cloudlab import PROGRAM, Cloud


def clean_up(cloud):
    cloud.stop()
    violations = "STRICT" in (cloud.state / "test.log").read_text()
    text = (cloud.state / "test.log").read_text() if violations else ""
    shutil.rmtree(cloud.state)
    assert not violations, "answers outside the metadata:\n" + text


def requirements():
    if not PROGRAM.exists():
        pytest.skip("build/lab/lab-cloudstack is not built: run lab/build")
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode != 0:
        pytest.skip("loop devices need root, or sudo without a password")


def new_cloud(*arguments):
    cloud = Cloud(tempfile.mkdtemp(prefix="lab-cloudstack-"))
    cloud.start("--set", "lab.job.step.ms=5", "--set", "lab.power.sync.ms=10", "--set", "lab.stop.wait.ms=300",
                "--set", "wait.detach.device=400", *arguments)
    return cloud


@pytest.fixture(scope="module")
def shared():
    """One simulator for a whole file of tests."""
    requirements()
    cloud = new_cloud()
    yield cloud
    clean_up(cloud)


@pytest.fixture
def cloud(shared):
    """The shared simulator without faults and with its settings as they were."""
    before = shared.inventory()["settings"]
    yield shared
    shared.side("DELETE", "/faults")
    for name, value in shared.inventory()["settings"].items():
        if before[name] != value:
            shared.set(name, before[name])


@pytest.fixture
def own():
    """A simulator of its own for tests that kill and restart it."""
    requirements()
    cloud = new_cloud()
    yield cloud
    clean_up(cloud)
