package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// inventory is what the simulated vCenter contains; inventory.json is its written form.
type inventory struct {
	DatacenterFolder string          `json:"datacenter_folder"`
	Datacenter       string          `json:"datacenter"`
	Clusters         []clusterSpec   `json:"clusters"`
	StandaloneHosts  []string        `json:"standalone_hosts"`
	Datastores       []datastoreSpec `json:"datastores"`
	Networks         []string        `json:"networks"`
	Switch           string          `json:"distributed_switch"`
	Portgroups       []string        `json:"portgroups"`
	Machines         []machineSpec   `json:"machines"`
}

type clusterSpec struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
}

type datastoreSpec struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type machineSpec struct {
	Name          string         `json:"name"`
	Role          string         `json:"role"` // running, off or refused: how the lab's users tell machines apart
	Folder        []string       `json:"folder"`
	Host          string         `json:"host"`
	Datastore     string         `json:"datastore"`
	Directory     string         `json:"directory"` // in the datastore; the name when empty
	Firmware      string         `json:"firmware"`
	Controller    string         `json:"controller"` // pvscsi or nvme
	Image         string         `json:"image"`      // folder under the images directory; empty: no operating system
	GuestID       string         `json:"guest_id"`
	GuestFullName string         `json:"guest_full_name"`
	CPUs          int32          `json:"cpus"`
	MemoryMB      int32          `json:"memory_mb"`
	Power         string         `json:"power"`
	Tools         bool           `json:"tools"`
	HostName      string         `json:"host_name"`
	IPAddress     string         `json:"ip_address"`
	Disks         []diskSpec     `json:"disks"`
	NICs          []nicSpec      `json:"nics"`
	Snapshots     []snapshotSpec `json:"snapshots"` // foreign ones, present from the start
}

type diskSpec struct {
	Key       int32      `json:"key"`
	Image     string     `json:"image"`
	Size      int64      `json:"size"` // bytes; used when there is no image
	Fill      []fillSpec `json:"fill"` // ranges that get pseudo-random content
	Mode      string     `json:"mode"`
	RawDevice bool       `json:"raw_device"` // physical-mode RDM: no content in the lab
}

type fillSpec struct{ Offset, Length int64 }

type nicSpec struct {
	MAC     string `json:"mac"`
	Network string `json:"network"`
}

type snapshotSpec struct{ Name, Description string }

func (d diskSpec) mode() string {
	if d.Mode == "" {
		return "persistent"
	}
	return d.Mode
}

// inSnapshots: independent disks and physical raw devices are no part of any snapshot.
func (d diskSpec) inSnapshots() bool { return d.mode() == "persistent" && !d.RawDevice }

func (m machineSpec) directory() string {
	if m.Directory == "" {
		return m.Name
	}
	return m.Directory
}

// fileBase is the disk's file name without link number and extension, as vSphere names a machine's n-th disk.
func (m machineSpec) fileBase(index int) string {
	if index == 0 {
		return m.directory()
	}
	return fmt.Sprintf("%s_%d", m.directory(), index)
}

func loadInventory(path string) (*inventory, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	inv := new(inventory)
	if err := decoder.Decode(inv); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, m := range inv.Machines {
		for _, d := range m.Disks {
			if d.Size <= 0 || d.Size%512 != 0 {
				return nil, fmt.Errorf("%s: %s disk %d: size %d is not a positive multiple of 512", path, m.Name, d.Key, d.Size)
			}
		}
	}
	return inv, nil
}
