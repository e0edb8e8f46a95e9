package main

import (
	"log"
	"time"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	poweredOn  = types.VirtualMachinePowerStatePoweredOn
	poweredOff = types.VirtualMachinePowerStatePoweredOff
)

// blankShutdown is how long a machine without an operating system takes to shut down.
const blankShutdown = 500 * time.Millisecond

// PowerOnVMTask implements PowerOnVM_Task.
func (vm *VirtualMachine) PowerOnVMTask(*types.PowerOnVM_Task) soap.HasFault {
	const method = "PowerOnVM_Task"
	if fault := vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	return answer(types.PowerOnVM_TaskResponse{Returnval: vm.beginTask(method, "powerOn",
		func(t *task) (types.AnyType, types.BaseMethodFault) {
			if fault := vm.machine.expectPower(poweredOff, poweredOn); fault != nil {
				return nil, fault
			}
			t.progress(30)
			if err := vm.powerOn(); err != nil {
				log.Printf("power on %s: %v", vm.machine.spec.Name, err)
				return nil, &types.GenericVmConfigFault{Reason: err.Error()}
			}
			return nil, nil
		})})
}

// PowerOffVMTask implements PowerOffVM_Task: the plug is pulled, without asking the guest.
func (vm *VirtualMachine) PowerOffVMTask(*types.PowerOffVM_Task) soap.HasFault {
	const method = "PowerOffVM_Task"
	if fault := vm.busyFault(method); fault != nil {
		return refuse(fault)
	}
	return answer(types.PowerOffVM_TaskResponse{Returnval: vm.beginTask(method, "powerOff",
		func(t *task) (types.AnyType, types.BaseMethodFault) {
			if fault := vm.machine.expectPower(poweredOn, poweredOff); fault != nil {
				return nil, fault
			}
			t.progress(30)
			vm.powerOff()
			return nil, nil
		})})
}

// ShutdownGuest asks the guest through its tools channel; it is not a task and answers at once.
func (vm *VirtualMachine) ShutdownGuest(*types.ShutdownGuest) soap.HasFault {
	m := vm.machine
	if fault := m.expectPower(poweredOn, poweredOff); fault != nil {
		return refuse(fault)
	}
	m.mu.Lock()
	answering := m.toolsVisible()
	m.mu.Unlock()
	if !answering {
		return refuse(&types.ToolsUnavailable{})
	}
	if m.imageDir == "" {
		time.AfterFunc(blankShutdown, vm.powerOff)
	} else if err := m.guest.shutdown(); err != nil {
		log.Printf("shutdown of %s: %v", m.spec.Name, err)
		return refuse(&types.ToolsUnavailable{})
	}
	return answer(types.ShutdownGuestResponse{})
}

func (m *machine) expectPower(now, wanted types.VirtualMachinePowerState) types.BaseMethodFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.power != now {
		return &types.InvalidPowerState{RequestedState: wanted, ExistingState: m.power}
	}
	return nil
}

// powerOn starts the guest, which activates change tracking that was enabled while the machine was off.
func (vm *VirtualMachine) powerOn() error {
	m := vm.machine
	if err := m.stun(); err != nil {
		return err
	}
	if m.imageDir != "" {
		if err := m.guest.start(); err != nil {
			return err
		}
		go vm.watchGuest()
	}
	m.powered(poweredOn)
	if m.imageDir == "" && m.spec.Tools {
		m.setTools(true)
	}
	vm.publish()
	return nil
}

// powerOff ends the guest process; watchGuest notices too, which does no harm.
func (vm *VirtualMachine) powerOff() {
	if vm.machine.imageDir != "" {
		vm.machine.guest.kill()
	}
	vm.machine.powered(poweredOff)
	vm.publish()
}

// watchGuest follows one run of the guest: it answers once its start marker is on the console, and a process that
// ends means that the guest has switched itself off.
func (vm *VirtualMachine) watchGuest() {
	m := vm.machine
	run := m.guest.current()
	go func() {
		if run.awaitMarker() && m.spec.Tools {
			m.setTools(true)
			vm.publish()
		}
	}()
	<-run.process.Done()
	m.guest.ended(run)
	if m.guest.current() == nil {
		m.powered(poweredOff)
		vm.publish()
	}
}

func (m *machine) setTools(running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.toolsRunning = running && m.power == poweredOn
}
