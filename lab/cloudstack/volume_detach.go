package main

import (
	"errors"
	"fmt"
	"time"
)

// volumeToDetach finds the volume by id, or by machine and device.
func (k *call) volumeToDetach() (*volume, error) {
	if k.p.has("id") {
		if k.p.has("deviceid") || k.p.has("virtualmachineid") {
			return nil, invalid("Please provide either a volume id, or a tuple(device id, instance id)")
		}
		return k.st.volume(k.p.str("id")), nil
	}
	device, given := k.p.number("deviceid")
	if !given || !k.p.has("virtualmachineid") {
		return nil, invalid("Please provide either a volume id, or a tuple(device id, instance id)")
	}
	for _, d := range k.st.disksOf(k.p.str("virtualmachineid")) {
		if d.Device == device {
			return d, nil
		}
	}
	return nil, invalid("Unable to find a volume with device %d on the VM", device)
}

func detachVolume(k *call) (*task, error) {
	v, err := k.volumeToDetach()
	if err != nil {
		return nil, err
	}
	if err := k.mayUse(v.Account); err != nil {
		return nil, err
	}
	t := &task{instanceType: "Volume", instanceID: v.ID, vm: v.VM}
	t.check = func() error { return k.checkDetach(v) }
	t.work = func(r *jobRun) error { return k.detachOnHost(r, v) }
	t.commit = func(err error) (object, error) {
		if err != nil {
			name := v.VM
			if vm := k.st.vm(v.VM); vm != nil {
				name = vm.Name
			}
			return nil, internal("Failed to detach volume %s from VM %s; %v", v.Name, name, err)
		}
		v.detached()
		return k.volumeView(v), nil
	}
	return t, nil
}

func (k *call) checkDetach(v *volume) error {
	vm := k.st.vm(v.VM)
	if v.Removed || vm == nil {
		return invalid("The specified volume is not attached to a VM.")
	}
	if vm.State != stRunning && vm.State != stStopped && vm.State != stDestroyed {
		return invalid("Please specify a VM that is either running or stopped.")
	}
	if v.Device == 0 {
		if err := k.checkRootMove(v, vm); err != nil {
			return err
		}
	}
	if len(k.st.vmSnapshotsOf(vm.ID)) > 0 {
		return invalid("Unable to detach volume, please specify a VM that does not have VM snapshots")
	}
	return nil
}

// unplugRefused is what the KVM host reports when the guest keeps the disk.
func unplugRefused(wait time.Duration) error {
	return fmt.Errorf("Could not detach volume after sending the command and waiting for [%d] milliseconds. "+
		"The device may still be in use, or already in the process of unplug. Try again in a couple of minutes.", wait.Milliseconds())
}

func (k *call) detachOnHost(r *jobRun, v *volume) error {
	var vm *machine
	var g *guest
	var wait time.Duration
	running := false
	err := r.locked(func() error {
		vm = k.st.vm(v.VM)
		running = vm.State == stRunning
		g, wait = k.guests[v.VM], k.st.settingMillis("wait.detach.device")
		return nil
	})
	if err != nil || !running {
		return err
	}
	if refused, late := k.faults.refusal(v.ID); refused {
		if late > 0 {
			time.AfterFunc(late, func() { _ = k.unplug(vm, g, v, 0) })
		}
		return unplugRefused(wait)
	}
	err = k.unplug(vm, g, v, wait)
	if errors.Is(err, errStillHeld) {
		return unplugRefused(wait)
	}
	return err
}

func (k *call) unplug(vm *machine, g *guest, v *volume, wait time.Duration) error {
	if vm.Appliance {
		return k.loops.detach(v.ID, k.volumePath(v.ID), wait)
	}
	if g == nil {
		return nil
	}
	return g.unplug(v.ID, wait)
}
