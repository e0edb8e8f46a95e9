package main

import (
	"fmt"
	"os"
	"time"
)

func volumeCommands() map[string]*command {
	return map[string]*command{
		"listVolumes":   {list: listVolumes},
		"createVolume":  {async: createVolume},
		"deleteVolume":  {object: deleteVolume},
		"destroyVolume": {async: destroyVolume},
		"recoverVolume": {object: recoverVolume},
		"updateVolume":  {async: updateVolume},
		"resizeVolume":  {async: resizeVolume},
	}
}

func listVolumes(k *call) ([]object, error) {
	var found []object
	for _, v := range k.st.Volumes {
		if v.Removed || !k.sees(v.Account) || !k.wanted(v.ID, v.Name) || !k.matches("virtualmachineid", v.VM) ||
			!k.matches("type", v.Type) || !k.matches("state", v.State) || !k.hasTags(v.ID) || !k.matches("diskofferingid", v.Offering) {
			continue
		}
		if k.p.has("storageid") && v.NeverPlaced {
			continue
		}
		found = append(found, k.volumeView(v))
	}
	return found, nil
}

// volumeView: the machine's fields are absent when the volume is detached, the pool's are for administrators.
func (k *call) volumeView(v *volume) object {
	o := object{
		"id": v.ID, "name": v.Name, "type": v.Type, "state": v.State, "size": v.Size, "created": stamp(v.Created), "zoneid": k.st.Zone,
		"zonename": zoneName, "storagetype": "shared", "provisioningtype": "thin", "hypervisor": "KVM", "destroyed": v.State == stDestroy,
		"isextractable": true, "displayvolume": true, "quiescevm": false, "deleteprotection": v.Protected, "tags": k.tagList(v.ID),
		"supportsstoragesnapshot": false,
	}
	if d := k.st.diskOffering(v.Offering); d != nil {
		o["diskofferingid"], o["diskofferingname"], o["diskofferingdisplaytext"] = d.ID, d.Name, d.Name
	}
	if vm := k.st.vm(v.VM); vm != nil {
		o["virtualmachineid"], o["vmname"], o["vmdisplayname"], o["vmstate"] = vm.ID, vm.Name, vm.DisplayName, vm.State
		o["deviceid"], o["attached"] = v.Device, stamp(v.Attached)
	}
	if v.Snapshot != "" {
		o["snapshotid"] = v.Snapshot
	}
	if t := k.st.template(v.Template); t != nil {
		o["templateid"], o["templatename"], o["templatedisplaytext"] = t.ID, t.Name, t.Name
	}
	if k.admin() && !v.NeverPlaced {
		o["storage"], o["storageid"], o["path"] = poolName, k.st.Pool, v.ID
		o["clusterid"], o["clustername"], o["podid"] = k.st.Cluster, clusterName, k.st.Pod
	}
	if !v.NeverPlaced {
		o["physicalsize"], o["virtualsize"] = allocated(k.volumePath(v.ID)), v.Size
	}
	return k.withJob(k.withOwner(o, v.Account), v.ID)
}

// createVolume allocates at once; without a snapshot nothing but the record is made until the first attach.
func createVolume(k *call) (*task, error) {
	owner, err := k.owner()
	if err != nil {
		return nil, err
	}
	if vm := k.st.vm(k.p.str("virtualmachineid")); vm != nil {
		if err := k.mayUse(vm.Account); err != nil {
			return nil, err
		}
	}
	source := k.st.snapshot(k.p.str("snapshotid"))
	if source == nil && k.p.str("name") == "" {
		return nil, invalid("Please specify a volume name")
	}
	if err := k.st.checkLimit(2, owner, k.st.countVolumes(owner.ID)); err != nil {
		return nil, err
	}
	v := &volume{ID: newUUID(), Name: k.p.str("name"), Account: owner.ID, Type: "DATADISK", State: stAllocated,
		Created: time.Now().UTC(), NeverPlaced: true}
	if source != nil {
		err = k.sizeFromSnapshot(v, source)
	} else {
		err = k.sizeFromOffering(v)
	}
	if err != nil {
		return nil, err
	}
	if v.Name == "" {
		v.Name = "VOL-" + v.ID
	}
	v.Seq = k.st.next()
	k.st.Volumes = append(k.st.Volumes, v)
	t := &task{instanceType: "Volume", instanceID: v.ID, creates: true}
	t.commit = func(error) (object, error) { return k.volumeView(v), nil }
	if source != nil {
		k.fillFromSnapshot(t, v, source)
		k.thenAttach(t, v)
	}
	return t, nil
}

func (st *state) countVolumes(owner string) int64 {
	var n int64
	for _, v := range st.Volumes {
		if v.Account == owner && !v.Removed {
			n++
		}
	}
	return n
}

