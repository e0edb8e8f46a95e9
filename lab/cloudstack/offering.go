package main

import "strconv"

func offeringCommands() map[string]*command {
	return map[string]*command{
		"listServiceOfferings": {list: listServiceOfferings},
		"listDiskOfferings":    {list: listDiskOfferings},
	}
}

func (st *state) serviceOffering(id string) *serviceOffering {
	for i := range st.Offerings {
		if st.Offerings[i].ID == id {
			return &st.Offerings[i]
		}
	}
	return nil
}

func (st *state) diskOffering(id string) *diskOffering {
	for i := range st.DiskOfferings {
		if st.DiskOfferings[i].ID == id {
			return &st.DiskOfferings[i]
		}
	}
	return nil
}

func listServiceOfferings(k *call) ([]object, error) {
	var found []object
	if k.p.flag("issystem") {
		return nil, nil
	}
	for _, s := range k.st.Offerings {
		if k.wanted(s.ID, s.Name) && k.matches("state", "Active") {
			found = append(found, serviceOfferingView(s))
		}
	}
	return found, nil
}

func serviceOfferingView(s serviceOffering) object {
	o := object{
		"id": s.ID, "name": s.Name, "displaytext": s.Name, "iscustomized": s.Customized, "iscustomizediops": false, "issystem": false,
		"offerha": false, "storagetype": "shared", "provisioningtype": "thin", "diskofferingstrictness": false, "state": "Active",
		"defaultuse": false, "isvolatile": false, "limitcpuuse": false, "rootdisksize": 0,
	}
	if s.CPU > 0 {
		o["cpunumber"] = s.CPU
	}
	if s.Speed > 0 {
		o["cpuspeed"] = s.Speed
	}
	if s.Memory > 0 {
		o["memory"] = s.Memory
	}
	if s.MaxCPU > 0 {
		text := func(n int64) string { return strconv.FormatInt(n, 10) }
		o["serviceofferingdetails"] = map[string]string{
			"mincpunumber": text(s.MinCPU), "maxcpunumber": text(s.MaxCPU), "minmemory": text(s.MinMemory), "maxmemory": text(s.MaxMemory),
		}
	}
	return o
}

func listDiskOfferings(k *call) ([]object, error) {
	var found []object
	for _, d := range k.st.DiskOfferings {
		if !k.wanted(d.ID, d.Name) || !k.matches("storagetype", "shared") || !k.matches("state", "Active") || (k.p.has("encrypt") && k.p.flag("encrypt")) {
			continue
		}
		found = append(found, object{
			"id": d.ID, "name": d.Name, "displaytext": d.Name, "disksize": d.SizeGiB, "iscustomized": d.Customized,
			"iscustomizediops": false, "disksizestrictness": false, "provisioningtype": "thin", "storagetype": "shared",
			"encrypt": false, "displayoffering": true, "state": "Active",
		})
	}
	return found, nil
}
