package main

import (
	"strings"
	"testing"
)

func TestBusFollowsDetailsThenGuestOS(t *testing.T) {
	for _, test := range []struct{ root, data, os, wantRoot, wantData string }{
		{"", "", "Debian GNU/Linux 12 (64-bit)", "virtio", "virtio"},
		{"", "", "Other PV Virtio-SCSI (64-bit)", "scsi", "scsi"},
		{"", "", "Windows Non-VirtIO (64-bit)", "ide", "virtio"},
		{"scsi", "", "Debian", "scsi", "scsi"},
		{"sata", "", "Debian", "sata", "virtio"},
		{"ide", "scsi", "Debian", "ide", "scsi"},
	} {
		details := map[string]string{"rootDiskController": test.root, "dataDiskController": test.data}
		root := busFor(details, test.os)
		if data := dataBusFor(details, root); root != test.wantRoot || data != test.wantData {
			t.Errorf("%+v: root %s data %s", test, root, data)
		}
	}
}

func TestDiskDevices(t *testing.T) {
	const volume = "c6ef61d1-300f-442a-86e5-e31f482b64ab"
	for _, test := range []struct {
		bus   string
		uefi  bool
		index int
		want  string
	}{
		{"virtio", false, 0, "virtio-blk-pci,"}, {"scsi", true, 3, "scsi-hd,bus=scsi0.0,scsi-id=3,"},
		{"ide", false, 3, "ide-hd,bus=ide.1,unit=1,"}, {"ide", true, 3, "ide-hd,bus=ide.3,"},
		{"sata", false, 2, "ide-hd,bus=ahci0.2,"}, {"sata", true, 2, "ide-hd,bus=ide.2,"},
	} {
		spec := &guestSpec{rootBus: test.bus, dataBus: test.bus, uefi: test.uefi}
		got := spec.diskDevice(guestDisk{volume: volume, root: true}, test.index)
		if !strings.HasPrefix(got, test.want) || !strings.Contains(got, "serial=c6ef61d1300f442a86e5,") {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestLoopbackBlockStaysInItsSpace(t *testing.T) {
	for port, want := range map[int]string{0: "127.64.0", 65535: "127.127.255", 0x8001: "127.64.1", 0xbf10: "127.127.16"} {
		if got := loopbackBlock(port); got != want {
			t.Errorf("port %d: %s, want %s", port, got, want)
		}
	}
}
