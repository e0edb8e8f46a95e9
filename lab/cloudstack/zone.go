package main

func zoneCommands() map[string]*command {
	return map[string]*command{
		"listZones":    {list: listZones},
		"listClusters": {list: listClusters, adminOnly: true},
		"listHosts":    {list: listHosts, adminOnly: true},
	}
}

func listZones(k *call) ([]object, error) {
	if !k.wanted(k.st.Zone, zoneName) || !k.matches("networktype", "Advanced") {
		return nil, nil
	}
	o := object{
		"id": k.st.Zone, "name": zoneName, "networktype": "Advanced", "allocationstate": "Enabled",
		"localstorageenabled": false, "securitygroupsenabled": false, "tags": k.tagList(k.st.Zone),
	}
	if k.admin() {
		o["dns1"], o["internaldns1"] = "192.0.2.53", "192.0.2.54"
	}
	return []object{o}, nil
}

func listClusters(k *call) ([]object, error) {
	if !k.wanted(k.st.Cluster, clusterName) || !k.matches("hypervisor", "KVM") {
		return nil, nil
	}
	return []object{{
		"id": k.st.Cluster, "name": clusterName, "zoneid": k.st.Zone, "zonename": zoneName, "podid": k.st.Pod, "podname": "lab-pod",
		"hypervisortype": "KVM", "clustertype": "CloudManaged", "allocationstate": "Enabled", "managedstate": "Managed",
	}}, nil
}

func listHosts(k *call) ([]object, error) {
	if !k.wanted(k.st.Host, hostName) || !k.matches("hypervisor", "KVM") || !k.matches("type", "Routing") || !k.matches("state", "Up") {
		return nil, nil
	}
	return []object{{
		"id": k.st.Host, "name": hostName, "state": "Up", "type": "Routing", "hypervisor": "KVM", "zoneid": k.st.Zone, "zonename": zoneName,
		"podid": k.st.Pod, "podname": "lab-pod", "clusterid": k.st.Cluster, "clustername": clusterName, "resourcestate": "Enabled",
		"ueficapability": true,
	}}, nil
}
