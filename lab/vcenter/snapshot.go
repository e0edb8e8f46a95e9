package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// VirtualMachineSnapshot is a snapshot object with a configuration of its own: the hardware at that time, the links
// that were frozen and the change ids that a client has to keep.
type VirtualMachineSnapshot struct {
	mo.VirtualMachineSnapshot
	vm *VirtualMachine
}

// newSnapshotObject registers an object for a snapshot that is about to be added; the caller holds the VM's lock.
func newSnapshotObject(vm *VirtualMachine) *VirtualMachineSnapshot {
	s := &VirtualMachineSnapshot{vm: vm}
	// The registry would otherwise name the moref after the Go type.
	s.Self.Type = "VirtualMachineSnapshot"
	s.Vm = vm.Self
	deepCopy(vm.Config, &s.Config)
	simulator.Map.Put(s)
	return s
}

// publishSnapshots renews the configurations of all snapshots: removing one renames the links of its successors.
func (vm *VirtualMachine) publishSnapshots() {
	m := vm.machine
	type view struct {
		obj     *VirtualMachineSnapshot
		devices []types.BaseVirtualDevice
		child   []types.ManagedObjectReference
	}
	var views []view
	m.mu.Lock()
	for holder, s := range m.snapshots {
		holder := holder
		obj, ok := simulator.Map.Get(s.ref).(*VirtualMachineSnapshot)
		if !ok {
			continue
		}
		v := view{obj: obj, devices: m.deviceList(func(i int) diskView { return m.snapshotView(holder, i) })}
		if holder+1 < len(m.snapshots) {
			v.child = []types.ManagedObjectReference{m.snapshots[holder+1].ref}
		}
		views = append(views, v)
	}
	m.mu.Unlock()
	for _, v := range views {
		simulator.Map.WithLock(v.obj, func() {
			simulator.Map.Update(v.obj, []types.PropertyChange{
				{Name: "config.hardware.device", Val: v.devices},
				{Name: "childSnapshot", Val: v.child},
			})
		})
	}
}

// RemoveSnapshotTask implements RemoveSnapshot_Task.
func (s *VirtualMachineSnapshot) RemoveSnapshotTask(req *types.RemoveSnapshot_Task) soap.HasFault {
	const method = "RemoveSnapshot_Task"
	if fault := s.vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	var ref types.ManagedObjectReference
	simulator.Map.WithLock(s.vm, func() {
		ref = s.vm.beginTask(method, "removeSnapshot", func(t *task) (types.AnyType, types.BaseMethodFault) {
			return nil, s.vm.removeSnapshot(t, req.This, req.RemoveChildren)
		})
	})
	return answer(types.RemoveSnapshot_TaskResponse{Returnval: ref})
}