func (k *call) sizeFromOffering(v *volume) error {
	offering := k.st.diskOffering(k.p.str("diskofferingid"))
	if offering == nil {
		return invalid("Missing parameter(s),either a positive volume size or a valid disk offering id must be specified.")
	}
	if !k.p.has("zoneid") {
		return invalid("Please specify a zone for the volume")
	}
	size, given := k.p.number("size")
	switch {
	case offering.Customized && !given:
		return invalid("This disk offering requires a custom size specified")
	case !offering.Customized && given:
		return invalid("This disk offering does not allow custom size")
	case !offering.Customized:
		size = offering.SizeGiB
	}
	v.Offering = offering.ID
	if err := k.st.checkSize(size, offering.Customized); err != nil {
		return err
	}
	v.Size = size * gib
	return nil
}

// checkSize applies the limits of custom offerings and of the cloud; size is in GiB.
func (st *state) checkSize(size int64, custom bool) error {
	low, high := st.settingInt("custom.diskoffering.size.min"), st.settingInt("custom.diskoffering.size.max")
	if custom && (size < low || size > high) {
		return invalid("Volume size: %d GB is out of allowed range. Min:%d. Max:%d", size, low, high)
	}
	if most := st.settingInt("storage.max.volume.size"); size < 1 || size > most {
		return invalid("Invalid size for custom disk offering: %d GB. Valid range: 1 - %d GB", size, most)
	}
	return nil
}

func (k *call) sizeFromSnapshot(v *volume, source *snapshot) error {
	if err := k.mayUse(source.Account); err != nil {
		return err
	}
	if source.Removed || source.State != stBackedUp {
		return invalid("Snapshot id=%s is not in BackedUp state yet and can't be used for volume creation", source.ID)
	}
	v.Snapshot, v.Size = source.ID, source.Size
	if offering := k.st.diskOffering(k.p.str("diskofferingid")); offering != nil {
		v.Offering = offering.ID
	} else if origin := k.st.volume(source.Volume); origin != nil {
		v.Offering = origin.Offering
	}
	size, given := k.p.number("size")
	if !given {
		return nil
	}
	if size*gib < source.Size {
		return invalid("Invalid size for volume creation: %dGB, snapshot size is %dGB", size, source.Size/gib)
	}
	if err := k.st.checkSize(size, true); err != nil {
		return err
	}
	v.Size = size * gib
	return nil
}

// fillFromSnapshot makes the bytes in the job: the volume is Ready at the end.
func (k *call) fillFromSnapshot(t *task, v *volume, source *snapshot) {
	from, to := k.snapshotPath(source.ID), k.volumePath(v.ID)
	t.abandon = func() { v.State, v.Removed = stExpunged, true }
	t.check = func() error {
		v.State = stCreating
		return nil
	}
	t.work = func(r *jobRun) error {
		if err := copyDisk(r.ctx, from, to); err != nil {
			return err
		}
		return os.Truncate(to, v.Size)
	}
	t.commit = func(err error) (object, error) {
		if err != nil {
			v.State, v.Removed = stExpunged, true
			os.Remove(to)
			return nil, internal("Failed to create volume %s from snapshot: %v", v.Name, err)
		}
		v.State, v.NeverPlaced = stReady, false
		return k.volumeView(v), nil
	}
}

// thenAttach lets a volume made from a snapshot be attached in the same job when a machine is named. Without a
// snapshot the parameter has no effect, as in the real server.
func (k *call) thenAttach(t *task, v *volume) {
	vm := k.st.vm(k.p.str("virtualmachineid"))
	if vm == nil {
		return
	}
	attach := k.attachTask(v, vm, anyDevice)
	fill, filled := t.work, t.commit
	t.vm = vm.ID
	t.work = func(r *jobRun) error {
		fillErr := fill(r)
		if err := r.locked(func() error {
			if _, err := filled(fillErr); err != nil {
				return err
			}
			return attach.check()
		}); err != nil {
			return err
		}
		return attach.work(r)
	}
	t.commit = func(err error) (object, error) {
		if v.Removed {
			return nil, err
		}
		return attach.commit(err)
	}
}

// place makes the bytes of an Allocated volume. mu is held; only the file is made, the caller sets states.
func (c *cloud) place(v *volume) error {
	if !v.NeverPlaced {
		return nil
	}
	os.Remove(c.volumePath(v.ID))
	if err := createSparse(c.volumePath(v.ID), v.Size); err != nil {
		return fmt.Errorf("volume %s cannot be created on %s: %w", v.Name, poolName, err)
	}
	v.NeverPlaced = false
	return nil
}

// expungeVolume removes a volume for good; mu is held. Its id still resolves.
func (c *cloud) expungeVolume(v *volume) {
	if device := deviceOf(c.volumePath(v.ID)); device != "" {
		_ = c.loops.detach(v.ID, c.volumePath(v.ID), 0)
	}
	os.Remove(c.volumePath(v.ID))
	v.State, v.Removed, v.VM = stExpunged, true, ""
	c.st.dropTags(v.ID)
}
