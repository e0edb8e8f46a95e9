package main

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"

	"migratekit/lab/vcenter/storage"
)

// machine is the truth about one virtual machine; VirtualMachine shows it to the property collector.
//
// Locks: mu protects the fields below it and is always taken after the registry's lock of the VM, never before it.
// One task at a time works on a machine (busy), as on a real server.
type machine struct {
	// set once
	spec      machineSpec
	self      types.ManagedObjectReference
	datastore types.ManagedObjectReference
	networks  []networkRef
	imageDir  string // empty: no operating system, the power state is a mere flag
	storage   *storage.Host
	guest     *guest
	path      string // inventory path
	lab       *lab

	mu            sync.Mutex
	power         types.VirtualMachinePowerState
	bootTime      *time.Time
	toolsRunning  bool
	cbtEnabled    bool // configured; becomes effective at the next stun
	cbtActive     bool
	snapshots     []*snapshotState // oldest first, each the parent of the next
	liveLink      int              // number of the link that the machine writes to; 0 is the base file
	consolidation bool             // consolidationNeeded
	annotation    string
	snapshotCount int32
	busy          *types.ManagedObjectReference // the task that holds the machine
	archive       bool                          // frozen content outlives its snapshot, for the oracle
}

// networkRef is where an adapter is plugged in; switchUUID is empty for a standard network.
type networkRef struct {
	ref        types.ManagedObjectReference
	switchUUID string
}

// snapshotState is one snapshot of a machine.
type snapshotState struct {
	ref         types.ManagedObjectReference
	name        string
	description string
	id          int32
	created     time.Time
	quiesced    bool
	foreign     bool // made by the lab itself in the role of somebody else
	power       types.VirtualMachinePowerState
	link        int // number of the link that this snapshot froze
	frozen      *storage.Frozen
	tracked     map[int32]storage.Tracking // per disk; empty uuid: no change id
	capacity    map[int32]int64
}

// linkFile is the datastore path of a link of a disk.
func (m *machine) linkFile(index, link int) string {
	name := m.spec.fileBase(index)
	if link > 0 && m.spec.Disks[index].inSnapshots() {
		name = fmt.Sprintf("%s-%06d", name, link)
	}
	return fmt.Sprintf("[%s] %s/%s.vmdk", m.spec.Datastore, m.spec.directory(), name)
}

// chain lists the links below and including the holder, newest first; holder == len(snapshots) is the live machine.
func (m *machine) chain(index, holder int) []string {
	if !m.spec.Disks[index].inSnapshots() {
		return []string{m.linkFile(index, 0)}
	}
	var files []string
	if holder == len(m.snapshots) {
		files = append(files, m.linkFile(index, m.liveLink))
		holder--
	}
	for ; holder >= 0; holder-- {
		files = append(files, m.linkFile(index, m.snapshots[holder].link))
	}
	return files
}

func (m *machine) capacity(index int) int64 {
	if d := m.spec.Disks[index]; d.RawDevice {
		return d.Size
	}
	return m.storage.Capacity(m.spec.Disks[index].Key)
}

// liveView is the disk as the machine's own configuration shows it.
func (m *machine) liveView(index int) diskView {
	view := diskView{links: m.chain(index, len(m.snapshots)), capacity: m.capacity(index)}
	if m.cbtActive {
		view.changeID = changeID(m.storage.Tracking(m.spec.Disks[index].Key))
	}
	return view
}

// snapshotView is the disk as the configuration of snapshot number holder shows it.
func (m *machine) snapshotView(holder, index int) diskView {
	s := m.snapshots[holder]
	key := m.spec.Disks[index].Key
	view := diskView{links: m.chain(index, holder), capacity: s.capacity[key]}
	view.changeID = changeID(s.tracked[key])
	return view
}

// newLink is the lowest number that no link of the chain uses.
func (m *machine) newLink() int {
	used := map[int]bool{0: true, m.liveLink: true}
	for _, s := range m.snapshots {
		used[s.link] = true
	}
	link := 1
	for used[link] {
		link++
	}
	return link
}

func (m *machine) findSnapshot(ref types.ManagedObjectReference) (int, *snapshotState) {
	for i, s := range m.snapshots {
		if s.ref == ref {
			return i, s
		}
	}
	return -1, nil
}

// snapshotKeys are the disks that a snapshot covers; change tracking covers the same ones.
func (m *machine) snapshotKeys() []int32 {
	var keys []int32
	for _, d := range m.spec.Disks {
		if d.inSnapshots() {
			keys = append(keys, d.Key)
		}
	}
	return keys
}

func (m *machine) hasRawDevice() bool {
	for _, d := range m.spec.Disks {
		if d.RawDevice {
			return true
		}
	}
	return false
}

// diskIndex finds a disk by device key, -1 if there is none.
func (m *machine) diskIndex(key int32) int {
	for i, d := range m.spec.Disks {
		if d.Key == key {
			return i
		}
	}
	return -1
}

func changeID(t storage.Tracking) string {
	if t.UUID == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", vmwareUUID(t.UUID), t.Epoch)
}

// vmwareUUID writes a uuid the way VMware does: byte pairs with blanks, one hyphen in the middle. The form contains
// blanks on purpose: clients must treat change ids as opaque.
func vmwareUUID(id string) string {
	var hex []byte
	for i := 0; i < len(id); i++ {
		if id[i] != '-' {
			hex = append(hex, id[i])
		}
	}
	var out bytes.Buffer
	for i := 0; i+1 < len(hex); i += 2 {
		switch {
		case i == 16:
			out.WriteByte('-')
		case i > 0:
			out.WriteByte(' ')
		}
		out.Write(hex[i : i+2])
	}
	return out.String()
}

// deepCopy goes through XML, like the wire does, so that nothing is shared between source and copy.
func deepCopy(from, to interface{}) {
	text, err := xml.Marshal(from)
	if err != nil {
		panic(err)
	}
	decoder := xml.NewDecoder(bytes.NewReader(text))
	decoder.TypeFunc = types.TypeFunc()
	if err := decoder.Decode(to); err != nil {
		panic(err)
	}
}
