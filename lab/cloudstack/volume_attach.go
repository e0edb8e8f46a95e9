package main

import (
	"errors"
	"time"
)

func volumeAttachCommands() map[string]*command {
	return map[string]*command{
		"attachVolume": {async: attachVolume},
		"detachVolume": {async: detachVolume},
	}
}

const (
	firstDevice  = 1
	cdromDevice  = 3
	lastDevice   = dataDiskLimit + 1
	deviceIDText = "deviceId should be 0,1,2,4-33"
)

func attachVolume(k *call) (*task, error) {
	v, vm := k.st.volume(k.p.str("id")), k.st.vm(k.p.str("virtualmachineid"))
	if err := k.mayUse(v.Account); err != nil {
		return nil, err
	}
	if err := k.mayUse(vm.Account); err != nil {
		return nil, err
	}
	asked, given := k.p.number("deviceid")
	if !given {
		asked = anyDevice
	}
	return k.attachTask(v, vm, asked), nil
}

// anyDevice stands for an attach that leaves the device id to the server.
const anyDevice = -1

func (k *call) attachTask(v *volume, vm *machine, asked int64) *task {
	var device int64
	t := &task{instanceType: "Volume", instanceID: v.ID, vm: vm.ID}
	t.check = func() (err error) {
		if err := k.checkAttach(v, vm, asked); err != nil {
			return err
		}
		if device, err = k.chooseDevice(vm, asked); err != nil {
			return err
		}
		if v.State == stAllocated && k.st.hasPool(vm) {
			v.State = stCreating
		} else if v.State == stReady {
			v.State = stAttaching
		}
		return nil
	}
	t.work = func(r *jobRun) error { return k.attachOnHost(r, v, vm) }
	t.commit = func(err error) (object, error) {
		v.State = stReady
		if v.NeverPlaced {
			v.State = stAllocated
		}
		var refusal *apiError
		if errors.As(err, &refusal) {
			return nil, refusal
		}
		if err != nil {
			return nil, internal("Failed to attach volume %s to VM %s; %v", v.Name, vm.Name, err)
		}
		v.attachTo(vm, device)
		return k.volumeView(v), nil
	}
	return t
}

// attachTo and detached are the two ends of an attachment in the records; the type follows the device.
func (v *volume) attachTo(vm *machine, device int64) {
	v.VM, v.Device, v.Attached, v.Type = vm.ID, device, time.Now().UTC(), "DATADISK"
	if device == 0 {
		v.Type = "ROOT"
	}
}

func (v *volume) detached() {
	v.VM, v.Device, v.Attached, v.Type = "", 0, time.Time{}, "DATADISK"
}

// checkAttach runs the checks in the order of the real server.
func (k *call) checkAttach(v *volume, vm *machine, device int64) error {
	if v.Removed || (v.Type != "ROOT" && v.Type != "DATADISK") {
		return invalid("Please specify a volume with the valid type: ROOT or DATADISK")
	}
	if v.VM != "" {
		return invalid("Please specify a volume that is not attached to any VM.")
	}
	if v.State == stDestroy {
		return invalid("Please specify a volume that is not destroyed.")
	}
	if v.State != stAllocated && v.State != stReady {
		return invalid("Volume state must be in Allocated, Ready or in Uploaded state")
	}
	if vm.Removed {
		return invalid("Please specify a valid User VM.")
	}
	if vm.State != stRunning && vm.State != stStopped {
		return invalid("Please specify a VM that is either running or stopped.")
	}
	disks := k.st.disksOf(vm.ID)
	if device == 0 {
		if err := k.checkRootMove(v, vm); err != nil {
			return err
		}
		for _, d := range disks {
			if d.Device == 0 {
				return invalid("Vm already has root volume attached to it")
			}
		}
	} else if dataDisks(disks) >= dataDiskLimit {
		return invalid("The specified VM already has the maximum number of data disks (%d) attached. Please specify another VM.", dataDiskLimit)
	}
	if len(k.st.vmSnapshotsOf(vm.ID)) > 0 {
		return invalid("Unable to attach volume, please specify a VM that does not have VM snapshots")
	}
	if v.Account != vm.Account {
		return denied("Entity volume %s and entity VM %s belong to different accounts", v.ID, vm.ID)
	}
	return nil
}

func dataDisks(disks []*volume) int {
	n := 0
	for _, d := range disks {
		if d.Device != 0 {
			n++
		}
	}
	return n
}

// checkRootMove are the rules for attaching and detaching device 0. The text mentions Destroyed, but that state is
// refused too, as in the real server.
func (k *call) checkRootMove(v *volume, vm *machine) error {
	if vm.State != stStopped {
		return invalid("Root volume detach can happen only when vm is in states: Stopped or Destroyed")
	}
	if !v.NeverPlaced && k.st.settingOn("lab.pool.managed") {
		return invalid("Root volume detach is not supported for Managed DataStores")
	}
	return nil
}

// chooseDevice: 0 is the root, 3 the CD-ROM drive; without a wish the lowest free data device is taken.
func (k *call) chooseDevice(vm *machine, asked int64) (int64, error) {
	used := map[int64]bool{}
	for _, d := range k.st.disksOf(vm.ID) {
		used[d.Device] = true
	}
	if asked == 0 {
		return 0, nil
	}
	if asked != anyDevice {
		if asked < 0 || asked == cdromDevice || asked > lastDevice {
			return 0, internal(deviceIDText)
		}
		if used[asked] {
			return 0, internal("deviceId %d is used by vm %d", asked, vm.Seq)
		}
		return asked, nil
	}
	for device := int64(firstDevice); device <= lastDevice; device++ {
		if device != cdromDevice && !used[device] {
			return device, nil
		}
	}
	return 0, internal("All device Ids are used by vm %d", vm.Seq)
}

// hasPool says whether a volume attached to this machine gets its bytes now: a machine whose own disks were never
// made has no pool yet, so its volumes wait for the start.
func (st *state) hasPool(vm *machine) bool {
	if vm.State == stRunning {
		return true
	}
	for _, d := range st.disksOf(vm.ID) {
		if !d.NeverPlaced {
			return true
		}
	}
	return false
}

// attachOnHost makes the bytes where needed and plugs the disk in; on a stopped machine nothing is plugged.
func (k *call) attachOnHost(r *jobRun, v *volume, vm *machine) error {
	var g *guest
	running := false
	err := r.locked(func() error {
		if v.State == stCreating {
			if err := k.place(v); err != nil {
				return err
			}
			v.State = stAttaching
		}
		g, running = k.guests[vm.ID], vm.State == stRunning
		return nil
	})
	if err != nil || !running {
		return err
	}
	r.step()
	if r.ctx.Err() != nil {
		return errServerDied
	}
	if vm.Appliance {
		return k.loops.attach(v.ID, k.volumePath(v.ID), k.faults.lateDevice(v.ID))
	}
	if g == nil {
		return errors.New("the guest is not running on its host")
	}
	return g.plug(guestDisk{volume: v.ID, path: k.volumePath(v.ID)})
}
