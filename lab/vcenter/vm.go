package main

import (
	"log"
	"path"
	"reflect"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/vmware/govmomi/object"
)

// VirtualMachine replaces the simulator's object of the same moref. It embeds that by value and first, because the
// property collector digs for the managed-object struct through first fields and gives up at a pointer. Methods named
// after API methods are found by reflection and win over the embedded ones.
type VirtualMachine struct {
	simulator.VirtualMachine
	machine *machine

	published map[string]interface{} // last value of every property we own; protected by the registry's lock
}

// publish brings the visible properties in line with the machine and notifies waiting collectors of what changed.
// It takes the VM's lock; it must not be called from a method of the VM itself (publishLocked is for that).
func (vm *VirtualMachine) publish() {
	simulator.Map.WithLock(vm, vm.publishLocked)
}

func (vm *VirtualMachine) publishLocked() {
	vm.machine.mu.Lock()
	properties := vm.properties()
	vm.machine.mu.Unlock()
	var changes []types.PropertyChange
	for _, p := range properties {
		if old, known := vm.published[p.Name]; !known || !reflect.DeepEqual(old, p.Val) {
			vm.published[p.Name] = p.Val
			changes = append(changes, stamped(p, time.Now().UTC()))
		}
	}
	if len(changes) == 0 {
		return
	}
	// Answers that are being encoded may still point at the present structs: change copies.
	config, guest := *vm.Config, *vm.Guest
	vm.Config, vm.Guest = &config, &guest
	simulator.Map.Update(vm, changes)
}

// updateLater applies one change from inside a method, whose caller holds the lock already.
func (vm *VirtualMachine) updateLater(change types.PropertyChange) {
	simulator.Map.Update(vm, []types.PropertyChange{change})
}

// properties lists everything that may change while the lab runs. The caller holds machine.mu.
func (vm *VirtualMachine) properties() []types.PropertyChange {
	m := vm.machine
	layout := m.layout()
	storageInfo, summary := m.storageFigures(layout)
	list := []types.PropertyChange{
		{Name: "config.changeTrackingEnabled", Val: m.cbtEnabled},
		{Name: "config.extraConfig", Val: m.extraConfig()},
		{Name: "config.annotation", Val: m.annotation},
		{Name: "config.hardware.device", Val: m.deviceList(m.liveView)},
		{Name: "runtime.powerState", Val: m.power},
		{Name: "summary.runtime.powerState", Val: m.power},
		{Name: "runtime.consolidationNeeded", Val: m.consolidation},
		{Name: "summary.runtime.consolidationNeeded", Val: m.consolidation},
		{Name: "layoutEx", Val: layout},
		{Name: "storage", Val: storageInfo},
		{Name: "summary.storage", Val: summary},
	}
	list = append(list, m.snapshotProperty())
	list = append(list, m.guestProperties()...)
	if m.bootTime != nil {
		list = append(list, types.PropertyChange{Name: "runtime.bootTime", Val: *m.bootTime})
	} else {
		list = append(list, types.PropertyChange{Name: "runtime.bootTime", Val: nil})
	}
	return list
}

func (m *machine) snapshotProperty() types.PropertyChange {
	change := types.PropertyChange{Name: "snapshot"}
	if len(m.snapshots) == 0 {
		return change
	}
	var tree []types.VirtualMachineSnapshotTree
	for i := len(m.snapshots) - 1; i >= 0; i-- {
		s := m.snapshots[i]
		tree = []types.VirtualMachineSnapshotTree{{
			Snapshot: s.ref, Vm: m.self, Name: s.name, Description: s.description, Id: s.id, CreateTime: s.created,
			State: s.power, Quiesced: s.quiesced, ReplaySupported: types.NewBool(false), ChildSnapshotList: tree,
		}}
	}
	current := m.snapshots[len(m.snapshots)-1].ref
	change.Val = &types.VirtualMachineSnapshotInfo{CurrentSnapshot: &current, RootSnapshotList: tree}
	return change
}

func (m *machine) guestProperties() []types.PropertyChange {
	running := m.toolsVisible()
	status, versionStatus := types.VirtualMachineToolsStatusToolsNotInstalled, types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled
	runningStatus := types.VirtualMachineToolsRunningStatusGuestToolsNotRunning
	if m.spec.Tools {
		status = types.VirtualMachineToolsStatusToolsNotRunning
		versionStatus = types.VirtualMachineToolsVersionStatusGuestToolsUnmanaged
	}
	if running {
		status, runningStatus = types.VirtualMachineToolsStatusToolsOk, types.VirtualMachineToolsRunningStatusGuestToolsRunning
	}
	hostName, address, family, state := "", "", "", "notRunning"
	nics := []types.GuestNicInfo{}
	if running {
		hostName, address, family, state = m.spec.HostName, m.spec.IPAddress, "linuxGuest", "running"
		nics = m.guestNICs()
	}
	return []types.PropertyChange{
		{Name: "guest.toolsStatus", Val: status},
		{Name: "guest.toolsRunningStatus", Val: string(runningStatus)},
		{Name: "guest.toolsVersionStatus2", Val: string(versionStatus)},
		{Name: "guest.guestState", Val: state},
		{Name: "guest.hostName", Val: hostName},
		{Name: "guest.ipAddress", Val: address},
		{Name: "guest.guestFamily", Val: family},
		{Name: "guest.net", Val: nics},
		{Name: "summary.guest.toolsRunningStatus", Val: string(runningStatus)},
		{Name: "summary.guest.hostName", Val: hostName},
		{Name: "summary.guest.ipAddress", Val: address},
	}
}

