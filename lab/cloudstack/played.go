package main

import "strings"

// A parameter that is accepted has its effect; one that the metadata knows but this simulator does not play is
// refused with 432 instead of being ignored in silence. Two kinds are accepted without an effect: those that cannot
// make a difference in this cloud (it has one zone, one domain, one pool, no sub-domains), and presentation.
var playedEverywhere = words(`account domainid projectid zoneid listall isrecursive page pagesize keyword showicon name id ids`)

// played lists what each command plays beyond that.
var played = map[string]map[string]bool{
	"listZones":             words(`available networktype`),
	"listAccounts":          words(`details`),
	"listDomains":           words(`details`),
	"listUsers":             words(`username`),
	"getUser":               words(`userapikey`),
	"listProjects":          words(`state username displaytext details tags`),
	"listTemplates":         words(`templatefilter hypervisor details showunique`),
	"listServiceOfferings":  words(`issystem state virtualmachineid`),
	"listDiskOfferings":     words(`storagetype encrypt state storageid`),
	"listNetworks":          words(`type traffictype forvpc vpcid networkofferingid canusefordeploy issystem tags`),
	"listNetworkOfferings":  words(`guestiptype state traffictype forvpc`),
	"createNetwork":         words(`networkofferingid displaytext vlan gateway netmask startip endip`),
	"listVirtualMachines":   words(`state hypervisor templateid networkid details tags`),
	"listVolumes":           words(`virtualmachineid type state diskofferingid storageid tags`),
	"listSnapshots":         words(`volumeid snapshottype locationtype showunique tags`),
	"listVMSnapshot":        words(`virtualmachineid vmsnapshotid state`),
	"listNics":              words(`virtualmachineid networkid nicid`),
	"listClusters":          words(`hypervisor podid`),
	"listHosts":             words(`hypervisor type state clusterid podid`),
	"listStoragePools":      words(`scope clusterid podid`),
	"listOsTypes":           words(`oscategoryid description`),
	"listResourceLimits":    words(`resourcetype resourcetypename`),
	"listSecurityGroups":    words(`virtualmachineid securitygroupname tags`),
	"listAsyncJobs":         words(`startdate`),
	"listEvents":            words(`type level resourceid startdate`),
	"listTags":              words(`resourceid resourcetype key value`),
	"createTags":            words(`resourceids resourcetype tags`),
	"deleteTags":            words(`resourceids resourcetype tags`),
	"queryAsyncJobResult":   words(`jobid`),
	"deployVirtualMachine":  words(`serviceofferingid templateid startvm displayname networkids iptonetworklist ipaddress macaddress details boottype bootmode rootdisksize hypervisor hostid clusterid podid keyboard displayvm`),
	"startVirtualMachine":   words(`hostid clusterid podid considerlasthost`),
	"stopVirtualMachine":    words(`forced`),
	"rebootVirtualMachine":  words(`forced`),
	"destroyVirtualMachine": words(`expunge volumeids`),
	"updateVirtualMachine":  words(`displayname ostypeid details cleanupdetails haenable deleteprotection`),
	"scaleVirtualMachine":   words(`serviceofferingid details`),

	"addNicToVirtualMachine": words(`virtualmachineid networkid ipaddress macaddress`),

	"createVolume":     words(`diskofferingid size snapshotid virtualmachineid displayvolume`),
	"attachVolume":     words(`virtualmachineid deviceid`),
	"detachVolume":     words(`virtualmachineid deviceid`),
	"destroyVolume":    words(`expunge`),
	"updateVolume":     words(`deleteprotection path state storageid chaininfo customid`),
	"resizeVolume":     words(`size diskofferingid shrinkok`),
	"createSnapshot":   words(`volumeid locationtype tags`),
	"deleteVMSnapshot": words(`vmsnapshotid`),

	"listHypervisorCapabilities": words(`hypervisor`),
}

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(text) {
		set[word] = true
	}
	return set
}

// checkPlayed runs after the metadata check, so every name is one that the command really has.
func (k *call) checkPlayed() error {
	for _, name := range k.p.names() {
		if !playedEverywhere[name] && !transportParams[name] && !played[k.name][name] {
			return refuse(codeUnsupported, "Parameter %s of %s is not available in this cloud", name, k.name)
		}
	}
	return nil
}
