package main

import (
	"fmt"
	"strconv"
	"time"

	"migratekit/lab/internal/watch"
)

// operate runs an operation that no API has: what an administrator, another tenant or a guest would do.
//
//	set            setting, value      a global setting (listed in GET /state)
//	limit          type, max           an account resource limit, by type number; -1 for none
//	vm_snapshot    vm, snapshot        somebody takes a VM snapshot
//	vm_snapshot_gone  vm               and removes it again
//	assign_appliance  account          the appliance's machine belongs to another account
//	user           account, disabled   disables or enables an account
//	power_off      vm                  the guest powers itself off, hard
//	expire_jobs                        finished jobs are purged, as job.expire.minutes would
//
// and those of watch.Operate: hold_wait, hold_release, commands.
func (c *cloud) operate(op string, v map[string]string) (object, error) {
	if answer, known, err := watch.Operate(&c.desk, &c.calls, op, v); known {
		return answer, err
	}
	operations := map[string]func(map[string]string) error{
		"set": c.opSet, "limit": c.opLimit, "vm_snapshot": c.opSnapshot, "vm_snapshot_gone": c.opSnapshotGone,
		"assign_appliance": c.opAssign, "user": c.opUser, "power_off": c.opPowerOff, "expire_jobs": c.opExpireJobs,
	}
	run := operations[op]
	if run == nil {
		return nil, fmt.Errorf("unknown operation %q", op)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.save()
	return nil, run(v)
}

func (c *cloud) opSet(v map[string]string) error {
	if _, known := settingDefault(v["setting"]); !known {
		return fmt.Errorf("unknown setting %q", v["setting"])
	}
	c.st.Settings[v["setting"]] = v["value"]
	return nil
}

func (c *cloud) opLimit(v map[string]string) error {
	number, err := strconv.Atoi(v["type"])
	if err != nil || resourceTypes[number] == "" {
		return fmt.Errorf("type must be the number of a resource type")
	}
	most, err := strconv.ParseInt(v["max"], 10, 64)
	if err != nil {
		return fmt.Errorf("max must be a number")
	}
	c.st.Limits[v["type"]] = most
	return nil
}

func (c *cloud) opSnapshot(v map[string]string) error {
	m := c.st.vm(v["vm"])
	if m == nil || m.Removed {
		return fmt.Errorf("unknown machine %q", v["vm"])
	}
	c.st.VMSnapshots = append(c.st.VMSnapshots, &vmSnapshot{
		ID: newUUID(), VM: m.ID, Name: v["snapshot"], State: stReady, Account: m.Account, Created: time.Now().UTC(),
	})
	return nil
}

func (c *cloud) opSnapshotGone(v map[string]string) error {
	for _, s := range c.st.vmSnapshotsOf(v["vm"]) {
		c.st.dropVMSnapshot(s.ID)
	}
	return nil
}

func (c *cloud) opAssign(v map[string]string) error {
	a, m := c.st.accountNamed(v["account"]), c.st.appliance()
	if a == nil {
		return fmt.Errorf("unknown account %q", v["account"])
	}
	if len(c.st.disksOf(m.ID)) > 1 {
		return fmt.Errorf("detach the data disks first")
	}
	m.Account = a.ID
	for _, d := range c.st.disksOf(m.ID) {
		d.Account = a.ID
	}
	return nil
}

func (c *cloud) opUser(v map[string]string) error {
	a := c.st.accountNamed(v["account"])
	if a == nil {
		return fmt.Errorf("unknown account %q", v["account"])
	}
	a.Disabled = v["disabled"] == "true"
	return nil
}

func (c *cloud) opPowerOff(v map[string]string) error {
	g := c.guests[v["vm"]]
	if g == nil {
		return fmt.Errorf("machine %q has no guest", v["vm"])
	}
	_, err := g.q.execute("quit", nil)
	return err
}

func (c *cloud) opExpireJobs(map[string]string) error {
	c.st.purgeJobs(func(*job) bool { return true })
	return nil
}

// purgeJobs forgets finished jobs that are old enough.
func (st *state) purgeJobs(old func(*job) bool) (changed bool) {
	kept := []*job{}
	for _, j := range st.Jobs {
		if j.Status == jobPending || !old(j) {
			kept = append(kept, j)
		}
	}
	changed = len(kept) != len(st.Jobs)
	st.Jobs = kept
	return changed
}
