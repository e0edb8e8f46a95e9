package main

import (
	"fmt"
	"strings"
	"time"
)

// deployVirtualMachine allocates the machine, its NICs and its ROOT volume before the answer; the job starts it when
// startvm is not false.
func deployVirtualMachine(k *call) (*task, error) {
	owner, err := k.owner()
	if err != nil {
		return nil, err
	}
	if err := k.st.checkLimit(0, owner, k.st.countMachines(owner.ID)); err != nil {
		return nil, err
	}
	if k.p.has("hypervisor") && !strings.EqualFold(k.p.str("hypervisor"), "KVM") {
		return nil, invalid("The hypervisor type of the template is KVM and does not match %s", k.p.str("hypervisor"))
	}
	for _, name := range []string{"hostid", "clusterid", "podid"} {
		if k.p.has(name) && !k.admin() {
			return nil, denied("Parameter %s can be specified only by a Root Admin, permission denied", name)
		}
	}
	m, err := k.newMachine(owner)
	if err != nil {
		return nil, err
	}
	root, err := k.newRoot(m)
	if err != nil {
		return nil, err
	}
	k.st.VMs = append(k.st.VMs, m)
	k.st.Volumes = append(k.st.Volumes, root)
	t := &task{instanceType: "VirtualMachine", instanceID: m.ID, creates: true, vm: m.ID}
	if k.p.flagOr("startvm", true) {
		k.fillStart(t, m, true)
		return t, nil
	}
	t.commit = func(error) (object, error) { return k.machineView(m), nil }
	return t, nil
}

func (st *state) countMachines(owner string) int64 {
	var n int64
	for _, m := range st.VMs {
		if m.Account == owner && !m.Removed {
			n++
		}
	}
	return n
}

func (k *call) newMachine(owner *account) (*machine, error) {
	tpl := k.st.template(k.p.str("templateid"))
	now := time.Now().UTC()
	m := &machine{ID: newUUID(), Account: owner.ID, Template: tpl.ID, OSType: tpl.OSType, State: stStopped, Created: now, Updated: now}
	m.Name = k.p.str("name")
	if m.Name == "" {
		m.Name = "VM-" + m.ID
	}
	if err := k.checkHostName(m.Name, nil); err != nil {
		return nil, err
	}
	m.DisplayName = k.p.str("displayname")
	if m.DisplayName == "" {
		m.DisplayName = m.Name
	}
	details := k.p.details("details")
	if err := k.checkReadOnlyDetails(details); err != nil {
		return nil, err
	}
	m.Details = details
	if err := k.size(m, k.st.serviceOffering(k.p.str("serviceofferingid")), details); err != nil {
		return nil, err
	}
	if err := k.boot(m); err != nil {
		return nil, err
	}
	var err error
	if m.Nics, err = k.nicsFor(); err != nil {
		return nil, err
	}
	m.Seq = k.st.next()
	return m, nil
}

func (k *call) newRoot(m *machine) (*volume, error) {
	tpl := k.st.template(m.Template)
	v := &volume{ID: newUUID(), Name: fmt.Sprintf("ROOT-%d", m.Seq), Account: m.Account, Type: "ROOT", State: stAllocated, Size: tpl.Size,
		VM: m.ID, Attached: m.Created, Created: m.Created, Template: tpl.ID, NeverPlaced: true, Seq: k.st.next()}
	if size, given := k.p.number("rootdisksize"); given {
		if size*gib < tpl.Size {
			return nil, invalid("Unsupported: rootdisksize override is smaller than template size %d", tpl.Size)
		}
		v.Size = size * gib
	}
	return v, nil
}

// nicsFor makes the NICs of networkids or iptonetworklist; entry 0 is the default NIC.
func (k *call) nicsFor() ([]nic, error) {
	wishes := k.p.entries("iptonetworklist")
	ids := k.p.list("networkids")
	if len(wishes) > 0 && (len(ids) > 0 || k.p.has("ipaddress")) {
		return nil, invalid("ipToNetworkMap can't be specified along with networkIds or ipAddress")
	}
	for i, id := range ids {
		wish := map[string]string{"networkid": id}
		if i == 0 {
			wish["ip"], wish["mac"] = k.p.str("ipaddress"), k.p.str("macaddress")
		}
		wishes = append(wishes, wish)
	}
	if len(wishes) == 0 {
		only := k.onlyIsolated()
		if only == nil {
			return nil, invalid("There is not exactly one isolated network for the account, please specify networkIds")
		}
		wishes = append(wishes, map[string]string{"networkid": only.ID})
	}
	var nics []nic
	for i, wish := range wishes {
		n := k.st.network(wish["networkid"])
		if n == nil {
			return nil, unknownEntity(k.name, "networkid", wish["networkid"])
		}
		made, err := k.nicOn(n, wish["ip"], wish["mac"])
		if err != nil {
			return nil, err
		}
		for _, earlier := range nics {
			if earlier.Network == made.Network {
				return nil, invalid("Cannot create a VM with two NICs on network %s", n.Name)
			}
		}
		made.Default = i == 0
		nics = append(nics, made)
	}
	return nics, nil
}

func (k *call) onlyIsolated() *network {
	var only *network
	for _, n := range k.st.Networks {
		if n.Isolated && !n.Removed && n.Account == k.who.ID {
			if only != nil {
				return nil
			}
			only = n
		}
	}
	return only
}
