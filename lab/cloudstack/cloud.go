package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"migratekit/lab/internal/watch"
)

// cloud is the management server and its one KVM cluster.
//
// Locking: mu protects st and every map below it. Handlers run with mu held; the slow work of a job (copying files,
// starting guests, waiting for a hot-unplug) runs without it and takes it again to change states.
type cloud struct {
	dir    string
	meta   *metadata
	table  map[string]*command
	faults *faultBook
	desk   watch.Desk  // commands that are held
	calls  watch.Calls // what was asked

	mu         sync.Mutex
	st         *state
	guests     map[string]*guest   // machine id -> its QEMU process
	loops      *loopHost           // devices of the appliance
	queues     map[string]*vmQueue // machine id -> jobs waiting for it
	throttles  map[string]*throttle
	violations []string // answers that were not in the metadata
	downUntil  time.Time

	life   context.Context // ends with the "management server": cancelled by a kill or at shutdown
	die    context.CancelFunc
	closed bool
	work   sync.WaitGroup
}

func openCloud(dir string) (*cloud, error) {
	meta, err := loadMetadata(release)
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"volumes", "snapshots", "by-id", "vms"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	st, err := loadState(dir)
	if err != nil {
		return nil, err
	}
	if st == nil {
		st = seedState()
	}
	c := &cloud{dir: dir, meta: meta, st: st, faults: newFaultBook(), guests: map[string]*guest{}, throttles: map[string]*throttle{}}
	c.loops = newLoopHost(filepath.Join(dir, "by-id"))
	c.table = commandTable()
	for name := range c.table {
		if meta.commands[name] == nil {
			return nil, fmt.Errorf("command %s is not in apis.json", name)
		}
	}
	c.begin()
	return c, nil
}

// begin starts the life of a management server: at process start and after a kill. mu is held or not yet shared.
func (c *cloud) begin() {
	c.life, c.die = context.WithCancel(context.Background())
	c.queues = map[string]*vmQueue{}
}

// save writes state.json; mu is held.
func (c *cloud) save() {
	if err := c.st.save(c.dir); err != nil {
		log.Printf("state.json cannot be written: %v", err)
	}
}

func (c *cloud) volumePath(id string) string   { return filepath.Join(c.dir, "volumes", id) }
func (c *cloud) snapshotPath(id string) string { return filepath.Join(c.dir, "snapshots", id) }
func (c *cloud) vmDir(id string) string        { return filepath.Join(c.dir, "vms", id) }

// recoverStart brings records and reality together after a restart: unfinished jobs are failed without a result,
// transitional states move back, guests that still run are adopted, loop devices are made again.
func (c *cloud) recoverStart() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failUnfinishedJobs()
	c.moveBackTransitional()
	c.adoptGuests()
	err := c.restoreLoops()
	c.save()
	return err
}

// moveBackTransitional applies the "operation failed" event to everything that was on its way; mu is held.
func (c *cloud) moveBackTransitional() {
	for _, v := range c.st.Volumes {
		switch v.State {
		case stAttaching, stSnapshotting, stReverting, stResizing:
			v.State = stReady
		case stCreating:
			v.State = stAllocated
			v.NeverPlaced = true
			os.Remove(c.volumePath(v.ID))
		case stExpunging:
			c.expungeVolume(v)
		}
	}
	for _, s := range c.st.Snapshots {
		switch s.State {
		case stAllocated, stCreating, stOnPrimary, stBackingUp:
			s.State = stError
		case stDestroying:
			s.State = stBackedUp
		}
	}
	for _, m := range c.st.VMs {
		switch m.State {
		case stStarting:
			m.State = stStopped
			c.killStray(m.ID)
		case stStopping:
			m.State = stRunning
			if c.guests[m.ID] == nil && !c.guestAlive(m.ID) {
				m.State = stStopped
			}
		}
	}
}

// killManagement plays the crash of the management server: running jobs die where they are, their results are lost,
// the API is away for the given time. Guests and devices go on, as they live on the KVM host. mu is held.
func (c *cloud) killManagement(down time.Duration) {
	log.Printf("management server killed, away for %s", down)
	c.die()
	c.begin()
	c.downUntil = time.Now().Add(down)
	c.failUnfinishedJobs()
	c.moveBackTransitional()
	c.save()
}

// shutdown stops guests and takes the loop devices away. Records stay as they are: the next start makes the devices
// again and reports the machines as Stopped.
func (c *cloud) shutdown() {
	c.mu.Lock()
	c.closed = true
	c.die()
	c.mu.Unlock()
	c.work.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, g := range c.guests {
		g.kill()
		if vm := c.st.vm(id); vm != nil {
			vm.State = stStopped
		}
	}
	c.loops.releaseAll(filepath.Join(c.dir, "volumes"))
	c.save()
}

// housekeeping purges old jobs and expunges machines that were destroyed long ago.
func (c *cloud) housekeeping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	expire := time.Duration(c.st.settingInt("job.expire.minutes")) * time.Minute
	changed := c.st.purgeJobs(func(j *job) bool { return now.Sub(j.Completed) >= expire })
	delay := time.Duration(c.st.settingInt("expunge.delay")) * time.Second
	for _, m := range c.st.VMs {
		if m.State == stDestroyed && !m.Removed && now.Sub(m.Updated) > delay {
			c.expungeMachine(m)
			changed = true
		}
	}
	if changed {
		c.save()
	}
}
