package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"migratekit/lab/vcenter/storage"
)

// addMachine creates one machine with its disks, storage and foreign snapshots, and powers it on if it shall run.
func (b *builder) addMachine(spec machineSpec) error {
	inner, err := b.createVM(spec)
	if err != nil {
		return fmt.Errorf("machine %s: %w", spec.Name, err)
	}
	m := &machine{spec: spec, self: inner.Self, datastore: b.datastores[spec.Datastore], lab: b.lab, power: poweredOff,
		imageDir: imagesOf(spec, b.images, b.noGuests),
		path:     "/" + b.datacenterPath() + "/vm/" + strings.Join(append(append([]string{}, spec.Folder...), spec.Name), "/")}
	for _, nic := range spec.NICs {
		network, ok := b.network[nic.Network]
		if !ok {
			return fmt.Errorf("machine %s: no network %q", spec.Name, nic.Network)
		}
		m.networks = append(m.networks, network)
	}
	disks, err := prepareDisks(spec, b.datastoreDir(spec.Datastore), m.imageDir)
	if err != nil {
		return err
	}
	if m.storage, err = storage.Start(b.processDir(), spec.Name, disks); err != nil {
		return err
	}
	m.guest = &guest{spec: spec, dir: b.processDir(), socket: m.storage.Socket()}
	vm := install(m, inner)
	b.machines = append(b.machines, vm)
	vm.publish()
	for _, s := range spec.Snapshots {
		if _, err := vm.addSnapshot(snapshotRequest{name: s.Name, description: s.Description, foreign: true}); err != nil {
			return fmt.Errorf("machine %s: snapshot %q: %w", spec.Name, s.Name, err)
		}
	}
	if spec.Power == "on" {
		return vm.powerOn()
	}
	return nil
}

// createVM makes the bare VM through the API, so that hosts, pools, folders and datastores refer to it.
func (b *builder) createVM(spec machineSpec) (*simulator.VirtualMachine, error) {
	host, ok := b.hosts[spec.Host]
	if !ok {
		return nil, fmt.Errorf("no host %q", spec.Host)
	}
	if b.datastoreByName(spec.Datastore) == nil {
		return nil, fmt.Errorf("no datastore %q", spec.Datastore)
	}
	folder, err := b.folder(spec.Folder)
	if err != nil {
		return nil, err
	}
	pool, err := host.ResourcePool(b.ctx)
	if err != nil {
		return nil, err
	}
	dir := fmt.Sprintf("[%s] %s", spec.Datastore, spec.directory())
	config := types.VirtualMachineConfigSpec{
		Name: spec.Name, GuestId: string(types.VirtualMachineGuestOsIdentifierOtherLinux64Guest), Version: "vmx-19",
		NumCPUs: spec.CPUs, NumCoresPerSocket: 1, MemoryMB: int64(spec.MemoryMB), Firmware: spec.Firmware,
		InstanceUuid: uuid.NewSHA1(uuid.NameSpaceOID, []byte("instance "+spec.Name)).String(),
		Uuid:         uuid.NewSHA1(uuid.NameSpaceOID, []byte("bios "+spec.Name)).String(),
		Files:        &types.VirtualMachineFileInfo{VmPathName: dir + "/" + spec.directory() + ".vmx"},
	}
	if err := os.MkdirAll(b.datastoreDir(spec.Datastore)+"/"+spec.directory(), 0o700); err != nil {
		return nil, err
	}
	task, err := folder.CreateVM(b.ctx, config, pool, host)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(b.ctx, nil)
	if err != nil {
		return nil, err
	}
	vm, ok := simulator.Map.Get(info.Result.(types.ManagedObjectReference)).(*simulator.VirtualMachine)
	if !ok {
		return nil, fmt.Errorf("%v is no virtual machine", info.Result)
	}
	return vm, nil
}

// folder finds or makes a path of folders below the datacenter's vm folder.
func (b *builder) folder(path []string) (*object.Folder, error) {
	current := b.folders.VmFolder
	for _, name := range path {
		parent, ok := simulator.Map.Get(current.Reference()).(*simulator.Folder)
		if !ok {
			return nil, fmt.Errorf("%s is no folder", current.Reference())
		}
		var existing mo.Entity
		if existing = simulator.Map.FindByName(name, parent.ChildEntity); existing != nil {
			current = object.NewFolder(b.client, existing.Reference())
			continue
		}
		made, err := current.CreateFolder(b.ctx, name)
		if err != nil {
			return nil, err
		}
		current = made
	}
	return current, nil
}
