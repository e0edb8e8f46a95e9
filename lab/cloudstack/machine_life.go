package main

import "time"

func machineLifeCommands() map[string]*command {
	return map[string]*command{
		"startVirtualMachine":   {async: startVirtualMachine},
		"stopVirtualMachine":    {async: stopVirtualMachine},
		"rebootVirtualMachine":  {async: rebootVirtualMachine},
		"destroyVirtualMachine": {async: destroyVirtualMachine},
		"expungeVirtualMachine": {async: expungeVirtualMachine},
		"recoverVirtualMachine": {object: recoverVirtualMachine},
	}
}

// ownMachine finds the machine of a life-cycle command. The appliance's record is out of bounds: stopping it would
// end the product itself.
func (k *call) ownMachine() (*machine, error) {
	m := k.st.vm(k.p.str("id"))
	if err := k.mayUse(m.Account); err != nil {
		return nil, err
	}
	if m.Appliance {
		return nil, denied("%s is the machine that the product runs on; the lab never does %s to it", m.Name, k.name)
	}
	return m, nil
}

func (k *call) machineTask(m *machine) *task {
	return &task{instanceType: "VirtualMachine", instanceID: m.ID, vm: m.ID}
}

func startVirtualMachine(k *call) (*task, error) {
	m, err := k.ownMachine()
	if err != nil {
		return nil, err
	}
	if k.p.has("hostid") && !k.admin() {
		return nil, denied("Parameter hostid can be specified only by a Root Admin, permission denied")
	}
	t := k.machineTask(m)
	k.fillStart(t, m, false)
	return t, nil
}

// fillStart is the job of a start; first marks a deployment, whose failure leaves the machine in state Error.
func (k *call) fillStart(t *task, m *machine, first bool) {
	var started *guest
	failed := stStopped
	if first {
		failed = stError
		t.abandon = func() { m.State = stError }
	}
	t.check = func() error {
		if m.Removed || m.State != stStopped {
			if m.State == stRunning {
				return invalid("The virtual machine %s is already running", m.Name)
			}
			return invalid("Unable to start virtual machine %s in state %s", m.Name, m.State)
		}
		m.State, m.Updated = stStarting, time.Now().UTC()
		return nil
	}
	t.work = func(r *jobRun) (err error) {
		started, err = k.launch(r, m)
		return err
	}
	t.commit = func(err error) (object, error) {
		m.Updated = time.Now().UTC()
		if err != nil {
			m.State = failed
			e := asAPIError(err)
			return nil, &apiError{code: e.code, cs: e.cs, text: "Unable to start VM " + m.Name + ": " + e.text}
		}
		m.State = stRunning
		k.guests[m.ID] = started
		go k.watchPower(started)
		return k.machineView(m), nil
	}
}

// launch starts the guest on its host.
func (k *call) launch(r *jobRun, m *machine) (*guest, error) {
	var spec *guestSpec
	if err := r.locked(func() (err error) { spec, err = k.prepareGuest(m); return err }); err != nil {
		return nil, err
	}
	r.step()
	g, err := startGuest(r.ctx, spec)
	if err == nil && r.ctx.Err() != nil {
		g.kill() // the server died meanwhile and its successor calls the machine Stopped
		return nil, errServerDied
	}
	return g, err
}

// prepareGuest makes the bytes of volumes that have none yet, marks networks as implemented and describes the guest;
// mu is held.
func (k *call) prepareGuest(m *machine) (*guestSpec, error) {
	disks := k.st.disksOf(m.ID)
	if len(disks) == 0 || disks[0].Device != 0 {
		return nil, internal("no ROOT volume: device 0 of the VM is empty")
	}
	spec := &guestSpec{vm: m.ID, name: m.Name, dir: k.vmDir(m.ID), memory: m.Memory, uefi: m.UEFI, secure: m.BootMode == "SECURE", firmwareIn: ovmfDir}
	if most := k.st.settingInt("lab.guest.memory.max"); spec.memory > most {
		spec.memory = most
	}
	spec.rootBus = busFor(m.Details, k.st.osType(m.OSType).Name)
	spec.dataBus = dataBusFor(m.Details, spec.rootBus)
	spec.nicModel = nicModelFor(m.Details)
	for _, v := range disks {
		if v.State == stAllocated {
			if err := k.place(v); err != nil {
				return nil, err
			}
			v.State = stReady
		}
		if v.State != stReady {
			return nil, internal("volume %s is in state %s", v.Name, v.State)
		}
		spec.disks = append(spec.disks, guestDisk{volume: v.ID, path: k.volumePath(v.ID), root: v.Device == 0})
	}
	for _, card := range m.Nics {
		n := k.st.network(card.Network)
		if n.Isolated {
			n.State = "Implemented"
		}
		spec.nics = append(spec.nics, guestNic{ip: card.IP, mac: card.MAC, isolated: n.Isolated})
	}
	return spec, nil
}

func stopVirtualMachine(k *call) (*task, error) {
	m, err := k.ownMachine()
	if err != nil {
		return nil, err
	}
	t := k.machineTask(m)
	var g *guest
	var wait time.Duration
	t.check = func() error {
		if m.Removed || (m.State != stRunning && m.State != stStopped) {
			return invalid("Unable to stop virtual machine %s in state %s", m.Name, m.State)
		}
		g, wait = k.guests[m.ID], k.st.settingMillis("lab.stop.wait.ms")
		if m.State == stRunning {
			m.State, m.Updated = stStopping, time.Now().UTC()
		}
		return nil
	}
	t.work = func(r *jobRun) error {
		if g != nil && k.p.flag("forced") {
			g.kill()
		} else if g != nil {
			g.stop(r.ctx, wait)
		}
		return nil
	}
	t.commit = func(error) (object, error) {
		k.markStopped(m)
		return k.machineView(m), nil
	}
	return t, nil
}

// markStopped forgets the guest; networks without guests go back to Allocated. mu is held.
func (c *cloud) markStopped(m *machine) {
	delete(c.guests, m.ID)
	m.State, m.Updated = stStopped, time.Now().UTC()
	for _, card := range m.Nics {
		n, used := c.st.network(card.Network), false
		for _, other := range c.st.VMs {
			used = used || (other.State == stRunning && onNetwork(other, card.Network))
		}
		if n != nil && n.Isolated && !used {
			n.State = "Allocated"
		}
	}
}

func rebootVirtualMachine(k *call) (*task, error) {
	m, err := k.ownMachine()
	if err != nil {
		return nil, err
	}
	t := k.machineTask(m)
	var g *guest
	t.check = func() error {
		if g = k.guests[m.ID]; m.State != stRunning || g == nil {
			return invalid("Unable to reboot virtual machine %s in state %s", m.Name, m.State)
		}
		return nil
	}
	t.work = func(*jobRun) error {
		_, err := g.q.execute("system_reset", nil)
		return err
	}
	t.commit = func(err error) (object, error) { return k.machineView(m), err }
	return t, nil
}
