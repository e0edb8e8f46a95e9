package main

import (
	"os"
	"time"
)

const (
	expungeDenied = "Expunging a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set."
	recoverDenied = "Recovering a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set."
)

func (k *call) mayExpunge() bool {
	return k.admin() || k.st.settingOn("allow.user.expunge.recover.vm")
}

// destroyVirtualMachine stops the machine, detaches its data disks, deletes those named in volumeids and marks the
// machine and its ROOT as destroyed; with expunge both are gone for good.
func destroyVirtualMachine(k *call) (*task, error) {
	m, err := k.ownMachine()
	if err != nil {
		return nil, err
	}
	if k.p.flag("expunge") && !k.mayExpunge() {
		return nil, denied("Parameter expunge can be passed by Admin only. Or when the allow.user.expunge.recover.vm key is set.")
	}
	t := k.machineTask(m)
	var g *guest
	t.check = func() error {
		if err := k.checkDestroy(m); err != nil {
			return err
		}
		g = k.guests[m.ID]
		if m.State == stRunning {
			m.State, m.Updated = stStopping, time.Now().UTC()
		}
		return nil
	}
	t.work = func(*jobRun) error {
		if g != nil {
			g.kill()
		}
		return nil
	}
	t.commit = func(error) (object, error) {
		if g != nil {
			k.markStopped(m)
		}
		k.destroyMachine(m, k.p.list("volumeids"))
		if k.p.flag("expunge") {
			k.expungeMachine(m)
		}
		return k.machineView(m), nil
	}
	return t, nil
}

func (k *call) checkDestroy(m *machine) error {
	if m.Removed {
		return invalid("unable to find a virtual machine with id %s", m.ID)
	}
	if m.Protected {
		return invalid("Instance [id = %s, name = %s] has delete protection enabled and cannot be deleted.", m.ID, m.Name)
	}
	switch m.State {
	case stRunning, stStopped, stError:
	case stDestroyed:
		if !k.p.flag("expunge") {
			return invalid("Virtual machine %s is already destroyed", m.Name)
		}
	default:
		return internal("Failed to destroy vm with id %s in state %s", m.ID, m.State)
	}
	disks := k.st.disksOf(m.ID)
	for _, id := range k.p.list("volumeids") {
		found := false
		for _, d := range disks {
			found = found || (d.ID == id && d.Device != 0)
		}
		if !found {
			return invalid("Volume %s is not a data disk of the VM and cannot be deleted with it", id)
		}
	}
	for _, d := range disks {
		for _, s := range k.st.Snapshots {
			if d.Device == 0 && s.Volume == d.ID && (s.State == stCreating || s.State == stOnPrimary || s.State == stBackingUp) {
				return internal("There are snapshot operations in progress on the ROOT volume of %s, unable to destroy it", m.Name)
			}
		}
	}
	return nil
}

// destroyMachine: data disks leave the machine, the ROOT dies with it. mu is held.
func (c *cloud) destroyMachine(m *machine, deleted []string) {
	for _, d := range c.st.disksOf(m.ID) {
		switch {
		case d.Device == 0 && d.State != stAllocated:
			d.State = stDestroy
		case d.Device == 0:
		case contains(deleted, d.ID):
			c.expungeVolume(d)
		default:
			d.detached()
		}
	}
	m.State, m.Updated = stDestroyed, time.Now().UTC()
}

// expungeMachine removes a destroyed machine with its ROOT volume's file; mu is held.
func (c *cloud) expungeMachine(m *machine) {
	for _, d := range c.st.disksOf(m.ID) {
		if d.Device == 0 {
			c.expungeVolume(d)
		} else {
			d.detached()
		}
	}
	m.State, m.Removed, m.Updated = "Expunging", true, time.Now().UTC()
	c.st.dropTags(m.ID)
	os.RemoveAll(c.vmDir(m.ID))
}

func expungeVirtualMachine(k *call) (*task, error) {
	m, err := k.ownMachine()
	if err != nil {
		return nil, err
	}
	t := k.machineTask(m)
	t.check = func() error {
		if !k.mayExpunge() {
			return denied(expungeDenied)
		}
		if m.Removed || (m.State != stDestroyed && m.State != stExpunging && m.State != stError) {
			return invalid("Please destroy vm %s before expunging it", m.Name)
		}
		return nil
	}
	t.commit = func(error) (object, error) {
		k.expungeMachine(m)
		return ok(), nil
	}
	return t, nil
}

func recoverVirtualMachine(k *call) (object, error) {
	m, err := k.ownMachine()
	if err != nil {
		return nil, err
	}
	if !k.mayExpunge() {
		return nil, denied(recoverDenied)
	}
	if m.Removed || m.State != stDestroyed {
		return nil, invalid("unable to recover virtual machine %s: it is not destroyed", m.ID)
	}
	for _, d := range k.st.disksOf(m.ID) {
		if d.State == stDestroy {
			d.State = stReady
		}
	}
	m.State, m.Updated = stStopped, time.Now().UTC()
	return k.machineView(m), nil
}
