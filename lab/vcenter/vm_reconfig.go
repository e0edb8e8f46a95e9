package main

import (
	"log"
	"reflect"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ReconfigVMTask implements ReconfigVM_Task for change tracking, the annotation and growing disks; everything else is
// refused, because the lab would only pretend to do it.
func (vm *VirtualMachine) ReconfigVMTask(req *types.ReconfigVM_Task) soap.HasFault {
	const method = "ReconfigVM_Task"
	if fault := vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	return answer(types.ReconfigVM_TaskResponse{Returnval: vm.beginTask(method, "reconfigure",
		func(t *task) (types.AnyType, types.BaseMethodFault) {
			t.progress(20)
			fault := vm.reconfigure(&req.Spec)
			vm.publish()
			return nil, fault
		})})
}

func (vm *VirtualMachine) reconfigure(spec *types.VirtualMachineConfigSpec) types.BaseMethodFault {
	supported := types.VirtualMachineConfigSpec{ChangeTrackingEnabled: spec.ChangeTrackingEnabled,
		Annotation: spec.Annotation, DeviceChange: spec.DeviceChange}
	if !reflect.DeepEqual(spec, &supported) {
		return &types.NotSupported{}
	}
	for i, change := range spec.DeviceChange {
		if fault := vm.changeDevice(int32(i), change.GetVirtualDeviceConfigSpec()); fault != nil {
			return fault
		}
	}
	m := vm.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	if spec.Annotation != "" {
		m.annotation = spec.Annotation
	}
	if wanted := spec.ChangeTrackingEnabled; wanted != nil {
		return m.configureTracking(*wanted)
	}
	return nil
}

// configureTracking switches the flag. Enabling becomes effective at the next stun; disabling at once.
func (m *machine) configureTracking(enabled bool) types.BaseMethodFault {
	m.cbtEnabled = enabled
	if enabled || !m.cbtActive {
		return nil
	}
	if err := m.storage.StopTracking(); err != nil {
		log.Printf("stop tracking of %s: %v", m.spec.Name, err)
		return &types.FileFault{File: m.linkFile(0, m.liveLink)}
	}
	m.cbtActive = false
	return nil
}

func (vm *VirtualMachine) changeDevice(position int32, change *types.VirtualDeviceConfigSpec) types.BaseMethodFault {
	disk, ok := change.Device.(*types.VirtualDisk)
	if !ok || change.Operation != types.VirtualDeviceConfigSpecOperationEdit || change.FileOperation != "" {
		return &types.NotSupported{}
	}
	capacity := disk.CapacityInBytes
	if capacity == 0 {
		capacity = disk.CapacityInKB * 1024
	}
	if err := vm.growDisk(disk.Key, capacity); err != nil {
		log.Printf("grow disk %d of %s: %v", disk.Key, vm.machine.spec.Name, err)
		return &types.InvalidDeviceOperation{
			InvalidDeviceSpec: types.InvalidDeviceSpec{DeviceIndex: position},
			BadOp:             types.VirtualDeviceConfigSpecOperationEdit,
		}
	}
	return nil
}

// growDisk enlarges a disk, which restarts its change tracking; the caller publishes.
func (vm *VirtualMachine) growDisk(key int32, capacity int64) error {
	return vm.machine.storage.Grow(key, capacity)
}
