package main

import (
	"os"
	"time"
)

func snapshotCommands() map[string]*command {
	return map[string]*command{
		"listSnapshots":  {list: listSnapshots},
		"createSnapshot": {async: createSnapshot},
		"revertSnapshot": {async: revertSnapshot},
		"deleteSnapshot": {async: deleteSnapshot},
	}
}

// listSnapshots hides destroyed ones.
func listSnapshots(k *call) ([]object, error) {
	var found []object
	for _, s := range k.st.Snapshots {
		if s.Removed || !k.sees(s.Account) || !k.wanted(s.ID, s.Name) || !k.matches("volumeid", s.Volume) ||
			!k.matches("snapshottype", "MANUAL") || !k.hasTags(s.ID) {
			continue
		}
		shown := k.snapshotView(s)
		if where, _ := shown["locationtype"].(string); k.matches("locationtype", where) {
			found = append(found, shown)
		}
	}
	return found, nil
}

func (k *call) snapshotView(s *snapshot) object {
	o := object{
		"id": s.ID, "name": s.Name, "state": s.State, "volumeid": s.Volume, "volumename": s.VolName, "volumetype": s.VolType,
		"created": stamp(s.Created), "virtualsize": s.Size, "physicalsize": s.Physical, "snapshottype": "MANUAL", "intervaltype": "MANUAL",
		"revertable": k.st.settingOn("lab.snapshot.revertable") && s.State == stBackedUp, "zoneid": k.st.Zone, "zonename": zoneName,
		"tags": k.tagList(s.ID),
	}
	if s.State == stBackedUp {
		o["locationtype"], o["datastorestate"] = "SECONDARY", "Ready"
		if !k.st.settingOn("snapshot.backup.to.secondary") {
			o["locationtype"] = "PRIMARY"
		}
	}
	if v := k.st.volume(s.Volume); v != nil {
		o["volumestate"] = v.State
	}
	return k.withJob(k.withOwner(o, s.Account), s.ID)
}

// createSnapshot refuses before the answer, as the allocation is synchronous; the copy is the job.
func createSnapshot(k *call) (*task, error) {
	v := k.st.volume(k.p.str("volumeid"))
	if err := k.checkSnapshot(v); err != nil {
		return nil, err
	}
	s := &snapshot{ID: newUUID(), Name: k.p.str("name"), Account: v.Account, Volume: v.ID, VolName: v.Name, VolType: v.Type,
		State: stAllocated, Size: v.Size, Created: time.Now().UTC()}
	if s.Name == "" {
		s.Name = v.Name + "_" + s.Created.Format("20060102150405")
	}
	k.st.Snapshots = append(k.st.Snapshots, s)
	if pairs := k.p.tagPairs(); len(pairs) > 0 {
		k.st.addTags("Snapshot", []string{s.ID}, pairs)
	}
	t := &task{instanceType: "Snapshot", instanceID: s.ID, creates: true, vm: v.VM}
	t.abandon = func() { s.State = stError }
	t.check = func() error {
		if v.State != stReady {
			return invalid("VolumeId: %s is not in Ready state but %s. Cannot take snapshot.", v.ID, v.State)
		}
		v.State, s.State = stSnapshotting, stCreating
		return nil
	}
	t.work = func(r *jobRun) error { return k.backUp(r, v, s) }
	t.commit = func(err error) (object, error) {
		if v.State == stSnapshotting {
			v.State = stReady
		}
		if err != nil {
			s.State = stError
			return nil, internal("Failed to create snapshot due to an internal error creating snapshot for volume %s: %v", v.ID, err)
		}
		s.State, s.Physical = stBackedUp, allocated(k.snapshotPath(s.ID))
		return k.snapshotView(s), nil
	}
	return t, nil
}

func (k *call) checkSnapshot(v *volume) error {
	if v == nil || v.Removed {
		return invalid("Creating snapshot failed due to volume:%s doesn't exist", k.p.str("volumeid"))
	}
	if err := k.mayUse(v.Account); err != nil {
		return err
	}
	if v.State != stReady {
		return invalid("VolumeId: %s is not in Ready state but %s. Cannot take snapshot.", v.ID, v.State)
	}
	if v.NeverPlaced {
		return invalid("Volume %s has no storage pool, please attach this volume to a VM before create snapshot for it", v.ID)
	}
	if k.p.has("locationtype") {
		return invalid("VolumeId: %s LocationType is supported only for managed storage", v.ID)
	}
	if vm := k.st.vm(v.VM); vm != nil {
		if vm.State != stStopped && vm.State != stDestroyed && !k.st.settingOn("kvm.snapshot.enabled") {
			return internal("KVM Snapshot is not supported for Running VMs. It is disabled by default due to a possible volume corruption in " +
				"certain cases. To enable it set global settings kvm.snapshot.enabled to True. See the documentation for more details.")
		}
		if k.st.snapshotActive(vm.ID) {
			return invalid("There is other active snapshot tasks on the instance to which the volume is attached, please try again later")
		}
		if len(k.st.vmSnapshotsOf(vm.ID)) > 0 {
			return invalid("There is other active vm snapshot tasks on the instance to which the volume is attached, please try again later")
		}
	}
	owner := k.st.account(v.Account)
	var existing int64
	for _, s := range k.st.Snapshots {
		if s.Account == v.Account && !s.Removed {
			existing++
		}
	}
	return k.st.checkLimit(3, owner, existing)
}

// snapshotActive: one snapshot at a time over all volumes of a machine.
func (st *state) snapshotActive(vm string) bool {
	for _, s := range st.Snapshots {
		if s.State != stCreating && s.State != stOnPrimary && s.State != stBackingUp {
			continue
		}
		if v := st.volume(s.Volume); v != nil && v.VM == vm {
			return true
		}
	}
	return false
}

// backUp goes through the visible states and copies the whole volume.
func (k *call) backUp(r *jobRun, v *volume, s *snapshot) error {
	from, to := k.volumePath(v.ID), k.snapshotPath(s.ID)
	toSecondary := false
	if err := r.phase(func() { toSecondary = k.st.settingOn("snapshot.backup.to.secondary") }); err != nil {
		return err
	}
	next := stOnPrimary
	if toSecondary {
		next = stBackingUp
	}
	if err := r.phase(func() { s.State = next }); err != nil {
		return err
	}
	if err := k.loops.flush(from); err != nil {
		return err
	}
	if r.plan.snapError {
		return internal("injected by the lab: the copy to secondary storage failed")
	}
	if r.plan.kill == "during" {
		if err := copyHalf(from, to); err != nil {
			return err
		}
		r.killAt("during")
		return errServerDied
	}
	return copyDisk(r.ctx, from, to)
}

func deleteSnapshot(k *call) (*task, error) {
	s := k.st.snapshot(k.p.str("id"))
	if err := k.mayUse(s.Account); err != nil {
		return nil, err
	}
	t := &task{instanceType: "Snapshot", instanceID: s.ID}
	before := ""
	t.check = func() error {
		switch s.State {
		case stBackedUp, stError, stAllocated, stOnPrimary:
		default:
			return invalid("Can't delete snapshotshot %s due to it is in %s Status", s.ID, s.State)
		}
		before, s.State = s.State, stDestroying
		return nil
	}
	t.work = func(*jobRun) error {
		if err := os.Remove(k.snapshotPath(s.ID)); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	t.commit = func(err error) (object, error) {
		if err != nil {
			s.State = before
			return nil, internal("Failed to delete snapshot %s: %v", s.ID, err)
		}
		s.State, s.Removed = stDestroyed, true
		k.st.dropTags(s.ID)
		return ok(), nil
	}
	return t, nil
}
