package main

import (
	"fmt"
	"strings"
	"time"
)

// plug adds a disk to a running guest: SCSI when its root is SCSI, else virtio-blk; on q35 only while a root port
// is free.
func (g *guest) plug(d guestDisk) error {
	if _, err := g.q.execute("blockdev-add", blockdev(d)); err != nil {
		return err
	}
	device := object{"driver": "virtio-blk-pci", "drive": nodeName(d.volume), "id": diskID(d.volume), "serial": serial(d.volume)}
	if g.scsi {
		device["driver"], device["bus"] = "scsi-hd", "scsi0.0"
	} else if g.uefi {
		port, err := g.freePort(diskID(d.volume))
		if err != nil {
			_, _ = g.q.execute("blockdev-del", object{"node-name": nodeName(d.volume)})
			return err
		}
		device["bus"] = fmt.Sprintf("rp%d", port)
	}
	if _, err := g.q.execute("device_add", device); err != nil {
		g.mu.Lock()
		delete(g.ports, diskID(d.volume))
		g.mu.Unlock()
		_, _ = g.q.execute("blockdev-del", object{"node-name": nodeName(d.volume)})
		return err
	}
	return nil
}

func (g *guest) freePort(device string) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	used := map[int]bool{}
	for _, port := range g.ports {
		used[port] = true
	}
	for port := 1; port <= hotplugPorts; port++ {
		if !used[port] {
			g.ports[device] = port
			return port, nil
		}
	}
	return 0, fmt.Errorf("internal error: No more available PCI slots")
}

// unplug asks the guest to release a disk and waits for its word. errStillHeld: it has not answered; it may do so
// later, and a repeated call then succeeds.
func (g *guest) unplug(volume string, wait time.Duration) error {
	id := diskID(volume)
	g.mu.Lock()
	done := g.deleted[id]
	g.mu.Unlock()
	if !done {
		_, err := g.q.execute("device_del", object{"id": id})
		if err != nil && !strings.Contains(err.Error(), "not found") && !strings.Contains(err.Error(), "in the process of unplug") {
			return err
		}
		done = err != nil && strings.Contains(err.Error(), "not found")
	}
	deadline := time.After(wait)
	for !done {
		select {
		case <-g.wake:
		case <-g.gone:
			return nil
		case <-deadline:
			return errStillHeld
		case <-time.After(unplugPoll):
		}
		g.mu.Lock()
		done = g.deleted[id]
		g.mu.Unlock()
	}
	if _, err := g.q.execute("blockdev-del", object{"node-name": nodeName(volume)}); err != nil && !strings.Contains(err.Error(), "Failed to find node") {
		return err
	}
	g.mu.Lock()
	delete(g.deleted, id)
	g.mu.Unlock()
	return nil
}

// resize tells a running guest that one of its disks has grown.
func (g *guest) resize(volume string, size int64) error {
	_, err := g.q.execute("block_resize", object{"node-name": nodeName(volume), "size": size})
	return err
}
