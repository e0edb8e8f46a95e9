package main

import "time"

func nicCommands() map[string]*command {
	return map[string]*command{
		"listNics":               {list: listNics},
		"addNicToVirtualMachine": {async: addNic},
	}
}

func (k *call) nicView(n nic, index int) object {
	o := object{
		"id": n.ID, "networkid": n.Network, "ipaddress": n.IP, "macaddress": n.MAC, "isdefault": n.Default, "traffictype": "Guest",
		"deviceid": itoa(index), "secondaryip": []string{},
	}
	if net := k.st.network(n.Network); net != nil {
		o["networkname"], o["type"], o["gateway"], o["netmask"] = net.Name, guestType(net.Isolated), net.Gateway, net.Netmask
	}
	return o
}

func (k *call) nicViews(vm *machine) []object {
	list := []object{}
	for index, n := range vm.Nics {
		list = append(list, k.nicView(n, index))
	}
	return list
}

func listNics(k *call) ([]object, error) {
	vm := k.st.vm(k.p.str("virtualmachineid"))
	if err := k.mayUse(vm.Account); err != nil {
		return nil, err
	}
	var found []object
	for index, n := range vm.Nics {
		if vm.Removed || !k.matches("networkid", n.Network) || !k.matches("nicid", n.ID) {
			continue
		}
		o := k.nicView(n, index)
		o["virtualmachineid"] = vm.ID
		found = append(found, o)
	}
	return found, nil
}

// addNic extends a stopped machine; a NIC for a running guest is not played here.
func addNic(k *call) (*task, error) {
	vm, n := k.st.vm(k.p.str("virtualmachineid")), k.st.network(k.p.str("networkid"))
	if err := k.mayUse(vm.Account); err != nil {
		return nil, err
	}
	t := &task{instanceType: "VirtualMachine", instanceID: vm.ID, vm: vm.ID}
	t.commit = func(error) (object, error) {
		if vm.State != stStopped {
			return nil, internal("Unable to add NIC to %s in state %s: the lab adds NICs to stopped machines only", vm.Name, vm.State)
		}
		for _, have := range vm.Nics {
			if have.Network == n.ID {
				return nil, internal("A NIC already exists for VM:%s in network: %s", vm.Name, n.Name)
			}
		}
		made, err := k.nicOn(n, k.p.str("ipaddress"), k.p.str("macaddress"))
		if err != nil {
			return nil, err
		}
		made.Default = len(vm.Nics) == 0
		vm.Nics, vm.Updated = append(vm.Nics, made), time.Now().UTC()
		return k.machineView(vm), nil
	}
	return t, nil
}
