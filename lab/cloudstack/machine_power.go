package main

import (
	"context"
	"os"
	"time"
)

// watchPower reports a guest that ended by itself as Stopped, some time later as the real power-state sync does.
func (c *cloud) watchPower(g *guest) {
	<-g.gone
	c.mu.Lock()
	delay, life := c.st.settingMillis("lab.power.sync.ms"), c.life
	c.mu.Unlock()
	pause(life.Done(), delay)
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.st.vm(g.vm); c.guests[g.vm] == g && !c.closed && m != nil {
		if m.State == stRunning {
			c.markStopped(m)
			c.st.record(event{Type: "VM.STOP", State: "Completed", Level: "INFO", Account: m.Account, Text: "VM " + m.Name + " powered itself off",
				Resource: m.ID, ResourceType: "VirtualMachine"})
		}
		c.save()
	}
}

// adoptGuests takes over guests that survived a crash of the simulator; machines whose guest is gone are Stopped.
func (c *cloud) adoptGuests() {
	for _, m := range c.st.VMs {
		if m.Appliance || m.Removed {
			continue
		}
		g := adoptGuest(m.ID, c.vmDir(m.ID))
		switch {
		case g != nil && m.State == stRunning:
			g.uefi = m.UEFI
			g.scsi = busFor(m.Details, c.st.osType(m.OSType).Name) == "scsi"
			c.guests[m.ID] = g
			go c.watchPower(g)
		case g != nil:
			g.kill()
		case m.State == stRunning:
			c.killStray(m.ID)
			c.markStopped(m)
		}
	}
}

func (c *cloud) guestAlive(vm string) bool { return guestPid(c.vmDir(vm)) != 0 }

// killStray ends a QEMU that no record wants any more and waits until its disks are free.
func (c *cloud) killStray(vm string) {
	delete(c.guests, vm)
	pid := guestPid(c.vmDir(vm))
	if pid == 0 {
		return
	}
	if process, err := os.FindProcess(pid); err == nil {
		_ = process.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	select {
	case <-pollExit(pid):
	case <-ctx.Done():
	}
}
