package storage

import (
	"bytes"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"migratekit/lab/vcenter/areas"
	"migratekit/lab/vcenter/nbd"
)

const grain = areas.Granularity

func startHost(t *testing.T, sizes map[int32]int64) *Host {
	t.Helper()
	if _, err := exec.LookPath("qemu-storage-daemon"); err != nil {
		t.Skip("qemu-storage-daemon is not installed")
	}
	dir, err := os.MkdirTemp("", "storage") // short: unix socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	var specs []DiskSpec
	for key, size := range sizes {
		path := filepath.Join(dir, node(key)+".img")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		specs = append(specs, DiskSpec{key, path})
	}
	h, err := Start(dir, "m", specs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(); os.RemoveAll(dir) })
	return h
}

func noise(seed, length int64) []byte {
	data := make([]byte, length)
	rand.New(rand.NewSource(seed)).Read(data)
	return data
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contentOf(t *testing.T, conn *nbd.Conn, err error) []byte {
	t.Helper()
	must(t, err)
	defer conn.Close()
	data := make([]byte, conn.Size())
	_, err = conn.ReadAt(data, 0)
	must(t, err)
	return data
}

func expectChanged(t *testing.T, h *Host, id int, since Tracking, want []areas.Area) {
	t.Helper()
	got, err := h.Changed(id, 2000, since)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("changed since %v: got %v, want %v", since, got, want)
	}
}

func TestFrozenContentAndChangedAreasAreExact(t *testing.T) {
	const size = 4<<20 + 1536 // an end that is no multiple of the granularity
	keys := []int32{2000, 2001}
	h := startHost(t, map[int32]int64{2000: size, 2001: 1 << 20})
	must(t, h.ActivateTracking(keys))
	base := h.Tracking(2000)
	must(t, h.Write(2000, 100, noise(1, 1000)))
	must(t, h.Write(2000, size-512, noise(2, 512)))

	first, err := h.Freeze(keys)
	must(t, err)
	conn, err := h.OpenFrozen(first.ID, 2000)
	before := contentOf(t, conn, err)
	must(t, h.Write(2000, 10*grain, noise(4, 2*grain)))
	must(t, h.Write(2000, 0, noise(5, 200)))
	second, err := h.Freeze(keys) // two frozen states at once, as with somebody else's snapshot
	must(t, err)
	must(t, h.Write(2000, 20*grain, noise(6, 512)))

	conn, err = h.OpenFrozen(first.ID, 2000)
	if !bytes.Equal(before, contentOf(t, conn, err)) {
		t.Error("frozen content changed")
	}
	expect := func(id int, since Tracking, want []areas.Area) { t.Helper(); expectChanged(t, h, id, since, want) }
	tail := areas.Area{Start: 64 * grain, Length: 1536}
	expect(first.ID, base, []areas.Area{{Start: 0, Length: grain}, tail})
	expect(second.ID, first.Disks[2000].Tracking, []areas.Area{{Start: 0, Length: grain}, {Start: 10 * grain, Length: 2 * grain}})
	expect(second.ID, base, []areas.Area{{Start: 0, Length: grain}, {Start: 10 * grain, Length: 2 * grain}, tail})
	expect(0, second.Disks[2000].Tracking, []areas.Area{{Start: 20 * grain, Length: grain}})
	expect(second.ID, second.Disks[2000].Tracking, nil)

	must(t, h.Thaw(first.ID))
	conn, err = h.OpenFrozen(second.ID, 2000)
	frozen := contentOf(t, conn, err)
	if !bytes.Equal(frozen[10*grain:12*grain], noise(4, 2*grain)) || !bytes.Equal(frozen[20*grain:20*grain+512], make([]byte, 512)) {
		t.Error("second frozen state is not what the disk held")
	}
	must(t, h.Thaw(second.ID))
}

func TestAllocatedCoversWrittenBlocksOnly(t *testing.T) {
	h := startHost(t, map[int32]int64{2000: 64 << 20})
	must(t, h.Write(2000, 32<<20, noise(1, grain)))
	f, err := h.Freeze([]int32{2000})
	must(t, err)
	got, err := h.Allocated(f.ID, 2000)
	must(t, err)
	want := []areas.Area{{Start: 32 << 20, Length: grain}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestForeignAndResetChangeIdsAreRefused(t *testing.T) {
	h := startHost(t, map[int32]int64{2000: 1 << 20})
	keys := []int32{2000}
	must(t, h.ActivateTracking(keys))
	old := h.Tracking(2000)
	f, err := h.Freeze(keys)
	must(t, err)
	for _, bad := range []Tracking{{}, {UUID: "other", Epoch: 1}, {UUID: old.UUID, Epoch: 0}, {UUID: old.UUID, Epoch: 3}} {
		if _, err := h.Changed(f.ID, 2000, bad); err != ErrNoTracking {
			t.Errorf("%v: %v", bad, err)
		}
	}
	must(t, h.ResetTracking(2000))
	if h.Tracking(2000).UUID == old.UUID {
		t.Error("uuid unchanged after a reset")
	}
	if _, err := h.Changed(f.ID, 2000, old); err != ErrNoTracking {
		t.Errorf("after reset: %v", err)
	}
}

func TestGrowRestartsTrackingAndIsRefusedWhileFrozen(t *testing.T) {
	h := startHost(t, map[int32]int64{2000: 1 << 20})
	must(t, h.ActivateTracking([]int32{2000}))
	old := h.Tracking(2000)
	f, err := h.Freeze([]int32{2000})
	must(t, err)
	if h.Grow(2000, 2<<20) == nil {
		t.Error("grew under a snapshot")
	}
	must(t, h.Thaw(f.ID))
	must(t, h.Grow(2000, 2<<20))
	if h.Capacity(2000) != 2<<20 || h.Tracking(2000).UUID == old.UUID {
		t.Error("capacity or tracking not renewed")
	}
	must(t, h.Write(2000, 2<<20-512, noise(1, 512)))
}
