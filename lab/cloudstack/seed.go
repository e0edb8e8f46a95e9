package main

import (
	"fmt"
	"time"
)

// The fixed furniture of the cloud: one advanced zone with one KVM cluster, offerings, templates, accounts, two
// networks and the record of the appliance's own machine.

type serviceOffering struct {
	ID, Name             string
	CPU, Speed, Memory   int64 // 0 where the caller chooses
	Customized           bool
	MinCPU, MaxCPU       int64
	MinMemory, MaxMemory int64
}

type diskOffering struct {
	ID, Name   string
	SizeGiB    int64
	Customized bool
}

type networkOffering struct {
	ID, Name string
	Isolated bool
	Egress   bool
}

type template struct {
	ID, Name, OSType string
	Size             int64
}

type osCategory struct{ ID, Name string }

type osType struct{ ID, Name, Category string }

const (
	zoneName    = "lab-zone"
	clusterName = "lab-cluster"
	hostName    = "lab-kvm-1"
	poolName    = "lab-primary"
	release     = "4.20.1"
	fullRelease = "4.20.1.0"
)

func seedState() *state {
	st := &state{
		Settings: map[string]string{}, Limits: map[string]int64{},
		Zone: newUUID(), Pod: newUUID(), Cluster: newUUID(), Host: newUUID(), Pool: newUUID(), Domain: newUUID(),
	}
	for _, a := range []account{{Name: "admin", Admin: true}, {Name: "tenant"}} {
		a.ID, a.UserID, a.Username = newUUID(), newUUID(), a.Name
		a.APIKey, a.SecretKey = randomKey(), randomKey()
		copied := a
		st.Accounts = append(st.Accounts, &copied)
	}
	st.Offerings = []serviceOffering{
		{ID: newUUID(), Name: "lab-custom", Customized: true},
		{ID: newUUID(), Name: "lab-small", CPU: 1, Speed: 1000, Memory: 256},
		{ID: newUUID(), Name: "lab-constrained", Speed: 1000, Customized: true, MinCPU: 1, MaxCPU: 8, MinMemory: 128, MaxMemory: 16384},
	}
	st.DiskOfferings = []diskOffering{
		{ID: newUUID(), Name: "lab-custom-disk", Customized: true},
		{ID: newUUID(), Name: "lab-2g-disk", SizeGiB: 2},
	}
	st.NetworkOfferings = []networkOffering{
		{ID: newUUID(), Name: "lab-isolated", Isolated: true},
		{ID: newUUID(), Name: "lab-shared", Egress: true},
	}
	st.seedSystems()
	st.seedAppliance()
	return st
}

func (st *state) seedSystems() {
	names := map[string][]string{
		"Debian":  {"Debian GNU/Linux 12 (64-bit)", "Debian GNU/Linux 11 (64-bit)"},
		"Ubuntu":  {"Ubuntu 22.04 LTS"},
		"CentOS":  {"CentOS 7", "Rocky Linux 9"},
		"RedHat":  {"Red Hat Enterprise Linux 9"},
		"Windows": {"Windows Server 2022 (64-bit)", "Windows 10 (64-bit)"},
		"Other":   {"Other Linux (64-bit)", "Other PV Virtio-SCSI (64-bit)", "Windows Non-VirtIO (64-bit)"},
	}
	for _, category := range []string{"Debian", "Ubuntu", "CentOS", "RedHat", "Windows", "Other"} {
		id := newUUID()
		st.Categories = append(st.Categories, osCategory{ID: id, Name: category})
		for _, name := range names[category] {
			st.OSTypes = append(st.OSTypes, osType{ID: newUUID(), Name: name, Category: id})
		}
	}
	st.Templates = []template{{ID: newUUID(), Name: "lab-shell", OSType: st.OSTypes[0].ID, Size: gib}}
}

// seedAppliance makes the record of the machine that the product runs on: Running, BIOS, with a ROOT volume.
func (st *state) seedAppliance() {
	now := time.Now().UTC()
	admin := st.accountNamed("admin")
	vm := &machine{
		ID: newUUID(), Seq: st.next(), Name: "migratekit-oma", DisplayName: "MigrateKit appliance", Account: admin.ID,
		Offering: st.Offerings[1].ID, Template: st.Templates[0].ID, OSType: st.Templates[0].OSType, State: stRunning,
		Details: map[string]string{}, CPU: 1, Speed: 1000, Memory: 256, Created: now, Updated: now, Appliance: true,
	}
	st.VMs = append(st.VMs, vm)
	st.Volumes = append(st.Volumes, &volume{
		ID: newUUID(), Seq: st.next(), Name: fmt.Sprintf("ROOT-%d", vm.Seq), Account: admin.ID, Type: "ROOT", State: stReady,
		Size: 4 * gib, VM: vm.ID, Device: 0, Attached: now, Created: now, Template: vm.Template,
	})
}

// networkSlots is how many networks fit into the lab's loopback space: 127.A.B.0/24 cut into /27.
const networkSlots = 8

// loopbackBlock is the /24 that belongs to a lab. The listening port keeps several labs on one host apart.
func loopbackBlock(port int) string { return fmt.Sprintf("127.%d.%d", 64+(port>>8)&63, port&255) }

// addNetwork takes the next free /27 of the lab's loopback space; nil when all are used.
func (st *state) addNetwork(n network) *network {
	block := loopbackBlock(st.Port)
	for slot := 0; slot < networkSlots; slot++ {
		cidr := fmt.Sprintf("%s.%d/27", block, slot*32)
		taken := false
		for _, other := range st.Networks {
			taken = taken || (other.CIDR == cidr && !other.Removed)
		}
		if taken {
			continue
		}
		n.ID, n.Created, n.State = newUUID(), time.Now().UTC(), "Allocated"
		n.CIDR, n.Netmask = cidr, "255.255.255.224"
		n.Gateway = fmt.Sprintf("%s.%d", block, slot*32+1)
		st.Networks = append(st.Networks, &n)
		return &n
	}
	return nil
}

// seedNetworks makes the test network (isolated, nothing gets out) and the production network, once the port, and
// with it the address space, is known; the appliance gets its NIC on the production network.
func (st *state) seedNetworks() {
	admin := st.accountNamed("admin")
	st.addNetwork(network{Name: "lab-test", Text: "isolated test network", Account: admin.ID, Offering: st.NetworkOfferings[0].ID, Isolated: true})
	production := st.addNetwork(network{Name: "lab-production", Text: "shared production network", Offering: st.NetworkOfferings[1].ID})
	production.State = "Setup"
	vm := st.appliance()
	vm.Nics = []nic{st.newNic(production, "", "")}
	vm.Nics[0].Default = true
}
