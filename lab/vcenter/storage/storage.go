// Package storage is the datastore side of one simulated machine: a qemu-storage-daemon (QSD) that owns the raw disk
// files, tracks changed blocks in dirty bitmaps and freezes all disks at one instant by fleecing overlays.
//
// Contract: a Host may be used from several goroutines; offsets, sizes and capacities are bytes. Whoever writes to a
// disk (a running guest, a test) does it through the daemon's NBD export, so that tracking never misses a write.
//
// Epochs: bitmap bN of a disk records what was written since boundary N; freezing ends epoch N and begins N+1, and
// the frozen content is "the disk at boundary N+1". Changes between boundaries K and N are the union bK..b(N-1).
package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"migratekit/lab/vcenter/nbd"
	"migratekit/lab/vcenter/proc"
	"migratekit/lab/vcenter/qmp"
)

// DiskSpec names a raw file that exists already; its size must be a multiple of 512.
type DiskSpec struct {
	Key  int32
	Path string
}

// Tracking is the change-tracking state of one disk; an empty UUID means tracking is off.
type Tracking struct {
	UUID  string
	Epoch int
}

type disk struct {
	DiskSpec
	capacity int64
	tracking Tracking
}

// Host is the storage of one machine.
type Host struct {
	name    string
	dir     string
	process *proc.Process
	monitor *qmp.Client

	mu     sync.Mutex // protects everything below and serialises graph changes
	disks  map[int32]*disk
	order  []int32
	frozen map[int]*Frozen
	nextID int
}

// ErrNoTracking: the change id belongs to no epoch this disk still knows.
var ErrNoTracking = errors.New("change id is not known for this disk")

// maxSocketPath is the kernel's limit on the path of a unix socket (sun_path) without its final zero.
const maxSocketPath = 107

// Start runs a daemon for the disks; dir receives sockets, overlays, the log and the pid file.
func Start(dir, name string, specs []DiskSpec) (*Host, error) {
	h := &Host{name: name, dir: dir, disks: map[int32]*disk{}, frozen: map[int]*Frozen{}}
	monitor := h.path("qsd.qmp")
	if len(monitor) > maxSocketPath {
		return nil, fmt.Errorf("state directory path is too long for unix sockets: %s (limit %d)", monitor, maxSocketPath)
	}
	os.Remove(monitor)
	os.Remove(h.Socket())
	var err error
	h.process, err = proc.Start([]string{"qemu-storage-daemon",
		"--chardev", "socket,id=m,path=" + monitor + ",server=on,wait=off", "--monitor", "m"},
		h.path("qsd.log"), h.path("qsd.pid"))
	if err != nil {
		return nil, err
	}
	if err := h.open(monitor, specs); err != nil {
		h.process.Kill()
		return nil, fmt.Errorf("storage of %s: %w", name, err)
	}
	return h, nil
}

