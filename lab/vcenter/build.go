package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// builder turns the inventory into simulator objects, through the API like any client.
type builder struct {
	*lab
	ctx     context.Context
	client  *vim25.Client
	folders *object.DatacenterFolders
	hosts   map[string]*object.HostSystem
	order   []string // host names in the order of creation
	network map[string]networkRef
}

// build creates the vCenter with everything but the machines.
func (l *lab) build() (*builder, error) {
	content := vpx.ServiceContent
	content.About.ApiVersion = apiVersion
	content.About.Version, content.About.Build = "7.0.3", "19480866"
	content.About.FullName = "VMware vCenter Server 7.0.3 build-19480866"
	content.About.LicenseProductVersion = "7.0"
	content.About.InstanceUuid = uuid.NewSHA1(uuid.NameSpaceURL, []byte(l.state)).String()
	model := &simulator.Model{ServiceContent: content, RootFolder: vpx.RootFolder}
	if err := model.Create(); err != nil {
		return nil, err
	}
	l.content, l.service = content, model.Service
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, model.Service)
	if err != nil {
		return nil, err
	}
	b := &builder{lab: l, ctx: ctx, client: client, hosts: map[string]*object.HostSystem{}, network: map[string]networkRef{}}
	for _, step := range []func() error{b.datacenter, b.addHosts, b.addDatastores, b.addNetworks, b.addPortgroups, b.dressHosts} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *builder) datacenter() error {
	parent := object.NewRootFolder(b.client)
	if b.inv.DatacenterFolder != "" {
		var err error
		if parent, err = parent.CreateFolder(b.ctx, b.inv.DatacenterFolder); err != nil {
			return err
		}
	}
	dc, err := parent.CreateDatacenter(b.ctx, b.inv.Datacenter)
	if err != nil {
		return err
	}
	b.folders, err = dc.Folders(b.ctx)
	return err
}

