package main

func vmSnapshotCommands() map[string]*command {
	return map[string]*command{
		"listVMSnapshot":   {list: listVMSnapshot},
		"deleteVMSnapshot": {async: deleteVMSnapshot},
	}
}

// VM snapshots are only made by the lab's side channel (/op vm_snapshot), as somebody else's: they block attach,
// detach, resize and revert.
func listVMSnapshot(k *call) ([]object, error) {
	var found []object
	for _, s := range k.st.VMSnapshots {
		if !k.sees(s.Account) || !k.matches("virtualmachineid", s.VM) || !k.matches("vmsnapshotid", s.ID) || !k.matches("state", s.State) ||
			!k.wanted("", s.Name) {
			continue
		}
		o := object{
			"id": s.ID, "name": s.Name, "displayname": s.Name, "state": s.State, "virtualmachineid": s.VM, "created": stamp(s.Created),
			"type": "Disk", "current": true, "zoneid": k.st.Zone, "zonename": zoneName, "hypervisor": "KVM",
		}
		if vm := k.st.vm(s.VM); vm != nil {
			o["virtualmachinename"] = vm.Name
		}
		found = append(found, k.withOwner(o, s.Account))
	}
	return found, nil
}

func deleteVMSnapshot(k *call) (*task, error) {
	id := k.p.str("vmsnapshotid")
	for _, s := range k.st.VMSnapshots {
		if s.ID != id {
			continue
		}
		if err := k.mayUse(s.Account); err != nil {
			return nil, err
		}
		return &task{instanceType: "VmSnapshot", instanceID: id, vm: s.VM, commit: func(error) (object, error) {
			k.st.dropVMSnapshot(id)
			return ok(), nil
		}}, nil
	}
	return nil, unknownEntity(k.name, "vmsnapshotid", id)
}

func (st *state) dropVMSnapshot(id string) {
	kept := []*vmSnapshot{}
	for _, s := range st.VMSnapshots {
		if s.ID != id {
			kept = append(kept, s)
		}
	}
	st.VMSnapshots = kept
}
