package main

import "os"

// resizeVolume grows a volume where it is: detached, on a stopped machine, under a running guest or on the appliance.
func resizeVolume(k *call) (*task, error) {
	v := k.st.volume(k.p.str("id"))
	if err := k.mayUse(v.Account); err != nil {
		return nil, err
	}
	var size int64
	var g *guest
	placed, path := false, k.volumePath(v.ID)
	t := &task{instanceType: "Volume", instanceID: v.ID, vm: v.VM}
	t.check = func() (err error) {
		if size, err = k.checkResize(v); err == nil && v.State == stReady {
			v.State = stResizing
		}
		g, placed = k.guests[v.VM], !v.NeverPlaced
		return err
	}
	t.work = func(r *jobRun) error {
		if !placed {
			return nil
		}
		if err := os.Truncate(path, size); err != nil {
			return err
		}
		if g != nil {
			return g.resize(v.ID, size)
		}
		return r.c.loops.resize(path)
	}
	t.commit = func(err error) (object, error) {
		if v.State == stResizing {
			v.State = stReady
		}
		if err != nil {
			return nil, internal("Failed to resize volume %s: %v", v.Name, err)
		}
		v.Size = size
		return k.volumeView(v), nil
	}
	return t, nil
}

// checkResize returns the new size in bytes.
func (k *call) checkResize(v *volume) (int64, error) {
	if v.Removed {
		return 0, invalid("No such volume")
	}
	if v.State != stReady && v.State != stAllocated {
		return 0, invalid("Volume should be in ready or allocated state before attempting a resize. Volume %s is in state %s.", v.ID, v.State)
	}
	if len(k.st.vmSnapshotsOf(v.VM)) > 0 {
		return 0, invalid("A volume that is attached to a VM with any VM snapshots cannot be resized.")
	}
	offering := k.st.diskOffering(v.Offering)
	if changed := k.st.diskOffering(k.p.str("diskofferingid")); changed != nil && changed != offering {
		return 0, invalid("The offering of a volume cannot be changed by a resize in this cloud")
	}
	size, given := k.p.number("size")
	if !given {
		return 0, invalid("Either the size or a new disk offering must be specified")
	}
	if v.Type != "ROOT" && (offering == nil || !offering.Customized) {
		return 0, invalid("To change a volume's size without providing a new disk offering, its current disk offering must be customizable " +
			"or it must be a root volume (if providing a disk offering, make sure it is different from the current disk offering).")
	}
	if err := k.st.checkSize(size, offering != nil && offering.Customized); err != nil {
		return 0, err
	}
	if size*gib < v.Size && v.State == stReady {
		return 0, invalid("Unable to shrink volumes of type QCOW2")
	}
	return size * gib, nil
}
