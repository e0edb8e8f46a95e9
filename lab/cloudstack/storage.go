package main

func storageCommands() map[string]*command {
	return map[string]*command{
		"listStoragePools": {list: listStoragePools, adminOnly: true},
	}
}

func listStoragePools(k *call) ([]object, error) {
	scope := k.st.setting("lab.pool.scope")
	if !k.wanted(k.st.Pool, poolName) || !k.matches("scope", scope) {
		return nil, nil
	}
	var size, used int64
	for _, v := range k.st.Volumes {
		if !v.Removed && !v.NeverPlaced {
			size += v.Size
			used += allocated(k.volumePath(v.ID))
		}
	}
	o := object{
		"id": k.st.Pool, "name": poolName, "zoneid": k.st.Zone, "zonename": zoneName, "state": "Up", "scope": scope,
		"type": "NetworkFilesystem", "managed": k.st.settingOn("lab.pool.managed"), "hypervisor": "KVM",
		"disksizetotal": 10240 * gib, "disksizeallocated": size, "disksizeused": used,
	}
	if scope == "CLUSTER" {
		o["clusterid"], o["clustername"], o["podid"], o["podname"] = k.st.Cluster, clusterName, k.st.Pod, "lab-pod"
	}
	return []object{o}, nil
}
