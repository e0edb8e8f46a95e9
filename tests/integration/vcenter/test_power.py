"""Power and guest shutdown of a machine without an operating system."""

import pytest
from pyVmomi import vim

from labvcenter import eventually, wait


def test_on_and_off(vm):
    assert vm.runtime.powerState == "poweredOff"
    wait(vm.PowerOnVM_Task())
    assert vm.runtime.powerState == "poweredOn" and vm.guest.toolsRunningStatus == "guestToolsRunning"
    with pytest.raises(vim.fault.InvalidPowerState) as caught:
        wait(vm.PowerOnVM_Task())
    assert caught.value.existingState == "poweredOn"
    wait(vm.PowerOffVM_Task())
    assert vm.runtime.powerState == "poweredOff" and vm.guest.toolsRunningStatus == "guestToolsNotRunning"
    with pytest.raises(vim.fault.InvalidPowerState):
        wait(vm.PowerOffVM_Task())


def test_shutdown_is_no_task(vm):
    with pytest.raises(vim.fault.InvalidPowerState):
        vm.ShutdownGuest()
    wait(vm.PowerOnVM_Task())
    assert vm.ShutdownGuest() is None
    eventually(lambda: vm.runtime.powerState == "poweredOff")


def test_shutdown_needs_tools(vm, lab):
    wait(vm.PowerOnVM_Task())
    lab.fault("tools_not_running", machine="off-one")
    assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"
    with pytest.raises(vim.fault.ToolsUnavailable):
        vm.ShutdownGuest()
    lab.control("DELETE", "/faults")
    assert vm.guest.toolsRunningStatus == "guestToolsRunning"
