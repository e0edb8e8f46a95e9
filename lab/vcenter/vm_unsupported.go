package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// The simulator underneath would answer these calls without doing anything to the lab's disks, or break on the
// wrapped machine. A client must learn that they are not available.

func (vm *VirtualMachine) unsupported() soap.HasFault { return refuse(&types.NotSupported{}) }

// CloneVMTask is not available in the lab.
func (vm *VirtualMachine) CloneVMTask(*simulator.Context, *types.CloneVM_Task) soap.HasFault {
	return vm.unsupported()
}

// CustomizeVMTask is not available in the lab.
func (vm *VirtualMachine) CustomizeVMTask(*types.CustomizeVM_Task) soap.HasFault {
	return vm.unsupported()
}

// DestroyTask is not available in the lab.
func (vm *VirtualMachine) DestroyTask(*simulator.Context, *types.Destroy_Task) soap.HasFault {
	return vm.unsupported()
}

// MarkAsTemplate is not available in the lab.
func (vm *VirtualMachine) MarkAsTemplate(*types.MarkAsTemplate) soap.HasFault {
	return vm.unsupported()
}

// RelocateVMTask is not available in the lab.
func (vm *VirtualMachine) RelocateVMTask(*simulator.Context, *types.RelocateVM_Task) soap.HasFault {
	return vm.unsupported()
}

// ResetVMTask is not available in the lab.
func (vm *VirtualMachine) ResetVMTask(*simulator.Context, *types.ResetVM_Task) soap.HasFault {
	return vm.unsupported()
}

// RevertToCurrentSnapshotTask is not available in the lab.
func (vm *VirtualMachine) RevertToCurrentSnapshotTask(*types.RevertToCurrentSnapshot_Task) soap.HasFault {
	return vm.unsupported()
}

// SuspendVMTask is not available in the lab.
func (vm *VirtualMachine) SuspendVMTask(*simulator.Context, *types.SuspendVM_Task) soap.HasFault {
	return vm.unsupported()
}

// UnregisterVM is not available in the lab.
func (vm *VirtualMachine) UnregisterVM(*simulator.Context, *types.UnregisterVM) soap.HasFault {
	return vm.unsupported()
}

// UpgradeVMTask is not available in the lab.
func (vm *VirtualMachine) UpgradeVMTask(*types.UpgradeVM_Task) soap.HasFault {
	return vm.unsupported()
}
