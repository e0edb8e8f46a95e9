package main

import (
	"context"
	"os"
)

// revertSnapshot copies the snapshot over the volume in place: a failure in the middle leaves a broken volume.
func revertSnapshot(k *call) (*task, error) {
	s := k.st.snapshot(k.p.str("id"))
	if err := k.mayUse(s.Account); err != nil {
		return nil, err
	}
	v := k.st.volume(s.Volume)
	t := &task{instanceType: "Snapshot", instanceID: s.ID}
	t.check = func() error {
		if err := k.checkRevert(s, v); err != nil {
			return err
		}
		v.State = stReverting
		return nil
	}
	t.work = func(r *jobRun) error {
		r.step()
		from, to := k.snapshotPath(s.ID), k.volumePath(v.ID)
		if r.plan.partial || r.plan.kill == "during" {
			if err := copyHalf(from, to); err != nil {
				return err
			}
			if r.killAt("during") {
				return errServerDied
			}
			return internal("injected by the lab: the copy was interrupted")
		}
		return copyBack(r.ctx, from, to)
	}
	t.commit = func(err error) (object, error) {
		v.State = stReady
		if err != nil {
			return nil, internal("Failed to revert snapshot %s: %v", s.ID, err)
		}
		v.Size = s.Size
		return k.snapshotView(s), nil
	}
	return t, nil
}

func copyBack(ctx context.Context, from, to string) error {
	if err := copyDisk(ctx, from, to); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (k *call) checkRevert(s *snapshot, v *volume) error {
	if s.Removed || s.State != stBackedUp {
		return invalid("Snapshot id=%s is not in BackedUp state, unable to revert", s.ID)
	}
	if v == nil || v.Removed {
		return invalid("Unable to find the volume of snapshot %s", s.ID)
	}
	if v.State != stReady {
		return invalid("The volume is not in Ready state.")
	}
	if vm := k.st.vm(v.VM); vm != nil {
		if vm.State != stStopped {
			return invalid("The VM the specified disk is attached to is not in the shutdown state.")
		}
		if len(k.st.vmSnapshotsOf(vm.ID)) > 0 {
			return invalid("The VM the specified disk is attached to has VM snapshots")
		}
	}
	if !k.st.settingOn("lab.snapshot.revertable") {
		return internal("Reverting not supported. Create a template or volume based on the snapshot instead.")
	}
	return nil
}
