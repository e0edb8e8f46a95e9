package main

import (
	"sort"
	"strconv"
	"strings"
)

func capabilityCommands() map[string]*command {
	return map[string]*command{
		"listCapabilities":           {object: listCapabilities},
		"listHypervisors":            {list: listHypervisors},
		"listHypervisorCapabilities": {list: listHypervisorCapabilities, adminOnly: true},
		"listConfigurations":         {list: listConfigurations, adminOnly: true},
		"listResourceLimits":         {list: listResourceLimits},
		"listSecurityGroups":         {list: func(*call) ([]object, error) { return nil, nil }},
	}
}

func listCapabilities(k *call) (object, error) {
	o := object{
		"cloudstackversion": fullRelease, "kvmsnapshotenabled": k.st.settingOn("kvm.snapshot.enabled"),
		"allowuserexpungerecovervm":     k.admin() || k.st.settingOn("allow.user.expunge.recover.vm"),
		"allowuserexpungerecovervolume": k.admin() || k.st.settingOn("allow.user.expunge.recover.volume"),
		"customdiskofferingminsize":     k.st.settingInt("custom.diskoffering.size.min"),
		"customdiskofferingmaxsize":     k.st.settingInt("custom.diskoffering.size.max"),
		"securitygroupsenabled":         false, "dynamicrolesenabled": true, "regionsecondaryenabled": false,
		"defaultuipagesize": int64(20), "allowuserviewdestroyedvm": false, "projectinviterequired": false,
		"allowusercreateprojects": true, "userpublictemplateenabled": true,
	}
	if k.st.settingOn("api.throttling.enabled") {
		o["apilimitinterval"] = k.st.settingInt("api.throttling.interval")
		o["apilimitmax"] = k.st.settingInt("api.throttling.max")
	}
	return o, nil
}

func listHypervisors(*call) ([]object, error) { return []object{{"name": "KVM"}}, nil }

// dataDiskLimit is maxdatavolumeslimit of KVM's hypervisor capabilities.
const dataDiskLimit = 32

func listHypervisorCapabilities(k *call) ([]object, error) {
	if !k.matches("hypervisor", "KVM") {
		return nil, nil
	}
	return []object{{
		"id": k.st.Host, "hypervisor": "KVM", "hypervisorversion": "default", "maxdatavolumeslimit": dataDiskLimit,
		"maxguestslimit": int64(50), "securitygroupenabled": true, "storagemotionenabled": false, "vmsnapshotenabled": false,
	}}, nil
}

// listConfigurations hides the simulator's own switches.
func listConfigurations(k *call) ([]object, error) {
	var found []object
	for _, s := range defaultSettings {
		if strings.HasPrefix(s.name, "lab.") || !k.wanted("", s.name) {
			continue
		}
		found = append(found, object{
			"name": s.name, "value": k.st.setting(s.name), "defaultvalue": s.value, "description": s.about, "category": "Advanced", "isdynamic": true,
		})
	}
	return found, nil
}

// resourceTypes are the limits' type numbers.
var resourceTypes = map[int]string{
	0: "user_vm", 1: "public_ip", 2: "volume", 3: "snapshot", 4: "template", 6: "network", 8: "cpu", 9: "memory",
	10: "primary_storage", 11: "secondary_storage",
}

func listResourceLimits(k *call) ([]object, error) {
	owner, err := k.owner()
	if err != nil {
		return nil, err
	}
	numbers := make([]int, 0, len(resourceTypes))
	for number := range resourceTypes {
		numbers = append(numbers, number)
	}
	sort.Ints(numbers)
	var found []object
	for _, number := range numbers {
		text := strconv.Itoa(number)
		if !k.matches("resourcetype", text) || !k.matches("resourcetypename", resourceTypes[number]) {
			continue
		}
		found = append(found, k.withOwner(object{"resourcetype": text, "resourcetypename": resourceTypes[number], "max": k.st.limit(number)}, owner.ID))
	}
	return found, nil
}

// limit is a maximum, -1 for none.
func (st *state) limit(resource int) int64 {
	if value, set := st.Limits[strconv.Itoa(resource)]; set {
		return value
	}
	return -1
}

// checkLimit refuses with 535 when one more object would exceed the account's limit.
func (st *state) checkLimit(resource int, owner *account, existing int64) error {
	limit := st.limit(resource)
	if limit < 0 || existing < limit {
		return nil
	}
	return refuse(codeAllocation, "Maximum amount of resources of Type = '%s' for Account Name = '%s' in Domain Id = '%s' has been exceeded: "+
		"Account Resource Limit = %d, Current Account Resource Amount = %d, Requested Resource Amount = 1.",
		resourceTypes[resource], owner.Name, st.Domain, limit, existing)
}
