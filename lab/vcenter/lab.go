package main

import (
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"migratekit/lab/internal/watch"
)

// account is the only user the simulated vCenter knows.
const account = "administrator@vsphere.local"

// options are the command line.
type options struct {
	state, images, inventory, passwordFile string
	noGuests                               bool
}

// lab is the whole simulator: one vCenter per process, because the simulator's registry is a package variable.
type lab struct {
	options
	inv         *inventory
	content     types.ServiceContent
	service     *simulator.Service
	faults      *faults
	desk        watch.Desk  // calls that are held
	calls       watch.Calls // what the API was asked
	machines    []*VirtualMachine
	datastores  map[string]types.ManagedObjectReference
	address     string // host:port
	queryWindow int64
}

func (l *lab) datastoresRoot() string { return filepath.Join(l.state, "datastores") }

func (l *lab) datastoreDir(name string) string { return filepath.Join(l.datastoresRoot(), name) }

// processDir holds sockets, pid files and logs of helper processes; its name is short because socket paths are limited.
func (l *lab) processDir() string { return filepath.Join(l.state, "qemu") }

// datacenterPath is the inventory path of the datacenter, the dcPath of downloads.
func (l *lab) datacenterPath() string {
	if l.inv.DatacenterFolder == "" {
		return l.inv.Datacenter
	}
	return l.inv.DatacenterFolder + "/" + l.inv.Datacenter
}

func (l *lab) datastoreByName(name string) *types.ManagedObjectReference {
	if ref, ok := l.datastores[name]; ok {
		return &ref
	}
	return nil
}

func (l *lab) machineByName(name string) *VirtualMachine {
	for _, vm := range l.machines {
		if vm.machine.spec.Name == name {
			return vm
		}
	}
	return nil
}

// publishAll refreshes what depends on faults, such as whether tools seem to run.
func (l *lab) publishAll() {
	for _, vm := range l.machines {
		vm.publish()
	}
}

// close ends guests and storage; the state directory keeps disks and logs.
func (l *lab) close() {
	for _, vm := range l.machines {
		vm.machine.guest.kill()
	}
	for _, vm := range l.machines {
		vm.machine.storage.Close()
	}
}
