package main

import "strings"

// idKinds says what kind of object a command's "id" (or "ids") names.
var idKinds = map[string]string{
	"listZones": "zone", "listDomains": "domain", "listAccounts": "account", "listUsers": "user", "listProjects": "project",
	"listTemplates": "template", "listServiceOfferings": "serviceoffering", "listDiskOfferings": "diskoffering",
	"listNetworks": "network", "listNetworkOfferings": "networkoffering", "deleteNetwork": "network",
	"listVirtualMachines": "vm", "startVirtualMachine": "vm", "stopVirtualMachine": "vm", "rebootVirtualMachine": "vm",
	"destroyVirtualMachine": "vm", "expungeVirtualMachine": "vm", "recoverVirtualMachine": "vm", "updateVirtualMachine": "vm",
	"scaleVirtualMachine": "vm", "listVolumes": "volume", "attachVolume": "volume", "detachVolume": "volume",
	"deleteVolume": "volume", "destroyVolume": "volume", "recoverVolume": "volume", "updateVolume": "volume",
	"resizeVolume": "volume", "listSnapshots": "snapshot", "revertSnapshot": "snapshot", "deleteSnapshot": "snapshot",
	"listStoragePools": "pool", "listClusters": "cluster", "listHosts": "host", "listOsTypes": "ostype",
	"listOsCategories": "oscategory", "listEvents": "event", "listHypervisorCapabilities": "hypervisorcapabilities",
	"listSecurityGroups": "securitygroup",
}

// paramKinds says what kind of object other parameters name. A parameter of type uuid that is in neither table
// names something this cloud has none of, so no value of it resolves.
var paramKinds = map[string]string{
	"zoneid": "zone", "zoneids": "zone", "domainid": "domain", "accountid": "account", "userid": "user",
	"virtualmachineid": "vm", "volumeid": "volume", "volumeids": "volume", "snapshotid": "snapshot",
	"diskofferingid": "diskoffering", "serviceofferingid": "serviceoffering", "templateid": "template",
	"networkid": "network", "networkids": "network", "networkofferingid": "networkoffering", "ostypeid": "ostype",
	"oscategoryid": "oscategory", "storageid": "pool", "clusterid": "cluster", "hostid": "host", "podid": "pod",
	"vmsnapshotid": "vmsnapshot", "vmsnapshotids": "vmsnapshot", "nicid": "nic", "jobid": "job",
}

// resolveAll checks that every parameter that names an object names an existing one. Objects that were expunged
// still resolve; what is done with them is the command's business.
func (k *call) resolveAll() error {
	for _, param := range k.meta.Params {
		name := strings.ToLower(param.Name)
		value := k.p.str(name)
		if value == "" {
			continue
		}
		kind := paramKinds[name]
		if name == "id" || name == "ids" {
			kind = idKinds[k.name]
		}
		values := []string{value}
		switch {
		case param.Type == "list" && kind != "":
			values = k.p.list(name)
		case param.Type != "uuid" && kind == "":
			continue
		case name == "projectid" && value == "-1" && strings.HasPrefix(k.name, "list"):
			continue
		}
		for _, id := range values {
			if !k.st.exists(kind, id) {
				return unknownEntity(k.name, name, id)
			}
		}
	}
	return nil
}

func unknownEntity(command, param, value string) *apiError {
	return invalid("Unable to execute API command %s due to invalid value. Invalid parameter %s value=%s due to incorrect long value format, "+
		"or entity does not exist or due to incorrect parameter annotation for the field in api cmd class.", strings.ToLower(command), param, value)
}

func (st *state) exists(kind, id string) bool {
	switch kind {
	case "zone":
		return id == st.Zone
	case "domain":
		return id == st.Domain
	case "pod":
		return id == st.Pod
	case "cluster":
		return id == st.Cluster
	case "host":
		return id == st.Host
	case "pool":
		return id == st.Pool
	case "hypervisorcapabilities":
		return id == st.Host
	case "account":
		return st.account(id) != nil
	case "volume":
		return st.volume(id) != nil
	case "snapshot":
		return st.snapshot(id) != nil
	case "vm":
		return st.vm(id) != nil
	case "network":
		return st.network(id) != nil
	case "job":
		return st.job(id) != nil
	case "serviceoffering":
		return st.serviceOffering(id) != nil
	case "diskoffering":
		return st.diskOffering(id) != nil
	case "template":
		return st.template(id) != nil
	}
	return st.existsRare(kind, id)
}

func (st *state) existsRare(kind, id string) bool {
	switch kind {
	case "user":
		return anyOf(len(st.Accounts), func(i int) bool { return st.Accounts[i].UserID == id })
	case "vmsnapshot":
		return anyOf(len(st.VMSnapshots), func(i int) bool { return st.VMSnapshots[i].ID == id })
	case "networkoffering":
		return st.networkOffering(id) != nil
	case "ostype":
		return st.osType(id) != nil
	case "oscategory":
		return anyOf(len(st.Categories), func(i int) bool { return st.Categories[i].ID == id })
	case "event":
		return anyOf(len(st.Events), func(i int) bool { return st.Events[i].ID == id })
	case "nic":
		return anyOf(len(st.VMs), func(i int) bool {
			nics := st.VMs[i].Nics
			return anyOf(len(nics), func(j int) bool { return nics[j].ID == id })
		})
	}
	return false
}

// anyOf says whether one of n elements fits.
func anyOf(n int, fits func(int) bool) bool {
	for i := 0; i < n; i++ {
		if fits(i) {
			return true
		}
	}
	return false
}
