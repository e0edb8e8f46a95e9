import os
import subprocess

import pytest
from pyVim import connect
from pyVmomi import vim

from labvcenter import PROGRAM, ROOT, Lab, enable_tracking, find_vm, wait


def pytest_configure(config):
    if not os.path.exists(PROGRAM):
        subprocess.run([os.path.join(ROOT, "lab", "build"), "vcenter"], check=True)


@pytest.fixture(scope="session")
def shared_lab():
    lab = Lab("--no-guests")
    yield lab
    assert lab.stop() == 0


@pytest.fixture
def lab(shared_lab):
    """The shared simulator, without left-over faults."""
    yield shared_lab
    shared_lab.control("DELETE", "/faults")


@pytest.fixture
def si(lab):
    session = lab.connect()
    yield session
    try:
        connect.Disconnect(session)
    except vim.fault.NotAuthenticated:
        pass  # a test has ended the session on purpose


@pytest.fixture
def cookie(si):
    """The session cookie exactly as the server set it."""
    return si._stub.cookie.split(";")[0]


@pytest.fixture
def vm(lab, si):
    """The machine off-one: powered off, no snapshots, tracking off; restored afterwards."""
    machine = find_vm(si, lab, "off-one")
    yield machine
    lab.control("DELETE", "/faults")
    session = lab.connect()  # the test may have lost its own
    machine = find_vm(session, lab, "off-one")
    wait(machine.RemoveAllSnapshots_Task())
    wait(machine.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=False)))
    lab.control("POST", "/op", {"op": "power", "machine": "off-one", "action": "off"})
    connect.Disconnect(session)


@pytest.fixture
def tracked(vm):
    """off-one with active change tracking."""
    enable_tracking(vm)
    return vm
