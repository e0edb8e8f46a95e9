package main

import (
	"reflect"
	"testing"

	"migratekit/lab/vcenter/storage"
)

func machineWithLinks(live int, snapshots ...int) *machine {
	m := &machine{spec: machineSpec{Name: "m", Datastore: "ds", Disks: []diskSpec{
		{Key: 2000, Size: 512}, {Key: 2001, Size: 512, Mode: "independent_persistent"}}}, liveLink: live}
	for _, link := range snapshots {
		m.snapshots = append(m.snapshots, &snapshotState{link: link})
	}
	return m
}

func TestChainNamesLinksNewestFirst(t *testing.T) {
	m := machineWithLinks(2, 0, 1)
	for holder, want := range [][]string{
		{"[ds] m/m.vmdk"},
		{"[ds] m/m-000001.vmdk", "[ds] m/m.vmdk"},
		{"[ds] m/m-000002.vmdk", "[ds] m/m-000001.vmdk", "[ds] m/m.vmdk"},
	} {
		if got := m.chain(0, holder); !reflect.DeepEqual(got, want) {
			t.Errorf("holder %d: got %v, want %v", holder, got, want)
		}
	}
	if got := m.chain(1, 2); !reflect.DeepEqual(got, []string{"[ds] m/m_1.vmdk"}) {
		t.Errorf("an independent disk has no links: %v", got)
	}
}

func TestNewLinkIsTheLowestFreeNumber(t *testing.T) {
	for want, m := range map[int]*machine{
		1: machineWithLinks(0), 2: machineWithLinks(1, 0), 3: machineWithLinks(1, 0, 2)} {
		if got := m.newLink(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}

func TestChangeIDHasVMwareForm(t *testing.T) {
	got := changeID(storage.Tracking{UUID: "52de3c12-3456-789a-bcde-f0123456789a", Epoch: 7})
	if want := "52 de 3c 12 34 56 78 9a-bc de f0 12 34 56 78 9a/7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if changeID(storage.Tracking{}) != "" {
		t.Error("an untracked disk has no change id")
	}
}