func (h *Host) open(monitor string, specs []DiskSpec) error {
	var err error
	if h.monitor, err = qmp.Dial(monitor, 20*time.Second); err != nil {
		return err
	}
	err = h.monitor.Run("nbd-server-start", qmp.Args{
		"addr": qmp.Args{"type": "unix", "data": qmp.Args{"path": h.Socket()}}}, nil)
	if err != nil {
		return err
	}
	for _, spec := range specs {
		if err := h.addDisk(spec); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) addDisk(spec DiskSpec) error {
	info, err := os.Stat(spec.Path)
	if err != nil {
		return err
	}
	d := &disk{DiskSpec: spec, capacity: info.Size()}
	err = h.monitor.Run("blockdev-add", qmp.Args{
		"driver": "raw", "node-name": node(spec.Key), "discard": "unmap",
		"file": qmp.Args{"driver": "file", "filename": spec.Path, "discard": "unmap"}}, nil)
	if err != nil {
		return err
	}
	h.disks[spec.Key] = d
	h.order = append(h.order, spec.Key)
	return h.exportLive(spec.Key)
}

func (h *Host) exportLive(key int32) error {
	return h.monitor.Run("block-export-add", qmp.Args{"id": LiveExport(key), "type": "nbd",
		"node-name": node(key), "name": LiveExport(key), "writable": true}, nil)
}

// Close ends the daemon; the raw files stay, overlays and bitmaps are lost.
func (h *Host) Close() {
	h.monitor.Close()
	h.process.Stop(5 * time.Second)
}

// Socket is the unix socket of all NBD exports of this machine.
func (h *Host) Socket() string { return h.path("nbd") }

// LiveExport is the name of the writable export of a disk.
func LiveExport(key int32) string { return fmt.Sprintf("live-%d", key) }

func (h *Host) path(suffix string) string { return filepath.Join(h.dir, h.name+"."+suffix) }

func node(key int32) string { return fmt.Sprintf("disk-%d", key) }

func bitmap(epoch int) string { return fmt.Sprintf("cbt-%d", epoch) }

// Has tells whether the disk is stored here (raw device mappings are not).
func (h *Host) Has(key int32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.disks[key] != nil
}

// Capacity of the disk in bytes, 0 for an unknown key.
func (h *Host) Capacity(key int32) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.disks[key]; d != nil {
		return d.capacity
	}
	return 0
}

// OpenLive connects to the live content.
func (h *Host) OpenLive(key int32) (*nbd.Conn, error) {
	return nbd.Open(h.Socket(), LiveExport(key), "")
}

// Write puts data into the live disk, as a guest would, and flushes it.
func (h *Host) Write(key int32, offset int64, data []byte) error {
	conn, err := h.OpenLive(key)
	if err != nil {
		return err
	}
	defer conn.Close()
	if offset < 0 || offset+int64(len(data)) > conn.Size() {
		return fmt.Errorf("write of %d bytes at %d is outside the disk of %d bytes", len(data), offset, conn.Size())
	}
	for len(data) > 0 {
		n := len(data)
		if n > 1<<20 {
			n = 1 << 20
		}
		if _, err := conn.WriteAt(data[:n], offset); err != nil {
			return err
		}
		offset, data = offset+int64(n), data[n:]
	}
	return conn.Flush()
}

// Grow enlarges a disk and restarts its tracking, as ESXi does; refused while anything is frozen.
func (h *Host) Grow(key int32, capacity int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.disks[key]
	if d == nil {
		return fmt.Errorf("no disk %d", key)
	}
	if len(h.frozen) != 0 {
		return errors.New("a disk cannot grow while snapshots exist")
	}
	if capacity <= d.capacity || capacity%512 != 0 {
		return fmt.Errorf("new capacity %d must be a larger multiple of 512 (now %d)", capacity, d.capacity)
	}
	// An NBD export forbids resizing its node, so it is taken away for a moment; guests reconnect.
	if err := h.removeExport(LiveExport(key)); err != nil {
		return err
	}
	if err := h.monitor.Run("block_resize", qmp.Args{"node-name": node(key), "size": capacity}, nil); err != nil {
		return err
	}
	d.capacity = capacity
	if d.tracking.UUID != "" {
		if err := h.restartTracking(d); err != nil {
			return err
		}
	}
	return h.exportLive(key)
}

func (h *Host) removeExport(id string) error {
	if err := h.monitor.Run("block-export-del", qmp.Args{"id": id, "mode": "hard"}, nil); err != nil {
		return err
	}
	return h.poll("export "+id, func() (bool, error) {
		var exports []struct{ ID string }
		err := h.monitor.Run("query-block-exports", nil, &exports)
		for _, e := range exports {
			if e.ID == id {
				return false, err
			}
		}
		return true, err
	})
}

// poll waits until the daemon has really let go of something; it finishes within milliseconds unless it is broken.
func (h *Host) poll(what string, gone func() (bool, error)) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		done, err := gone()
		if done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not go away", what)
		}
	}
}
