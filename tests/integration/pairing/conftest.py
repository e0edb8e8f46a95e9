import os

import pytest

from two_sites import NEEDED, PROGRAMS, Sites, VmaApi, program


def pytest_configure(config):
    missing = [name for name in NEEDED if not os.path.exists(program(name))]
    if missing:
        raise pytest.UsageError(f"missing in {PROGRAMS}: {', '.join(missing)}; build them, or set MK_BUILD_DIR")


@pytest.fixture
def sites(tmp_path):
    made = Sites(tmp_path)
    yield made
    for process in reversed(made.processes):
        made.end(process)


@pytest.fixture
def leeds(sites):
    api = VmaApi("token-of-leeds")
    sites.add_vma("leeds", api)
    yield api
    api.stop()


@pytest.fixture
def york(sites):
    api = VmaApi("token-of-york")
    sites.add_vma("york", api)
    yield api
    api.stop()
