package storage

import (
	"fmt"

	"github.com/google/uuid"

	"migratekit/lab/vcenter/areas"
	"migratekit/lab/vcenter/nbd"
	"migratekit/lab/vcenter/qmp"
)

// Tracking of a disk as it is now.
func (h *Host) Tracking(key int32) Tracking {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.disks[key]; d != nil {
		return d.tracking
	}
	return Tracking{}
}

// ActivateTracking begins epoch 1 with a new uuid on every named disk that is not tracked yet.
func (h *Host) ActivateTracking(keys []int32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range keys {
		d := h.disks[key]
		if d == nil || d.tracking.UUID != "" {
			continue
		}
		if err := h.restartTracking(d); err != nil {
			return err
		}
	}
	return nil
}

// ResetTracking forgets all epochs of a tracked disk and begins anew under another uuid.
func (h *Host) ResetTracking(key int32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.disks[key]
	if d == nil {
		return fmt.Errorf("no disk %d", key)
	}
	if d.tracking.UUID == "" {
		return nil
	}
	return h.restartTracking(d)
}

// StopTracking switches tracking off on all disks.
func (h *Host) StopTracking() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.disks {
		if err := h.dropBitmaps(d); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) restartTracking(d *disk) error {
	if err := h.dropBitmaps(d); err != nil {
		return err
	}
	err := h.monitor.Run("block-dirty-bitmap-add", qmp.Args{"node": node(d.Key), "name": bitmap(1),
		"granularity": areas.Granularity}, nil)
	if err == nil {
		d.tracking = Tracking{UUID: uuid.New().String(), Epoch: 1}
	}
	return err
}

func (h *Host) dropBitmaps(d *disk) error {
	for epoch := 1; d.tracking.UUID != "" && epoch <= d.tracking.Epoch; epoch++ {
		err := h.monitor.Run("block-dirty-bitmap-remove", qmp.Args{"node": node(d.Key), "name": bitmap(epoch)}, nil)
		if err != nil {
			return err
		}
	}
	d.tracking = Tracking{}
	return nil
}

// Changed lists what was written between boundary since and the frozen state id (0: the live disk).
func (h *Host) Changed(id int, key int32, since Tracking) ([]areas.Area, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	target, until, err := h.side(id, key)
	if err != nil {
		return nil, err
	}
	d := h.disks[key]
	if since.UUID == "" || since.UUID != d.tracking.UUID || since.UUID != until.UUID ||
		since.Epoch < 1 || since.Epoch > until.Epoch {
		return nil, ErrNoTracking
	}
	last := until.Epoch - 1
	if id == 0 {
		last = until.Epoch // the epoch that is still being recorded
	}
	if since.Epoch > last {
		return nil, nil
	}
	return h.merged(target, d, since.Epoch, last)
}

// Allocated lists what is not known to read as zero in the frozen state id (0: the live disk).
func (h *Host) Allocated(id int, key int32) ([]areas.Area, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, _, err := h.side(id, key); err != nil {
		return nil, err
	}
	export := LiveExport(key)
	if id != 0 {
		export = FrozenExport(id, key)
	}
	const hole, zero = 1, 2 // NBD_STATE_HOLE, NBD_STATE_ZERO
	return h.extents(export, "base:allocation", h.disks[key].capacity,
		func(flags uint32) bool { return flags&(hole|zero) == 0 })
}

// side resolves the node to look at and the boundary it stands for.
func (h *Host) side(id int, key int32) (string, Tracking, error) {
	d := h.disks[key]
	if d == nil {
		return "", Tracking{}, fmt.Errorf("no disk %d", key)
	}
	if id == 0 {
		return node(key), d.tracking, nil
	}
	f := h.frozen[id]
	if f == nil || !f.has(key) {
		return "", Tracking{}, fmt.Errorf("disk %d is not part of snapshot %d", key, id)
	}
	return overlayNode(id, key), f.Disks[key].Tracking, nil
}

// merged unites bitmaps first..last in a temporary one, which a temporary export lets us read.
func (h *Host) merged(target string, d *disk, first, last int) (found []areas.Area, err error) {
	const temporary = "query"
	err = h.monitor.Run("block-dirty-bitmap-add", qmp.Args{"node": target, "name": temporary,
		"granularity": areas.Granularity, "disabled": true}, nil)
	if err != nil {
		return nil, err
	}
	cleanUp := func(problem error) {
		if problem != nil && err == nil {
			err = problem
		}
	}
	defer func() {
		cleanUp(h.monitor.Run("block-dirty-bitmap-remove", qmp.Args{"node": target, "name": temporary}, nil))
	}()
	var sources []qmp.Args
	for epoch := first; epoch <= last; epoch++ {
		sources = append(sources, qmp.Args{"node": node(d.Key), "name": bitmap(epoch)})
	}
	err = h.monitor.Run("block-dirty-bitmap-merge", qmp.Args{"node": target, "target": temporary, "bitmaps": sources}, nil)
	if err != nil {
		return nil, err
	}
	err = h.monitor.Run("block-export-add", qmp.Args{"id": temporary, "type": "nbd", "node-name": target,
		"name": temporary, "bitmaps": []string{temporary}}, nil)
	if err != nil {
		return nil, err
	}
	defer func() { cleanUp(h.removeExport(temporary)) }()
	return h.extents(temporary, "qemu:dirty-bitmap:"+temporary, d.capacity, func(flags uint32) bool { return flags&1 != 0 })
}

func (h *Host) extents(export, context string, capacity int64, wanted func(flags uint32) bool) ([]areas.Area, error) {
	conn, err := nbd.Open(h.Socket(), export, context)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	status, err := conn.Status()
	if err != nil {
		return nil, err
	}
	var runs []areas.Area
	for _, e := range status {
		if wanted(e.Flags) {
			runs = append(runs, areas.Area{Start: e.Offset, Length: e.Length})
		}
	}
	return areas.Normalise(runs, capacity), nil
}