func (b *builder) addHosts() error {
	add := func(name string, begin func(types.HostConnectSpec) (*object.Task, error)) error {
		task, err := begin(types.HostConnectSpec{HostName: name})
		if err != nil {
			return err
		}
		info, err := task.WaitForResult(b.ctx, nil)
		if err != nil {
			return err
		}
		b.hosts[name] = object.NewHostSystem(b.client, info.Result.(types.ManagedObjectReference))
		b.order = append(b.order, name)
		return nil
	}
	for _, c := range b.inv.Clusters {
		cluster, err := b.folders.HostFolder.CreateCluster(b.ctx, c.Name, types.ClusterConfigSpecEx{})
		if err != nil {
			return err
		}
		for _, name := range c.Hosts {
			if err := add(name, func(spec types.HostConnectSpec) (*object.Task, error) {
				return cluster.AddHost(b.ctx, spec, true, nil, nil)
			}); err != nil {
				return err
			}
		}
	}
	for _, name := range b.inv.StandaloneHosts {
		if err := add(name, func(spec types.HostConnectSpec) (*object.Task, error) {
			return b.folders.HostFolder.AddStandaloneHost(b.ctx, spec, true, nil, nil)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) addDatastores() error {
	b.datastores = map[string]types.ManagedObjectReference{}
	for _, spec := range b.inv.Datastores {
		dir := b.datastoreDir(spec.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		for _, name := range b.order {
			system, err := b.hosts[name].ConfigManager().DatastoreSystem(b.ctx)
			if err != nil {
				return err
			}
			ds, err := system.CreateLocalDatastore(b.ctx, spec.Name, dir)
			if err != nil {
				return err
			}
			b.datastores[spec.Name] = ds.Reference()
		}
		ds, ok := simulator.Map.Get(b.datastores[spec.Name]).(*simulator.Datastore)
		if !ok {
			return fmt.Errorf("datastore %s was not created", spec.Name)
		}
		ds.Summary.Type = spec.Type
		ds.Summary.MultipleHostAccess = types.NewBool(true)
	}
	return nil
}

// addNetworks adds standard networks on all hosts; "VM Network" exists from the start.
func (b *builder) addNetworks() error {
	system, err := b.hosts[b.order[0]].ConfigManager().NetworkSystem(b.ctx)
	if err != nil {
		return err
	}
	for _, name := range b.inv.Networks {
		if err := system.AddPortGroup(b.ctx, types.HostPortGroupSpec{Name: name, VswitchName: "vSwitch0"}); err != nil {
			return err
		}
	}
	for _, entity := range simulator.Map.All("Network") {
		name := entity.Entity().Name
		if network, ok := entity.(*mo.Network); ok {
			name = network.Name
		}
		b.network[name] = networkRef{ref: entity.Reference()}
		b.plug(entity.Reference())
	}
	return nil
}

// plug makes a network known to every host and compute resource.
func (b *builder) plug(ref types.ManagedObjectReference) {
	for _, name := range b.order {
		host, ok := simulator.Map.Get(b.hosts[name].Reference()).(*simulator.HostSystem)
		if !ok {
			continue
		}
		simulator.Map.AddReference(host, &host.Network, ref)
		switch parent := simulator.Map.Get(*host.Parent).(type) {
		case *simulator.ClusterComputeResource:
			simulator.Map.AddReference(parent, &parent.Network, ref)
		case *mo.ComputeResource:
			simulator.Map.AddReference(parent, &parent.Network, ref)
		}
	}
}

func (b *builder) addPortgroups() error {
	if len(b.inv.Portgroups) == 0 {
		return nil
	}
	dvs, err := b.createSwitch()
	if err != nil {
		return err
	}
	for _, name := range b.inv.Portgroups {
		task, err := dvs.AddPortgroup(b.ctx, []types.DVPortgroupConfigSpec{{Name: name, NumPorts: 8}})
		if err == nil {
			err = task.Wait(b.ctx)
		}
		if err != nil {
			return err
		}
	}
	switchObject, ok := simulator.Map.Get(dvs.Reference()).(*simulator.DistributedVirtualSwitch)
	if !ok {
		return fmt.Errorf("switch %s was not created", b.inv.Switch)
	}
	for _, entity := range simulator.Map.All("DistributedVirtualPortgroup") {
		if group, ok := entity.(*simulator.DistributedVirtualPortgroup); ok {
			b.network[group.Name] = networkRef{ref: group.Self, switchUUID: switchObject.Uuid}
			b.plug(group.Self)
		}
	}
	return nil
}

// createSwitch makes the distributed switch with all hosts as members.
func (b *builder) createSwitch() (*object.DistributedVirtualSwitch, error) {
	spec := types.DVSCreateSpec{ConfigSpec: &types.VMwareDVSConfigSpec{}}
	spec.ConfigSpec.GetDVSConfigSpec().Name = b.inv.Switch
	task, err := b.folders.NetworkFolder.CreateDVS(b.ctx, spec)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(b.ctx, nil)
	if err != nil {
		return nil, err
	}
	dvs := object.NewDistributedVirtualSwitch(b.client, info.Result.(types.ManagedObjectReference))
	config := &types.DVSConfigSpec{}
	for _, name := range b.order {
		config.Host = append(config.Host, types.DistributedVirtualSwitchHostMemberConfigSpec{
			Operation: string(types.ConfigSpecOperationAdd), Host: b.hosts[name].Reference()})
	}
	if task, err = dvs.Reconfigure(b.ctx, config); err != nil {
		return nil, err
	}
	return dvs, task.Wait(b.ctx)
}

// dressHosts gives the hosts, which the simulator takes from one 6.5 template, the version of their vCenter.
func (b *builder) dressHosts() error {
	for _, name := range b.order {
		host, ok := simulator.Map.Get(b.hosts[name].Reference()).(*simulator.HostSystem)
		if !ok {
			return fmt.Errorf("host %s was not created", name)
		}
		product := types.AboutInfo{
			Name: "VMware ESXi", FullName: "VMware ESXi 7.0.3 build-19482537", Vendor: "VMware, Inc.", Version: "7.0.3",
			Build: "19482537", OsType: "vmnix-x86", ProductLineId: "embeddedEsx", ApiType: "HostAgent", ApiVersion: apiVersion,
		}
		host.Summary.Config.Product = &product
		if host.Config != nil {
			config := *host.Config
			config.Product = product
			host.Config = &config
		}
	}
	return nil
}
