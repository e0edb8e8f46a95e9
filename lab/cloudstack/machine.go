package main

import (
	"fmt"
	"strconv"
	"time"
)

func machineCommands() map[string]*command {
	return map[string]*command{
		"listVirtualMachines":  {list: listVirtualMachines},
		"deployVirtualMachine": {async: deployVirtualMachine},
		"updateVirtualMachine": {object: updateVirtualMachine},
		"scaleVirtualMachine":  {async: scaleVirtualMachine},
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func listVirtualMachines(k *call) ([]object, error) {
	var found []object
	for _, m := range k.st.VMs {
		if m.Removed || !k.sees(m.Account) || !k.wanted(m.ID, m.Name, m.DisplayName) || !k.matches("state", m.State) ||
			!k.matches("hypervisor", "KVM") || !k.hasTags(m.ID) || !k.matches("templateid", m.Template) {
			continue
		}
		if m.State == stDestroyed && !k.admin() {
			continue // allow.user.view.destroyed.vm is off
		}
		if id := k.p.str("networkid"); id != "" && !onNetwork(m, id) {
			continue
		}
		found = append(found, k.machineView(m))
	}
	return found, nil
}

func onNetwork(m *machine, id string) bool {
	for _, n := range m.Nics {
		if n.Network == id {
			return true
		}
	}
	return false
}

// machineView obeys the parameter details: "min" leaves out the NICs unless "nics" is named too.
func (k *call) machineView(m *machine) object {
	o := object{
		"id": m.ID, "name": m.Name, "displayname": m.DisplayName, "state": m.State, "zoneid": k.st.Zone, "zonename": zoneName,
		"templateid": m.Template, "templatename": k.st.template(m.Template).Name, "templatedisplaytext": k.st.template(m.Template).Name,
		"serviceofferingid": m.Offering, "serviceofferingname": k.st.serviceOffering(m.Offering).Name, "hypervisor": "KVM",
		"cpunumber": m.CPU, "cpuspeed": m.Speed, "memory": m.Memory, "ostypeid": m.OSType, "guestosid": m.OSType,
		"osdisplayname": k.st.osType(m.OSType).Name, "details": m.Details, "created": stamp(m.Created), "lastupdated": stamp(m.Updated),
		"haenable": m.HA, "deleteprotection": m.Protected, "displayvm": true, "passwordenabled": false, "isdynamicallyscalable": false,
		"boottype": "BIOS", "bootmode": "LEGACY", "tags": k.tagList(m.ID), "affinitygroup": []object{}, "securitygroup": []object{},
		"rootdevicetype": "ROOT", "vmtype": "User",
	}
	if m.UEFI {
		o["boottype"], o["bootmode"] = "UEFI", m.BootMode
	}
	for _, d := range k.st.disksOf(m.ID) {
		if d.Device == 0 {
			o["rootdeviceid"] = int64(0)
		}
	}
	asked := k.p.list("details")
	if k.name != "listVirtualMachines" || len(asked) == 0 || contains(asked, "all") || contains(asked, "nics") {
		o["nic"] = k.nicViews(m)
	}
	if k.admin() {
		o["instancename"] = fmt.Sprintf("i-2-%d-VM", m.Seq)
		if m.State == stRunning {
			o["hostid"], o["hostname"] = k.st.Host, hostName
		}
	}
	return k.withJob(k.withOwner(o, m.Account), m.ID)
}

// updateVirtualMachine: details replace all details; most changes need a stopped machine.
func updateVirtualMachine(k *call) (object, error) {
	m := k.st.vm(k.p.str("id"))
	if err := k.mayUse(m.Account); err != nil {
		return nil, err
	}
	if m.Removed {
		return nil, invalid("unable to find virtual machine with id %s", m.ID)
	}
	details := k.p.details("details")
	cleanup := k.p.flag("cleanupdetails")
	if (len(details) > 0 || cleanup || k.p.has("ostypeid")) && m.State != stStopped {
		return nil, invalid("Vm must be stopped before its details or guest OS can be changed")
	}
	if k.p.has("name") {
		if err := k.checkHostName(k.p.str("name"), m); err != nil {
			return nil, err
		}
		m.Name = k.p.str("name")
	}
	if err := k.checkReadOnlyDetails(details); err != nil {
		return nil, err
	}
	switch {
	case cleanup:
		m.Details = map[string]string{}
	case len(details) > 0:
		m.Details = details
	}
	if k.p.has("displayname") {
		m.DisplayName = k.p.str("displayname")
	}
	if k.p.has("ostypeid") {
		m.OSType = k.p.str("ostypeid")
	}
	m.HA = k.p.flagOr("haenable", m.HA)
	m.Protected = k.p.flagOr("deleteprotection", m.Protected)
	m.Updated = time.Now().UTC()
	return k.machineView(m), nil
}

func scaleVirtualMachine(k *call) (*task, error) {
	m, offering := k.st.vm(k.p.str("id")), k.st.serviceOffering(k.p.str("serviceofferingid"))
	if err := k.mayUse(m.Account); err != nil {
		return nil, err
	}
	t := &task{instanceType: "VirtualMachine", instanceID: m.ID, vm: m.ID}
	t.commit = func(error) (object, error) {
		if m.State != stStopped {
			return nil, invalid("Unable to scale vm due to it is not stopped and not dynamically scalable")
		}
		sized := *m
		if err := k.size(&sized, offering, k.p.details("details")); err != nil {
			return nil, err
		}
		*m = sized
		m.Updated = time.Now().UTC()
		return ok(), nil
	}
	return t, nil
}
