package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// state is everything that survives a restart of the management server.
type state struct {
	Port     int // the next start listens here again when it can
	Settings map[string]string
	Sequence int64 // last internal number given out

	Zone, Pod, Cluster, Host, Pool, Domain string
	Offerings                              []serviceOffering
	DiskOfferings                          []diskOffering
	NetworkOfferings                       []networkOffering
	Templates                              []template
	Categories                             []osCategory
	OSTypes                                []osType

	Accounts    []*account
	Volumes     []*volume
	Snapshots   []*snapshot
	VMs         []*machine
	VMSnapshots []*vmSnapshot
	Networks    []*network
	Tags        []*tag
	Events      []*event
	Jobs        []*job
	Limits      map[string]int64 // resource type number -> maximum
}

// keptEvents bounds the event list; it is for diagnosis only.
const keptEvents = 500

func statePath(dir string) string { return filepath.Join(dir, "state.json") }

// loadState returns nil without an error when there is no state yet.
func loadState(dir string) (*state, error) {
	raw, err := os.ReadFile(statePath(dir))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st := &state{}
	if err := json.Unmarshal(raw, st); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", statePath(dir), err)
	}
	return st, nil
}

// save replaces state.json in one step. No fsync: the process may be killed at any time, the loss of the host is
// outside what the lab plays.
func (st *state) save(dir string) error {
	raw, err := json.MarshalIndent(st, "", " ")
	if err != nil {
		return err
	}
	return writeFile(statePath(dir), raw)
}

// writeFile replaces a private file atomically.
func writeFile(path string, content []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func randomKey() string {
	raw := make([]byte, 64)
	if _, err := rand.Read(raw); err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (st *state) next() int64 {
	st.Sequence++
	return st.Sequence
}

func (st *state) volume(id string) *volume {
	for _, v := range st.Volumes {
		if v.ID == id {
			return v
		}
	}
	return nil
}

func (st *state) snapshot(id string) *snapshot {
	for _, s := range st.Snapshots {
		if s.ID == id {
			return s
		}
	}
	return nil
}

func (st *state) vm(id string) *machine {
	for _, m := range st.VMs {
		if m.ID == id {
			return m
		}
	}
	return nil
}

func (st *state) appliance() *machine {
	for _, m := range st.VMs {
		if m.Appliance {
			return m
		}
	}
	return nil
}

func (st *state) network(id string) *network {
	for _, n := range st.Networks {
		if n.ID == id {
			return n
		}
	}
	return nil
}

func (st *state) account(id string) *account {
	for _, a := range st.Accounts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

func (st *state) accountNamed(name string) *account {
	for _, a := range st.Accounts {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (st *state) job(id string) *job {
	for _, j := range st.Jobs {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// disksOf lists the volumes attached to a machine in the order of their device ids.
func (st *state) disksOf(vm string) []*volume {
	var disks []*volume
	for _, v := range st.Volumes {
		if v.VM == vm && !v.Removed {
			disks = append(disks, v)
		}
	}
	sort.Slice(disks, func(i, j int) bool { return disks[i].Device < disks[j].Device })
	return disks
}

func (st *state) vmSnapshotsOf(vm string) []*vmSnapshot {
	var found []*vmSnapshot
	for _, s := range st.VMSnapshots {
		if s.VM == vm {
			found = append(found, s)
		}
	}
	return found
}

// pendingJob is the unfinished job on an object, if any: lists show it as jobid and jobstatus.
func (st *state) pendingJob(instance string) *job {
	for _, j := range st.Jobs {
		if j.Status == jobPending && j.InstanceID == instance {
			return j
		}
	}
	return nil
}

func (st *state) record(e event) {
	e.ID, e.Created = newUUID(), time.Now().UTC()
	st.Events = append(st.Events, &e)
	if len(st.Events) > keptEvents {
		st.Events = st.Events[len(st.Events)-keptEvents:]
	}
}
