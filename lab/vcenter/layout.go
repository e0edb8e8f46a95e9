package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// layout lists the machine's files with true sizes. The caller holds mu.
func (m *machine) layout() *types.VirtualMachineFileLayoutEx {
	layout := &types.VirtualMachineFileLayoutEx{}
	add := func(name, kind string, size int64) int32 {
		for _, f := range layout.File {
			if f.Name == name {
				return f.Key
			}
		}
		key := int32(len(layout.File))
		layout.File = append(layout.File, types.VirtualMachineFileLayoutExFileInfo{Key: key, Name: name, Type: kind,
			Size: size, UniqueSize: size, Accessible: types.NewBool(true)})
		return key
	}
	dir := fmt.Sprintf("[%s] %s/%s", m.spec.Datastore, m.spec.directory(), m.spec.directory())
	add(dir+".vmx", "config", 3072)
	add(dir+".nvram", "nvram", 8684)
	for i, d := range m.spec.Disks {
		disk := types.VirtualMachineFileLayoutExDiskLayout{Key: d.Key}
		chain := m.chain(i, len(m.snapshots))
		for n := len(chain) - 1; n >= 0; n-- { // oldest first, as servers list it
			descriptor := add(chain[n], "diskDescriptor", 600)
			extent := add(extentFile(chain[n], n == len(chain)-1, d), "diskExtent", m.linkSize(i, len(chain)-1-n))
			disk.Chain = append(disk.Chain, types.VirtualMachineFileLayoutExDiskUnit{FileKey: []int32{descriptor, extent}})
		}
		layout.Disk = append(layout.Disk, disk)
	}
	for _, s := range m.snapshots {
		key := add(fmt.Sprintf("%s-Snapshot%d.vmsn", dir, s.id), "snapshotData", 28672)
		layout.Snapshot = append(layout.Snapshot, types.VirtualMachineFileLayoutExSnapshotLayout{Key: s.ref, DataKey: key,
			MemoryKey: -1})
	}
	return layout
}

func extentFile(descriptor string, base bool, d diskSpec) string {
	name := strings.TrimSuffix(descriptor, ".vmdk")
	switch {
	case d.RawDevice:
		return name + "-rdmp.vmdk"
	case base:
		return name + "-flat.vmdk"
	}
	return name + "-delta.vmdk"
}

// linkSize is the space of link number age (0: the base) of a disk. What a delta link holds is what was copied aside
// when its snapshot was the newest, so the overlay of that snapshot tells its size well enough for planning.
func (m *machine) linkSize(index, age int) int64 {
	spec := m.spec.Disks[index]
	if spec.RawDevice {
		return 0
	}
	if age == 0 {
		return allocated(m.diskFile(index))
	}
	if age <= len(m.snapshots) {
		return allocated(m.snapshots[age-1].frozen.Disks[spec.Key].Overlay)
	}
	return 0
}

// diskFile is the raw file behind a disk; it is meant for judges of the lab, clients go through /folder.
func (m *machine) diskFile(index int) string {
	return filepath.Join(m.lab.datastoreDir(m.spec.Datastore), m.spec.directory(), m.spec.fileBase(index)+"-flat.vmdk")
}

func allocated(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}

func (m *machine) storageFigures(layout *types.VirtualMachineFileLayoutEx) (*types.VirtualMachineStorageInfo, *types.VirtualMachineStorageSummary) {
	var committed, capacity, used int64
	for _, f := range layout.File {
		committed += f.Size
		if f.Type == "diskExtent" {
			used += f.Size
		}
	}
	for i, d := range m.spec.Disks {
		if !d.RawDevice {
			capacity += m.capacity(i)
		}
	}
	free := capacity - used
	if free < 0 {
		free = 0
	}
	return &types.VirtualMachineStorageInfo{
			PerDatastoreUsage: []types.VirtualMachineUsageOnDatastore{{
				Datastore: m.datastore, Committed: committed, Uncommitted: free, Unshared: committed}},
		}, &types.VirtualMachineStorageSummary{
			Committed: committed, Uncommitted: free, Unshared: committed,
		}
}

// stamped gives figures that have changed their time of change; without one they can be compared.
func stamped(change types.PropertyChange, now time.Time) types.PropertyChange {
	switch figures := change.Val.(type) {
	case *types.VirtualMachineFileLayoutEx:
		dated := *figures
		dated.Timestamp = now
		change.Val = &dated
	case *types.VirtualMachineStorageInfo:
		dated := *figures
		dated.Timestamp = now
		change.Val = &dated
	case *types.VirtualMachineStorageSummary:
		dated := *figures
		dated.Timestamp = now
		change.Val = &dated
	}
	return change
}
