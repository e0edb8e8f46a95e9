package main

import (
	"log"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"migratekit/lab/vcenter/storage"
)

// snapshotRequest is what both create methods boil down to.
type snapshotRequest struct {
	name, description string
	memory, quiesce   bool
	foreign           bool
}

// CreateSnapshotTask implements CreateSnapshot_Task.
func (vm *VirtualMachine) CreateSnapshotTask(req *types.CreateSnapshot_Task) soap.HasFault {
	const method = "CreateSnapshot_Task"
	if fault := vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	want := snapshotRequest{name: req.Name, description: req.Description, memory: req.Memory, quiesce: req.Quiesce}
	return answer(types.CreateSnapshot_TaskResponse{
		Returnval: vm.beginTask(method, "createSnapshot", vm.createBody(want))})
}

// CreateSnapshotExTask implements CreateSnapshotEx_Task; a quiesceSpec asks for quiescing.
func (vm *VirtualMachine) CreateSnapshotExTask(req *types.CreateSnapshotEx_Task) soap.HasFault {
	const method = "CreateSnapshotEx_Task"
	if fault := vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	if req.QuiesceSpec != nil {
		if timeout := req.QuiesceSpec.GetVirtualMachineGuestQuiesceSpec().Timeout; timeout != 0 && (timeout < 5 || timeout > 240) {
			return refuse(&types.InvalidArgument{InvalidProperty: "quiesceSpec.timeout"})
		}
	}
	want := snapshotRequest{name: req.Name, description: req.Description, memory: req.Memory, quiesce: req.QuiesceSpec != nil}
	return answer(types.CreateSnapshotEx_TaskResponse{
		Returnval: vm.beginTask(method, "createSnapshot", vm.createBody(want))})
}

func (vm *VirtualMachine) createBody(want snapshotRequest) taskBody {
	return func(t *task) (types.AnyType, types.BaseMethodFault) {
		m := vm.machine
		if m.hasRawDevice() {
			return nil, &types.SnapshotIncompatibleDeviceInVm{Fault: types.LocalizedMethodFault{
				Fault: &types.PhysCompatRDMNotSupported{}, LocalizedMessage: "physical compatibility mode raw device"}}
		}
		if want.memory && len(m.snapshotKeys()) < len(m.spec.Disks) {
			return nil, &types.MemorySnapshotOnIndependentDisk{}
		}
		t.progress(20)
		if want.quiesce {
			if fault, debris := t.lab.faults.quiesceFault(m.spec.Name); fault != nil {
				if debris {
					if _, err := vm.addSnapshot(want); err != nil {
						log.Printf("debris snapshot: %v", err)
					}
				}
				return nil, fault
			}
		}
		ref, err := vm.addSnapshot(want)
		if err != nil {
			log.Printf("snapshot of %s: %v", m.spec.Name, err)
			return nil, &types.SnapshotFault{}
		}
		return *ref, nil
	}
}

// addSnapshot freezes the disks and records the snapshot. Creating it is a stun: tracking that was configured before
// becomes active, from the next snapshot on.
func (vm *VirtualMachine) addSnapshot(want snapshotRequest) (*types.ManagedObjectReference, error) {
	m := vm.machine
	frozen, err := m.storage.Freeze(m.snapshotKeys())
	if err != nil {
		return nil, err
	}
	var obj *VirtualMachineSnapshot
	simulator.Map.WithLock(vm, func() { obj = newSnapshotObject(vm) })
	m.mu.Lock()
	m.snapshotCount++
	state := &snapshotState{
		ref: obj.Self, name: want.name, description: want.description, id: m.snapshotCount, created: time.Now().UTC(),
		quiesced: want.quiesce && m.toolsVisible() && m.power == types.VirtualMachinePowerStatePoweredOn,
		foreign:  want.foreign, power: poweredOff, link: m.liveLink, frozen: frozen,
		tracked: map[int32]storage.Tracking{}, capacity: map[int32]int64{},
	}
	if want.memory {
		state.power = m.power // going back to a snapshot without memory means starting from power off
	}
	for i, d := range m.spec.Disks {
		state.capacity[d.Key] = m.capacity(i)
		if m.cbtActive && d.inSnapshots() {
			state.tracked[d.Key] = frozen.Disks[d.Key].Tracking
		}
	}
	m.liveLink = m.newLink()
	m.snapshots = append(m.snapshots, state)
	m.mu.Unlock()
	err = m.stun()
	vm.publish()
	vm.publishSnapshots()
	return &state.ref, err
}

