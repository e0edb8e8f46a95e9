package main

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/types"
)

// Key and unit numbers as ESXi gives them out.
const (
	pciControllerKey  = 100
	scsiControllerKey = 1000
	nvmeControllerKey = 31000
	firstNICKey       = 4000
	firstNICUnit      = 7
)

// diskView is how one disk looks from one side: the live machine or a snapshot.
type diskView struct {
	links    []string // file names of the chain, newest first
	changeID string   // empty: not tracked
	capacity int64
}

// deviceList builds the complete virtual hardware from scratch, so that no two owners ever share a device.
func (m *machine) deviceList(view func(index int) diskView) []types.BaseVirtualDevice {
	var devices []types.BaseVirtualDevice
	for _, d := range esx.VirtualDevice {
		devices = append(devices, d)
	}
	controllerKey, controller := m.controller()
	devices = append(devices, controller)
	for i := range m.spec.Disks {
		devices = append(devices, m.diskDevice(i, controllerKey, view(i)))
	}
	for i := range m.spec.NICs {
		devices = append(devices, m.nicDevice(i))
	}
	copied := &types.ArrayOfVirtualDevice{}
	deepCopy(&types.ArrayOfVirtualDevice{VirtualDevice: devices}, copied)
	return copied.VirtualDevice
}

func (m *machine) controller() (int32, types.BaseVirtualDevice) {
	var disks []int32
	for _, d := range m.spec.Disks {
		disks = append(disks, d.Key)
	}
	if m.spec.Controller == "nvme" {
		return nvmeControllerKey, &types.VirtualNVMEController{VirtualController: types.VirtualController{
			VirtualDevice: device(nvmeControllerKey, pciControllerKey, 30, "NVME controller 0", "NVME controller 0"),
			Device:        disks,
		}}
	}
	return scsiControllerKey, &types.ParaVirtualSCSIController{VirtualSCSIController: types.VirtualSCSIController{
		VirtualController: types.VirtualController{
			VirtualDevice: device(scsiControllerKey, pciControllerKey, 3, "SCSI controller 0", "VMware paravirtual SCSI"),
			Device:        disks,
		},
		HotAddRemove:       types.NewBool(true),
		SharedBus:          types.VirtualSCSISharingNoSharing,
		ScsiCtlrUnitNumber: 7,
	}}
}

func device(key, controller, unit int32, label, summary string) types.VirtualDevice {
	return types.VirtualDevice{
		Key:           key,
		DeviceInfo:    &types.Description{Label: label, Summary: summary},
		ControllerKey: controller,
		UnitNumber:    &unit,
	}
}

func (m *machine) diskDevice(index int, controllerKey int32, view diskView) types.BaseVirtualDevice {
	spec := m.spec.Disks[index]
	unit := int32(index)
	if m.spec.Controller != "nvme" && unit >= 7 {
		unit++ // unit 7 is the adapter itself
	}
	disk := &types.VirtualDisk{
		VirtualDevice: device(spec.Key, controllerKey, unit, fmt.Sprintf("Hard disk %d", index+1),
			fmt.Sprintf("%d KB", view.capacity/1024)),
		CapacityInKB:    view.capacity / 1024,
		CapacityInBytes: view.capacity,
		Shares:          &types.SharesInfo{Shares: 1000, Level: types.SharesLevelNormal},
	}
	if spec.RawDevice {
		disk.Backing = m.rawDeviceBacking(spec, view)
		return disk
	}
	var parent *types.VirtualDiskFlatVer2BackingInfo
	for i := len(view.links) - 1; i >= 0; i-- {
		backing := m.flatBacking(spec, view.links[i])
		backing.Parent = parent
		parent = backing
	}
	parent.ChangeId = view.changeID
	disk.Backing = parent
	return disk
}

func (m *machine) flatBacking(spec diskSpec, file string) *types.VirtualDiskFlatVer2BackingInfo {
	return &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: file, Datastore: &m.datastore},
		DiskMode:                     spec.mode(),
		Split:                        types.NewBool(false),
		WriteThrough:                 types.NewBool(false),
		ThinProvisioned:              types.NewBool(true),
		EagerlyScrub:                 types.NewBool(false),
		DigestEnabled:                types.NewBool(false),
		Uuid:                         m.diskUUID(spec.Key),
		ContentId:                    "b7ecf9ec2a2ff5d4c3c3d7a1fffffffe",
		Sharing:                      string(types.VirtualDiskSharingSharingNone),
	}
}

func (m *machine) rawDeviceBacking(spec diskSpec, view diskView) types.BaseVirtualDeviceBackingInfo {
	return &types.VirtualDiskRawDiskMappingVer1BackingInfo{
		VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: view.links[0], Datastore: &m.datastore},
		LunUuid:                      "0200000000600a098038303053743f463045736c6a4c554e20432d",
		DeviceName:                   "vml.0200000000600a098038303053743f463045736c6a4c554e20432d",
		CompatibilityMode:            string(types.VirtualDiskCompatibilityModePhysicalMode),
		DiskMode:                     string(types.VirtualDiskModeIndependent_persistent),
		Uuid:                         m.diskUUID(spec.Key),
		Sharing:                      string(types.VirtualDiskSharingSharingNone),
	}
}

// diskUUID is stable for a machine and key, in the form of VMware disk identities.
func (m *machine) diskUUID(key int32) string {
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(fmt.Sprintf("disk %s %d", m.spec.Name, key))).String()
	return "6000C29" + id[7:]
}

func (m *machine) nicDevice(index int) types.BaseVirtualDevice {
	nic := m.spec.NICs[index]
	network := m.networks[index]
	card := &types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: types.VirtualEthernetCard{
		VirtualDevice: device(int32(firstNICKey+index), pciControllerKey, int32(firstNICUnit+index),
			fmt.Sprintf("Network adapter %d", index+1), nic.Network),
		AddressType:      string(types.VirtualEthernetCardMacTypeAssigned),
		MacAddress:       nic.MAC,
		WakeOnLanEnabled: types.NewBool(true),
	}}}
	card.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true,
		Connected: m.power == types.VirtualMachinePowerStatePoweredOn, Status: "untried"}
	if network.switchUUID == "" {
		card.Backing = &types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: nic.Network},
			Network:                        &network.ref,
		}
		return card
	}
	card.DeviceInfo = &types.Description{Label: fmt.Sprintf("Network adapter %d", index+1),
		Summary: "DVSwitch: " + network.switchUUID}
	card.Backing = &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{
		Port: types.DistributedVirtualSwitchPortConnection{SwitchUuid: network.switchUUID, PortgroupKey: network.ref.Value,
			PortKey: fmt.Sprint(index + 1)},
	}
	return card
}
