package main

import (
	"errors"
	"log"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"migratekit/lab/vcenter/areas"
	"migratekit/lab/vcenter/storage"
)

// QueryChangedDiskAreas answers from what was really written: the dirty bitmaps of the storage daemon.
func (vm *VirtualMachine) QueryChangedDiskAreas(req *types.QueryChangedDiskAreas) soap.HasFault {
	m := vm.machine
	if fault := m.lab.faults.queryFault(m.spec.Name, req.DeviceKey); fault != nil {
		return refuse(fault)
	}
	found, capacity, fault := m.changedAreas(req)
	if fault != nil {
		log.Printf("QueryChangedDiskAreas of %s disk %d since %q: %s", m.spec.Name, req.DeviceKey, req.ChangeId, faultName(fault))
		return refuse(fault)
	}
	page := areas.Page(found, req.StartOffset, capacity, m.lab.queryWindow)
	info := types.DiskChangeInfo{StartOffset: page.Start, Length: page.Length}
	for _, a := range page.Areas {
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: a.Start, Length: a.Length})
	}
	return answer(types.QueryChangedDiskAreasResponse{Returnval: info})
}

// changedAreas checks the request in the order a server does and computes all areas of the disk.
func (m *machine) changedAreas(req *types.QueryChangedDiskAreas) ([]areas.Area, int64, types.BaseMethodFault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	index := m.diskIndex(req.DeviceKey)
	if index < 0 {
		return nil, 0, &types.InvalidArgument{InvalidProperty: "deviceKey"}
	}
	frozenID, capacity := 0, m.capacity(index)
	if req.Snapshot != nil {
		_, s := m.findSnapshot(*req.Snapshot)
		if s == nil {
			return nil, 0, &types.ManagedObjectNotFound{Obj: *req.Snapshot}
		}
		frozenID, capacity = s.frozen.ID, s.capacity[req.DeviceKey]
	} else if m.power != types.VirtualMachinePowerStatePoweredOff {
		// Leaving the snapshot out works only while nothing writes.
		return nil, 0, &types.InvalidArgument{InvalidProperty: "snapshot"}
	}
	if req.StartOffset < 0 || req.StartOffset >= capacity {
		return nil, 0, &types.InvalidArgument{InvalidProperty: "startOffset"}
	}
	if !m.cbtActive || !m.spec.Disks[index].inSnapshots() {
		return nil, 0, &types.FileFault{File: m.linkFile(index, 0)}
	}
	found, err := m.areasSince(frozenID, req.DeviceKey, req.ChangeId)
	switch {
	case errors.Is(err, storage.ErrNoTracking):
		return nil, 0, &types.InvalidArgument{InvalidProperty: "changeId"}
	case err != nil:
		log.Printf("changed areas of %s: %v", m.spec.Name, err)
		return nil, 0, &types.FileFault{File: m.linkFile(index, 0)}
	}
	return found, capacity, nil
}

func (m *machine) areasSince(frozenID int, key int32, changeID string) ([]areas.Area, error) {
	if changeID == "*" {
		return m.storage.Allocated(frozenID, key)
	}
	since, ok := m.parseChangeID(key, changeID)
	if !ok {
		return nil, storage.ErrNoTracking
	}
	return m.storage.Changed(frozenID, key, since)
}

// parseChangeID accepts exactly the form that changeID produces for the disk's present tracking.
func (m *machine) parseChangeID(key int32, text string) (storage.Tracking, bool) {
	slash := strings.LastIndexByte(text, '/')
	if slash < 0 {
		return storage.Tracking{}, false
	}
	epoch, err := strconv.Atoi(text[slash+1:])
	now := m.storage.Tracking(key)
	if err != nil || now.UUID == "" || text[:slash] != vmwareUUID(now.UUID) {
		return storage.Tracking{}, false
	}
	return storage.Tracking{UUID: now.UUID, Epoch: epoch}, true
}

// resetTracking is what a power loss or an administrator does to tracking: new ids, nothing remembered.
// Key 0 means all disks.
func (vm *VirtualMachine) resetTracking(key int32) error {
	m := vm.machine
	m.mu.Lock()
	active := m.cbtActive
	m.mu.Unlock()
	if !active {
		return nil
	}
	for _, k := range m.snapshotKeys() {
		if key == 0 || key == k {
			if err := m.storage.ResetTracking(k); err != nil {
				return err
			}
		}
	}
	vm.publish()
	return nil
}
