package main

import (
	"fmt"
	"log"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// taskLifetime is how long a finished task object stays; real servers drop it after some minutes.
const taskLifetime = 10 * time.Minute

// task drives one asynchronous operation. The simulator's own tasks run to the end before the call is answered and
// update themselves without a lock; this one runs in its own goroutine and takes the lock of the task object.
type task struct {
	lab  *lab
	obj  *simulator.Task
	slow time.Duration // spread over the progress steps on request of a fault
}

type taskBody func(*task) (types.AnyType, types.BaseMethodFault)

// beginTask answers the call with a queued task of method (as in the API) on the machine; the caller holds the VM's lock.
// The machine is held until the task ends; if another task holds it, the new one fails with TaskInProgress.
func (vm *VirtualMachine) beginTask(method, name string, body taskBody) types.ManagedObjectReference {
	l := vm.machine.lab
	obj := simulator.CreateTask(vm, name, nil)
	t := &task{lab: l, obj: obj, slow: l.faults.slowness(vm.machine.spec.Name, method)}
	ref := obj.Self
	recent := append([]types.ManagedObjectReference{}, vm.RecentTask...)
	if len(recent) >= 10 {
		recent = recent[1:]
	}
	vm.updateLater(types.PropertyChange{Name: "recentTask", Val: append(recent, ref)})
	holder := vm.machine.hold(ref)
	go func() {
		defer t.expire(method)
		var result types.AnyType
		fault := t.refusal(vm.machine.spec.Name, method, holder)
		if fault == nil {
			t.set(types.PropertyChange{Name: "info.startTime", Val: time.Now()},
				types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateRunning})
			t.progress(5)
			result, fault = body(t)
		}
		vm.machine.release(ref) // before the client can learn of the end and send the next task
		t.finish(result, fault)
	}()
	return ref
}

// hold makes ref the machine's task and returns the one that is already there, if any.
func (m *machine) hold(ref types.ManagedObjectReference) *types.ManagedObjectReference {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy != nil {
		return m.busy
	}
	m.busy = &ref
	return nil
}

func (m *machine) release(ref types.ManagedObjectReference) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy != nil && *m.busy == ref {
		m.busy = nil
	}
}

func (t *task) refusal(machine, method string, holder *types.ManagedObjectReference) types.BaseMethodFault {
	if holder != nil {
		return &types.TaskInProgress{Task: *holder}
	}
	if t.lab.faults.taskInProgress(machine, method, "task") {
		return &types.TaskInProgress{Task: t.obj.Self}
	}
	return t.lab.faults.taskFailure(machine, method)
}

// progress tells how far the task is and spends its share of an injected slowness.
func (t *task) progress(percent int32) {
	if t.slow == 0 {
		t.set(types.PropertyChange{Name: "info.progress", Val: percent})
		return
	}
	const steps = 5
	pause := t.slow / steps
	for i := 0; i < steps; i++ {
		t.set(types.PropertyChange{Name: "info.progress", Val: percent + int32(i)*15})
		time.Sleep(pause)
	}
	t.slow = 0 // spent
}

func (t *task) set(changes ...types.PropertyChange) {
	simulator.Map.WithLock(t.obj, func() { simulator.Map.Update(t.obj, changes) })
}

func (t *task) finish(result types.AnyType, fault types.BaseMethodFault) {
	changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}}
	if fault != nil {
		log.Printf("task %s (%s) failed: %T", t.obj.Self.Value, t.obj.Info.DescriptionId, fault)
		changes = append(changes,
			types.PropertyChange{Name: "info.error", Val: types.LocalizedMethodFault{Fault: fault,
				LocalizedMessage: faultText(fault)}},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError})
	} else {
		changes = append(changes,
			types.PropertyChange{Name: "info.progress", Val: int32(100)},
			types.PropertyChange{Name: "info.result", Val: result},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess})
	}
	t.set(changes...)
}

func (t *task) expire(method string) {
	life := taskLifetime
	if t.lab.faults.taskVanishes(method) {
		life = 0
	}
	time.AfterFunc(life, func() { simulator.Map.Remove(t.obj.Self) })
}

func faultText(fault types.BaseMethodFault) string {
	switch f := fault.(type) {
	case *types.TaskInProgress:
		return "Another task is already in progress."
	case *types.InvalidPowerState:
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", f.ExistingState)
	case *types.FilesystemQuiesceFault, *types.ApplicationQuiesceFault:
		return "An error occurred while quiescing the virtual machine."
	case *types.SnapshotIncompatibleDeviceInVm:
		return "The virtual machine has a device that prevents taking a snapshot."
	}
	return fmt.Sprintf("The operation failed: %s.", faultName(fault))
}
