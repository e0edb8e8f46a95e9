package storage

import (
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strconv"

	"migratekit/lab/vcenter/nbd"
	"migratekit/lab/vcenter/qmp"
)

// FrozenDisk is one disk at a frozen instant; Tracking is the boundary that the instant opened.
type FrozenDisk struct {
	Tracking Tracking
	Overlay  string // file that takes the old content of overwritten blocks
}

// Frozen is the content of several disks at one instant.
type Frozen struct {
	ID    int
	Disks map[int32]FrozenDisk
}

func (f *Frozen) has(key int32) bool {
	_, ok := f.Disks[key]
	return ok
}

// FrozenExport is the name of the read-only export of a frozen disk.
func FrozenExport(id int, key int32) string { return fmt.Sprintf("snapshot-%d-%d", id, key) }

func overlayNode(id int, key int32) string { return fmt.Sprintf("overlay-%d-%d", id, key) }

func jobName(id int, key int32) string { return fmt.Sprintf("freeze-%d-%d", id, key) }

// Freeze preserves the present content of the named disks at one instant; the guest goes on writing.
func (h *Host) Freeze(keys []int32) (*Frozen, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nextID++
	f := &Frozen{ID: h.nextID, Disks: map[int32]FrozenDisk{}}
	var actions []qmp.Args
	for _, key := range keys {
		overlay, err := h.addOverlay(f.ID, key)
		if err != nil {
			h.discard(f)
			return nil, err
		}
		f.Disks[key] = FrozenDisk{Overlay: overlay}
		actions = append(actions, freezeActions(f.ID, h.disks[key])...)
	}
	if len(actions) > 0 {
		if err := h.monitor.Run("transaction", qmp.Args{"actions": actions}, nil); err != nil {
			h.discard(f)
			return nil, err
		}
	}
	h.frozen[f.ID] = f
	return f, h.publish(f)
}

// freezeActions end the epoch of the disk and start copying old content aside, in one transaction with all disks.
func freezeActions(id int, d *disk) []qmp.Args {
	var actions []qmp.Args
	if d.tracking.UUID != "" {
		actions = append(actions,
			qmp.Args{"type": "block-dirty-bitmap-disable", "data": qmp.Args{
				"node": node(d.Key), "name": bitmap(d.tracking.Epoch)}},
			qmp.Args{"type": "block-dirty-bitmap-add", "data": qmp.Args{
				"node": node(d.Key), "name": bitmap(d.tracking.Epoch + 1), "granularity": 65536}})
	}
	return append(actions, qmp.Args{"type": "blockdev-backup", "data": qmp.Args{
		"job-id": jobName(id, d.Key), "device": node(d.Key), "target": overlayNode(id, d.Key), "sync": "none"}})
}

func (h *Host) publish(f *Frozen) error {
	for key, frozen := range f.Disks {
		d := h.disks[key]
		if d.tracking.UUID != "" {
			d.tracking.Epoch++
		}
		frozen.Tracking = d.tracking
		f.Disks[key] = frozen
		err := h.monitor.Run("block-export-add", qmp.Args{"id": FrozenExport(f.ID, key), "type": "nbd",
			"node-name": overlayNode(f.ID, key), "name": FrozenExport(f.ID, key)}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) addOverlay(id int, key int32) (string, error) {
	d := h.disks[key]
	if d == nil {
		return "", fmt.Errorf("no disk %d", key)
	}
	file := h.path(fmt.Sprintf("%d-%d.qcow2", id, key))
	out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", file,
		strconv.FormatInt(d.capacity, 10)).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("qemu-img create: %w: %s", err, out)
	}
	return file, h.monitor.Run("blockdev-add", qmp.Args{"driver": "qcow2", "node-name": overlayNode(id, key),
		"file": qmp.Args{"driver": "file", "filename": file}, "backing": node(key)}, nil)
}

// discard undoes a freeze that failed before its transaction took effect.
func (h *Host) discard(f *Frozen) {
	for key, frozen := range f.Disks {
		h.monitor.Run("blockdev-del", qmp.Args{"node-name": overlayNode(f.ID, key)}, nil)
		os.Remove(frozen.Overlay)
	}
}

// Thaw gives up a frozen state; its readers lose their connection.
func (h *Host) Thaw(id int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.frozen[id]
	if f == nil {
		return fmt.Errorf("no frozen state %d", id)
	}
	for _, key := range sortedKeys(f.Disks) {
		if err := h.removeExport(FrozenExport(id, key)); err != nil {
			return err
		}
		if err := h.endJob(jobName(id, key)); err != nil {
			return err
		}
		if err := h.monitor.Run("blockdev-del", qmp.Args{"node-name": overlayNode(id, key)}, nil); err != nil {
			return err
		}
		os.Remove(f.Disks[key].Overlay)
	}
	delete(h.frozen, id)
	return nil
}

func (h *Host) endJob(name string) error {
	if err := h.monitor.Run("block-job-cancel", qmp.Args{"device": name}, nil); err != nil {
		return err
	}
	return h.poll("job "+name, func() (bool, error) {
		var jobs []struct{ ID string }
		err := h.monitor.Run("query-jobs", nil, &jobs)
		for _, j := range jobs {
			if j.ID == name {
				return false, err
			}
		}
		return true, err
	})
}

// OpenFrozen connects to the frozen content of a disk.
func (h *Host) OpenFrozen(id int, key int32) (*nbd.Conn, error) {
	return nbd.Open(h.Socket(), FrozenExport(id, key), "")
}

func sortedKeys(disks map[int32]FrozenDisk) []int32 {
	var keys []int32
	for key := range disks {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}
