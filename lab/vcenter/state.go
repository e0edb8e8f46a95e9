package main

import (
	"fmt"
	"net/url"
	"time"

	"migratekit/lab/vcenter/storage"
)

// labState is what GET /state tells: everything that exists, for the judges of the lab.
type labState struct {
	Machines []machineState `json:"machines"`
	Sessions []sessionState `json:"sessions"`
	Faults   []activeFault  `json:"faults"`
}

type machineState struct {
	Name          string          `json:"name"`
	Moref         string          `json:"moref"`
	Path          string          `json:"path"`
	Power         string          `json:"power"`
	ToolsRunning  bool            `json:"tools_running"`
	Guest         bool            `json:"has_guest"`
	SerialLog     string          `json:"serial_log"`
	CBTEnabled    bool            `json:"cbt_enabled"`
	CBTActive     bool            `json:"cbt_active"`
	Consolidation bool            `json:"consolidation_needed"`
	Task          string          `json:"task,omitempty"`
	Disks         []diskState     `json:"disks"`
	Snapshots     []snapshotEntry `json:"snapshots"`
}

type diskState struct {
	Key      int32     `json:"key"`
	File     string    `json:"file"`
	Capacity int64     `json:"capacity"`
	UUID     string    `json:"uuid"`
	Mode     string    `json:"mode"`
	ChangeID string    `json:"change_id,omitempty"`
	Stored   bool      `json:"stored"` // false: the lab keeps no content (raw device mapping)
	LiveFile string    `json:"live_file,omitempty"`
	Live     *nbdState `json:"live,omitempty"`
}

// nbdState is where content can be read, past everything that is simulated.
type nbdState struct {
	Socket string `json:"socket"`
	Export string `json:"export"`
	URI    string `json:"uri"`
}

type snapshotEntry struct {
	Moref       string         `json:"moref"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Created     time.Time      `json:"created"`
	Origin      string         `json:"origin"` // mine: through the API; foreign: by the lab in somebody else's role
	Current     bool           `json:"current"`
	Quiesced    bool           `json:"quiesced"`
	Disks       []snapshotDisk `json:"disks"`
}

type snapshotDisk struct {
	Key      int32     `json:"key"`
	File     string    `json:"file"`
	Capacity int64     `json:"capacity"`
	ChangeID string    `json:"change_id,omitempty"`
	Frozen   *nbdState `json:"frozen"`
}

type sessionState struct {
	User       string    `json:"user"`
	Client     string    `json:"client"`
	Login      time.Time `json:"login"`
	LastActive time.Time `json:"last_active"`
	Calls      int64     `json:"calls"`
}

func (l *lab) snapshotState() labState {
	state := labState{Machines: []machineState{}, Sessions: []sessionState{}, Faults: l.faults.list()}
	for _, vm := range l.machines {
		state.Machines = append(state.Machines, vm.machine.state())
	}
	for _, s := range l.sessions() {
		state.Sessions = append(state.Sessions, sessionState{User: s.UserName, Client: s.UserAgent, Login: s.LoginTime,
			LastActive: s.LastActiveTime, Calls: s.CallCount})
	}
	return state
}

func (m *machine) state() machineState {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := machineState{Name: m.spec.Name, Moref: m.self.Value, Path: m.path, Power: string(m.power),
		ToolsRunning: m.toolsVisible(), Guest: m.imageDir != "", SerialLog: m.guest.serialLog(), CBTEnabled: m.cbtEnabled,
		CBTActive: m.cbtActive, Consolidation: m.consolidation, Snapshots: []snapshotEntry{}}
	if m.busy != nil {
		state.Task = m.busy.Value
	}
	for i, d := range m.spec.Disks {
		view := m.liveView(i)
		disk := diskState{Key: d.Key, File: view.links[0], Capacity: view.capacity, UUID: m.diskUUID(d.Key), Mode: d.mode(),
			ChangeID: view.changeID, Stored: !d.RawDevice}
		if !d.RawDevice {
			disk.LiveFile = m.diskFile(i)
			disk.Live = m.nbdState(storage.LiveExport(d.Key))
		}
		state.Disks = append(state.Disks, disk)
	}
	for holder, s := range m.snapshots {
		state.Snapshots = append(state.Snapshots, m.snapshotEntry(holder, s))
	}
	return state
}

func (m *machine) snapshotEntry(holder int, s *snapshotState) snapshotEntry {
	entry := snapshotEntry{Moref: s.ref.Value, Name: s.name, Description: s.description, Created: s.created, Origin: "mine",
		Current: holder == len(m.snapshots)-1, Quiesced: s.quiesced, Disks: []snapshotDisk{}}
	if s.foreign {
		entry.Origin = "foreign"
	}
	for i, d := range m.spec.Disks {
		if !d.inSnapshots() {
			continue
		}
		view := m.snapshotView(holder, i)
		entry.Disks = append(entry.Disks, snapshotDisk{Key: d.Key, File: view.links[0], Capacity: view.capacity,
			ChangeID: view.changeID, Frozen: m.nbdState(storage.FrozenExport(s.frozen.ID, d.Key))})
	}
	return entry
}

func (m *machine) nbdState(export string) *nbdState {
	socket := m.storage.Socket()
	return &nbdState{Socket: socket, Export: export,
		URI: fmt.Sprintf("nbd+unix:///%s?%s", export, url.Values{"socket": {socket}}.Encode())}
}
