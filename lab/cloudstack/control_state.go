package main

import "sort"

// inventory is GET /state: everything that exists, with the files and devices behind it, for the oracle and tests.
func (c *cloud) inventory() object {
	c.mu.Lock()
	defer c.mu.Unlock()
	settings := object{}
	for _, s := range defaultSettings {
		settings[s.name] = c.st.setting(s.name)
	}
	violations := append([]string{}, c.violations...)
	sort.Strings(violations)
	return object{
		"volumes": c.volumeInventory(), "snapshots": c.snapshotInventory(), "vms": c.machineInventory(), "networks": c.networkInventory(),
		"tags": c.tagInventory(), "jobs": c.jobInventory(), "vm_snapshots": c.vmSnapshotInventory(), "settings": settings,
		"faults": c.faults.list(), "violations": violations, "appliance_vm_id": c.st.appliance().ID,
	}
}

func (c *cloud) volumeInventory() []object {
	list := []object{}
	for _, v := range c.st.Volumes {
		if v.Removed {
			continue
		}
		o := object{"id": v.ID, "name": v.Name, "state": v.State, "type": v.Type, "size": v.Size, "serial": serial(v.ID)}
		if !v.NeverPlaced {
			o["file"], o["allocated"] = c.volumePath(v.ID), allocated(c.volumePath(v.ID))
		}
		if v.VM != "" {
			o["virtualmachineid"], o["deviceid"] = v.VM, v.Device
		}
		if device := deviceOf(c.volumePath(v.ID)); device != "" {
			o["device"], o["link"] = device, c.loops.link(v.ID)
		}
		list = append(list, o)
	}
	return list
}

func (c *cloud) snapshotInventory() []object {
	list := []object{}
	for _, s := range c.st.Snapshots {
		if !s.Removed {
			list = append(list, object{"id": s.ID, "name": s.Name, "state": s.State, "volumeid": s.Volume, "size": s.Size, "file": c.snapshotPath(s.ID)})
		}
	}
	return list
}

func (c *cloud) machineInventory() []object {
	list := []object{}
	for _, m := range c.st.VMs {
		if m.Removed {
			continue
		}
		o := object{"id": m.ID, "name": m.Name, "displayname": m.DisplayName, "state": m.State, "appliance": m.Appliance,
			"serial_log": c.vmDir(m.ID) + "/serial.log"}
		if g := c.guests[m.ID]; g != nil {
			o["pid"] = g.pid
		}
		addresses := []string{}
		for _, n := range m.Nics {
			addresses = append(addresses, n.IP)
		}
		o["addresses"] = addresses
		list = append(list, o)
	}
	return list
}

func (c *cloud) networkInventory() []object {
	list := []object{}
	for _, n := range c.st.Networks {
		if !n.Removed {
			list = append(list, object{"id": n.ID, "name": n.Name, "isolated": n.Isolated, "cidr": n.CIDR, "state": n.State})
		}
	}
	return list
}

func (c *cloud) tagInventory() []object {
	list := []object{}
	for _, t := range c.st.Tags {
		list = append(list, object{"resourceid": t.Resource, "resourcetype": t.Type, "key": t.Key, "value": t.Value})
	}
	return list
}

func (c *cloud) jobInventory() []object {
	list := []object{}
	for _, j := range c.st.Jobs {
		list = append(list, object{"jobid": j.ID, "command": j.Command, "jobstatus": j.Status, "jobresultcode": j.ResultCode,
			"instance": j.InstanceID, "has_result": j.Result != nil})
	}
	return list
}

func (c *cloud) vmSnapshotInventory() []object {
	list := []object{}
	for _, s := range c.st.VMSnapshots {
		list = append(list, object{"id": s.ID, "name": s.Name, "virtualmachineid": s.VM})
	}
	return list
}