// toolsVisible: the guest answers, and no fault pretends otherwise.
func (m *machine) toolsVisible() bool {
	return m.toolsRunning && !m.lab.faults.toolsHidden(m.spec.Name)
}

func (m *machine) guestNICs() []types.GuestNicInfo {
	nics := []types.GuestNicInfo{}
	for i, nic := range m.spec.NICs {
		info := types.GuestNicInfo{Network: nic.Network, MacAddress: nic.MAC, Connected: true,
			DeviceConfigId: int32(firstNICKey + i)}
		if i == 0 && m.spec.IPAddress != "" {
			info.IpAddress = []string{m.spec.IPAddress}
			info.IpConfig = &types.NetIpConfigInfo{IpAddress: []types.NetIpConfigInfoIpAddress{
				{IpAddress: m.spec.IPAddress, PrefixLength: 24, State: "preferred"}}}
		}
		nics = append(nics, info)
	}
	return nics
}

func (m *machine) extraConfig() []types.BaseOptionValue {
	list := []types.BaseOptionValue{&types.OptionValue{Key: "nvram", Value: path.Base(m.spec.directory()) + ".nvram"}}
	if !m.cbtEnabled {
		return list
	}
	list = append(list, &types.OptionValue{Key: "ctkEnabled", Value: "TRUE"})
	devices := object.VirtualDeviceList(m.deviceList(m.liveView))
	for _, d := range m.spec.Disks {
		if !d.inSnapshots() {
			continue
		}
		disk := devices.FindByKey(d.Key).GetVirtualDevice()
		bus := "scsi0:"
		if m.spec.Controller == "nvme" {
			bus = "nvme0:"
		}
		list = append(list, &types.OptionValue{Key: bus + itoa(int(*disk.UnitNumber)) + ".ctkEnabled", Value: "TRUE"})
	}
	return list
}

// install puts the wrapper of machine in place of the simulator's VM.
func install(m *machine, inner *simulator.VirtualMachine) *VirtualMachine {
	vm := &VirtualMachine{VirtualMachine: *inner, machine: m, published: map[string]interface{}{}}
	vm.Summary.Vm = &vm.Self
	vm.Capability.ChangeTrackingSupported = types.NewBool(true)
	vm.Capability.SnapshotOperationsSupported = true
	vm.Capability.DiskOnlySnapshotOnSuspendedVMSupported = types.NewBool(true)
	vm.Config.GuestId, vm.Config.GuestFullName = m.spec.GuestID, m.spec.GuestFullName
	vm.Summary.Config.GuestId, vm.Summary.Config.GuestFullName = m.spec.GuestID, m.spec.GuestFullName
	vm.Config.Tools = &types.ToolsConfigInfo{ToolsVersion: 12352}
	vm.Summary.Config.NumEthernetCards = int32(len(m.spec.NICs))
	vm.Summary.Config.NumVirtualDisks = int32(len(m.spec.Disks))
	vm.Network = nil
	for _, n := range m.networks {
		vm.Network = append(vm.Network, n.ref)
	}
	vm.Guest.GuestId, vm.Guest.GuestFullName = m.spec.GuestID, m.spec.GuestFullName
	simulator.Map.Put(vm)
	return vm
}

// RefreshStorageInfo recomputes the storage figures; the simulator's own version breaks on raw device mappings.
func (vm *VirtualMachine) RefreshStorageInfo(*types.RefreshStorageInfo) soap.HasFault {
	vm.publishLocked()
	return answer(&types.RefreshStorageInfoResponse{})
}

var _ mo.Reference = (*VirtualMachine)(nil)

// powered notes a change of the power state; the caller publishes.
func (m *machine) powered(state types.VirtualMachinePowerState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.power == state {
		return
	}
	log.Printf("%s is %s", m.spec.Name, state)
	m.power, m.bootTime = state, nil
	m.toolsRunning = false
	if state == types.VirtualMachinePowerStatePoweredOn {
		now := time.Now()
		m.bootTime = &now
	}
}
