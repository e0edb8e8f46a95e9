"""Fixtures: one cloud and one daemon per test file; each test has its own machine context."""

import os
import shutil
import subprocess
import tempfile
import uuid

import pytest

from daemonlab import DAEMON, SEED, Cloud, Daemon

PROGRAM_MISSING = "build it first: ninja -C build/dev volume-daemon seed_config (or set MK_BUILD_DIR), and lab/build"


def start_cloud():
    cloud = Cloud(tempfile.mkdtemp(prefix="mk-volumes-cloud-"))
    cloud.start("--set", "lab.job.step.ms=5", "--set", "wait.detach.device=400")
    return cloud


def requirements():
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    if not DAEMON.exists() or not SEED.exists():
        pytest.skip(PROGRAM_MISSING)


@pytest.fixture(scope="module")
def cloud():
    requirements()
    cloud = start_cloud()
    yield cloud
    cloud.stop()
    shutil.rmtree(cloud.state)


@pytest.fixture(scope="module")
def daemon(cloud):
    daemon = Daemon(tempfile.mkdtemp(prefix="mk-volumes-"), cloud)
    daemon.seed()
    daemon.start()
    yield daemon
    daemon.stop()
    shutil.rmtree(daemon.folder)


@pytest.fixture(autouse=True)
def no_faults(cloud):
    yield
    cloud.side("DELETE", "/faults")


@pytest.fixture
def context():
    return "ctx-" + uuid.uuid4().hex[:12]


@pytest.fixture
def volume(daemon, context):
    """The id of a volume that is attached to the appliance."""
    return daemon.attached(context=context)["volume_id"]


@pytest.fixture
def own(cloud):
    """A daemon of its own, for tests that kill it or fill its staging space."""
    daemons = []

    def make(**settings):
        daemon = Daemon(tempfile.mkdtemp(prefix="mk-volumes-"), cloud, **settings)
        daemon.seed()
        daemon.start()
        daemons.append(daemon)
        return daemon

    yield make
    for daemon in daemons:
        daemon.stop()
        shutil.rmtree(daemon.folder)


@pytest.fixture
def small_disk():
    folder = tempfile.mkdtemp(prefix="mk-staging-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
    os.rmdir(folder)