// stun activates change tracking that was enabled before; see addSnapshot and power on.
func (m *machine) stun() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.cbtEnabled || m.cbtActive {
		return nil
	}
	if err := m.storage.ActivateTracking(m.snapshotKeys()); err != nil {
		return err
	}
	m.cbtActive = true
	return nil
}

func (vm *VirtualMachine) removeSnapshot(t *task, ref types.ManagedObjectReference, children bool) types.BaseMethodFault {
	m := vm.machine
	m.mu.Lock()
	index, _ := m.findSnapshot(ref)
	last := index
	if children {
		last = len(m.snapshots) - 1
	}
	m.mu.Unlock()
	if index < 0 {
		return &types.ManagedObjectNotFound{Obj: ref}
	}
	t.progress(20)
	for i := last; i >= index; i-- {
		if err := vm.dropSnapshot(i); err != nil {
			log.Printf("remove snapshot of %s: %v", m.spec.Name, err)
			return &types.FileFault{File: m.linkFile(0, m.liveLink)}
		}
	}
	t.progress(90)
	vm.finishConsolidation(t.lab.faults.leavesConsolidation(m.spec.Name))
	return nil
}

// dropSnapshot forgets snapshot number i: the holder after it takes over its link, into which its own is merged.
func (vm *VirtualMachine) dropSnapshot(i int) error {
	m := vm.machine
	m.mu.Lock()
	s := m.snapshots[i]
	archive := m.archive
	m.mu.Unlock()
	if archive {
		if err := m.archiveFrozen(s); err != nil {
			return err
		}
	}
	if err := m.storage.Thaw(s.frozen.ID); err != nil {
		return err
	}
	m.mu.Lock()
	if i+1 < len(m.snapshots) {
		m.snapshots[i+1].link = s.link
	} else {
		m.liveLink = s.link
	}
	m.snapshots = append(append([]*snapshotState{}, m.snapshots[:i]...), m.snapshots[i+1:]...)
	m.mu.Unlock()
	simulator.Map.Remove(s.ref)
	vm.publish()
	vm.publishSnapshots()
	return nil
}

func (vm *VirtualMachine) finishConsolidation(needed bool) {
	vm.machine.mu.Lock()
	vm.machine.consolidation = needed
	vm.machine.mu.Unlock()
	vm.publish()
}

// RemoveAllSnapshotsTask implements RemoveAllSnapshots_Task.
func (vm *VirtualMachine) RemoveAllSnapshotsTask(*types.RemoveAllSnapshots_Task) soap.HasFault {
	const method = "RemoveAllSnapshots_Task"
	if fault := vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	return answer(types.RemoveAllSnapshots_TaskResponse{
		Returnval: vm.beginTask(method, "removeAllSnapshots", func(t *task) (types.AnyType, types.BaseMethodFault) {
			m := vm.machine
			m.mu.Lock()
			var first *types.ManagedObjectReference
			if len(m.snapshots) > 0 {
				first = &m.snapshots[0].ref
			}
			m.mu.Unlock()
			if first == nil {
				return nil, nil
			}
			return nil, vm.removeSnapshot(t, *first, true)
		})})
}

// ConsolidateVMDisksTask implements ConsolidateVMDisks_Task.
func (vm *VirtualMachine) ConsolidateVMDisksTask(*types.ConsolidateVMDisks_Task) soap.HasFault {
	const method = "ConsolidateVMDisks_Task"
	if fault := vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	return answer(types.ConsolidateVMDisks_TaskResponse{
		Returnval: vm.beginTask(method, "consolidateDisks", func(t *task) (types.AnyType, types.BaseMethodFault) {
			t.progress(20)
			vm.finishConsolidation(false)
			return nil, nil
		})})
}

// busyFault is an injected TaskInProgress that the call itself answers, instead of its task.
func (vm *VirtualMachine) busyFault(method string) types.BaseMethodFault {
	if vm.machine.lab.faults.taskInProgress(vm.machine.spec.Name, method, "fault") {
		return &types.TaskInProgress{Task: types.ManagedObjectReference{Type: "Task", Value: "task-0"}}
	}
	return nil
}
