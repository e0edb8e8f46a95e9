import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

import pytest

from tunnellab import PEER, TUNNEL, Oma, Vma


def pytest_collection_modifyitems(items):
    missing = [str(program) for program in (TUNNEL, PEER) if not program.exists()]
    if missing:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="not there: " + ", ".join(missing)))


@pytest.fixture
def folder():
    name = tempfile.mkdtemp(prefix="mkt-")  # short: sockets are below it
    yield pathlib.Path(name)
    shutil.rmtree(name)


@pytest.fixture
def sites(folder):  # asked for here, so that it is removed after the programs that write into it have ended
    """Keeps what a test starts; all of it is stopped at the end, the last one first."""
    made = []
    yield made
    for site in reversed(made):
        site.stop()


@pytest.fixture
def oma(folder, sites):
    sites.append(Oma(folder / "oma"))
    return sites[-1]


@pytest.fixture
def vma(folder, sites):
    sites.append(Vma(folder / "vma"))
    return sites[-1]


@pytest.fixture
def paired(oma, vma):
    """An OMA and a VMA that know each other, with everything running."""
    done = vma.pair(oma, oma.invite())
    assert done.returncode == 0, done.stderr
    vma.start_api()
    vma.start_client()
    return oma, vma


@pytest.fixture
def network(sites):
    """Two network namespaces joined by a veth pair: (name of the VMA's, name of the OMA's, the OMA's address)."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("tc"):
        pytest.skip("network namespaces need root, ip and tc")
    tag = uuid.uuid4().hex[:6]
    vma, oma = f"mkv{tag}", f"mko{tag}"

    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, timeout=20)

    try:
        ip("netns", "add", vma)
        ip("netns", "add", oma)
        ip("link", "add", "site0", "netns", vma, "type", "veth", "peer", "name", "site0", "netns", oma)
        for namespace, address in ((vma, "10.77.0.1/24"), (oma, "10.77.0.2/24")):
            ip("-n", namespace, "link", "set", "lo", "up")
            ip("-n", namespace, "addr", "add", address, "dev", "site0")
            ip("-n", namespace, "link", "set", "site0", "up")
        yield vma, oma, "10.77.0.2"
    finally:
        for site in reversed(sites):
            site.stop()
        sites.clear()
        for namespace in (vma, oma):
            subprocess.run(["ip", "netns", "del", namespace], check=False, timeout=20)
