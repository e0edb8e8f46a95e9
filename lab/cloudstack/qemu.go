package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// guestDisk is a volume as a guest gets it.
type guestDisk struct {
	volume string
	path   string
	root   bool
}

// guestNic is a network card: user networking, with the guest's port 8080 reachable at the address of the NIC.
type guestNic struct {
	ip, mac  string
	isolated bool
}

// guestSpec is everything that a QEMU command line depends on.
type guestSpec struct {
	vm, name   string
	dir        string
	memory     int64 // MiB
	uefi       bool
	secure     bool
	rootBus    string // virtio, scsi, sata or ide
	dataBus    string
	nicModel   string
	disks      []guestDisk
	nics       []guestNic
	firmwareIn string // directory of the OVMF images
}

const ovmfDir = "/usr/share/OVMF"

// hotplugPorts is how many PCI slots a q35 machine has for disks that come later; then "No more available PCI slots".
const hotplugPorts = 2

func nodeName(volume string) string { return "n-" + serial(volume) }
func diskID(volume string) string   { return "d-" + serial(volume) }

func mustJSON(o object) string {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings and booleans only
	}
	return string(raw)
}

func blockdev(d guestDisk) object {
	return object{"driver": "raw", "node-name": nodeName(d.volume), "discard": "unmap",
		"file": object{"driver": "file", "filename": d.path, "discard": "unmap"}}
}

// arguments builds the QEMU command line: software emulation, one processor, the serial console in a file.
func (s *guestSpec) arguments() []string {
	machineType := "pc"
	if s.uefi {
		machineType = "q35"
	}
	if s.secure {
		machineType += ",smm=on"
	}
	args := []string{
		"-name", s.name, "-uuid", s.vm, "-machine", machineType, "-accel", "tcg", "-smp", "1", "-m", fmt.Sprint(s.memory),
		"-nodefaults", "-no-user-config", "-display", "none",
		"-pidfile", filepath.Join(s.dir, "qemu.pid"),
		"-qmp", "unix:qmp.sock,server=on,wait=off", // relative: the process runs in dir, and socket paths are short
		"-serial", "file:" + filepath.Join(s.dir, "serial.log"),
	}
	if s.uefi {
		args = append(args, s.firmware()...)
		for i := 1; i <= hotplugPorts; i++ {
			args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=rp%d,chassis=%d,slot=%d", i, i, i))
		}
	}
	args = append(args, s.controllers()...)
	for i, d := range s.disks {
		args = append(args, "-blockdev", mustJSON(blockdev(d)), "-device", s.diskDevice(d, i))
	}
	for i, n := range s.nics {
		restrict := "off"
		if n.isolated {
			restrict = "on"
		}
		args = append(args,
			"-netdev", fmt.Sprintf("user,id=net%d,restrict=%s,hostfwd=tcp:%s:8080-:8080", i, restrict, n.ip),
			"-device", fmt.Sprintf("%s,netdev=net%d,mac=%s,romfile=", s.nicModel, i, n.mac))
	}
	return args
}

// firmware: the variables are always a fresh copy; with those of another set of disks a guest lands in the shell.
func (s *guestSpec) firmware() []string {
	code := "OVMF_CODE_4M.fd"
	var extra []string
	if s.secure {
		code = "OVMF_CODE_4M.ms.fd"
		extra = []string{"-global", "driver=cfi.pflash01,property=secure,value=on"}
	}
	return append(extra,
		"-drive", "if=pflash,format=raw,readonly=on,file="+filepath.Join(s.firmwareIn, code),
		"-drive", "if=pflash,format=raw,file="+filepath.Join(s.dir, "vars.fd"))
}

func (s *guestSpec) copyVariables() error {
	if !s.uefi {
		return nil
	}
	name := "OVMF_VARS_4M.fd"
	if s.secure {
		name = "OVMF_VARS_4M.ms.fd"
	}
	raw, err := os.ReadFile(filepath.Join(s.firmwareIn, name))
	if err != nil {
		return fmt.Errorf("UEFI needs the package ovmf: %w", err)
	}
	return writeFile(filepath.Join(s.dir, "vars.fd"), raw)
}

func (s *guestSpec) busOf(d guestDisk) string {
	if d.root {
		return s.rootBus
	}
	return s.dataBus
}

// controllers adds what disks on buses other than virtio-blk need.
func (s *guestSpec) controllers() []string {
	needed := map[string]bool{s.rootBus: true}
	for _, d := range s.disks {
		needed[s.busOf(d)] = true
	}
	var args []string
	if needed["scsi"] {
		args = append(args, "-device", "virtio-scsi-pci,id=scsi0")
	}
	if needed["sata"] && !s.uefi {
		args = append(args, "-device", "ich9-ahci,id=ahci0")
	}
	return args
}

// diskDevice: device ids grow in the order of the disks, so the guest probes them in that order.
func (s *guestSpec) diskDevice(d guestDisk, index int) string {
	common := fmt.Sprintf("drive=%s,id=%s,serial=%s,bootindex=%d", nodeName(d.volume), diskID(d.volume), serial(d.volume), index)
	switch s.busOf(d) {
	case "scsi":
		return fmt.Sprintf("scsi-hd,bus=scsi0.0,scsi-id=%d,%s", index, common)
	case "sata":
		bus := "ahci0"
		if s.uefi {
			bus = "ide" // q35's own controller is AHCI
		}
		return fmt.Sprintf("ide-hd,bus=%s.%d,%s", bus, index, common)
	case "ide":
		if s.uefi {
			return fmt.Sprintf("ide-hd,bus=ide.%d,%s", index, common)
		}
		return fmt.Sprintf("ide-hd,bus=ide.%d,unit=%d,%s", index/2, index%2, common)
	}
	return "virtio-blk-pci," + common
}

// busFor chooses the bus of root disks from the machine's details, else from the name of its guest OS.
func busFor(details map[string]string, osName string) string {
	switch bus := strings.ToLower(details["rootDiskController"]); {
	case bus != "" && bus != "osdefault":
		return bus
	case strings.Contains(osName, "Virtio-SCSI"):
		return "scsi"
	case strings.Contains(osName, "Non-VirtIO"):
		return "ide"
	}
	return "virtio"
}

func dataBusFor(details map[string]string, rootBus string) string {
	switch bus := strings.ToLower(details["dataDiskController"]); {
	case bus != "" && bus != "osdefault":
		return bus
	case rootBus == "scsi":
		return "scsi"
	}
	return "virtio"
}

func nicModelFor(details map[string]string) string {
	switch strings.ToLower(details["nicAdapter"]) {
	case "e1000":
		return "e1000"
	case "rtl8139":
		return "rtl8139"
	}
	return "virtio-net-pci"
}
