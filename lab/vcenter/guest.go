package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"migratekit/lab/vcenter/proc"
	"migratekit/lab/vcenter/storage"
)

// guest is the running operating system of a machine: a QEMU process whose disks are NBD connections to the storage
// daemon, so that every write is tracked and frozen content stays frozen.
type guest struct {
	spec   machineSpec
	dir    string // sockets, pid file, firmware variables, serial log
	socket string // of the storage daemon

	mu  sync.Mutex
	run *guestRun
}

// guestRun is one time between power on and off.
type guestRun struct {
	process    *proc.Process
	serial     string
	serialFrom int64 // where the console output of this run begins
}

// marker is what a guest prints when it is up; see the guest builder of the lab.
const marker = "BEACON host="

// Fixed paths of Debian's ovmf package.
const (
	firmwareCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	firmwareVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

func (g *guest) path(suffix string) string { return filepath.Join(g.dir, g.spec.Name+"."+suffix) }

func (g *guest) serialLog() string { return g.path("serial.log") }

func (g *guest) start() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.run != nil && g.run.process.Running() {
		return errors.New("the guest is running already")
	}
	arguments, err := g.arguments()
	if err != nil {
		return err
	}
	os.Remove(g.path("tools"))
	run := &guestRun{serial: g.serialLog()}
	if info, err := os.Stat(run.serial); err == nil {
		run.serialFrom = info.Size()
	}
	if run.process, err = proc.Start(arguments, g.path("qemu.log"), g.path("qemu.pid")); err != nil {
		return err
	}
	g.run = run
	return nil
}

func (g *guest) arguments() ([]string, error) {
	memory := g.spec.MemoryMB
	arguments := []string{"qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-nodefaults", "-no-reboot",
		"-name", g.spec.Name, "-m", strconv.Itoa(int(memory)), "-smp", "1",
		"-chardev", "file,id=console,append=on,path=" + g.serialLog(), "-serial", "chardev:console",
		"-chardev", "socket,id=tools,server=on,wait=off,path=" + g.path("tools"), "-serial", "chardev:tools"}
	if g.spec.Firmware == "efi" {
		// Fresh variables each time: with those of another controller type a guest lands in the UEFI shell.
		vars := g.path("vars.fd")
		if err := copySparse(firmwareVars, vars); err != nil {
			return nil, err
		}
		arguments = append(arguments, "-machine", "q35",
			"-drive", "if=pflash,format=raw,readonly=on,file="+firmwareCode,
			"-drive", "if=pflash,format=raw,file="+vars)
	}
	if g.spec.Controller == "pvscsi" {
		arguments = append(arguments, "-device", "pvscsi")
	}
	for i, d := range g.spec.Disks {
		node := fmt.Sprintf("d%d", i)
		// The guest waits through the moment in which the export is renewed when a disk grows.
		arguments = append(arguments, "-blockdev", fmt.Sprintf("driver=nbd,node-name=%s,server.type=unix,server.path=%s,"+
			"export=%s,discard=unmap,reconnect-delay=30", node, g.socket, storage.LiveExport(d.Key)), "-device", g.diskDevice(i, node))
	}
	return arguments, nil
}

func (g *guest) diskDevice(index int, node string) string {
	if g.spec.Controller == "nvme" {
		return fmt.Sprintf("nvme,drive=%s,serial=VMWARE-NVME-%d", node, index)
	}
	return "scsi-hd,drive=" + node
}

// current is the run in progress, nil when the guest is off.
func (g *guest) current() *guestRun {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.run
}

func (g *guest) ended(run *guestRun) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.run == run {
		g.run = nil
	}
}

func (g *guest) kill() {
	if run := g.current(); run != nil {
		run.process.Kill()
		g.ended(run)
	}
}

// shutdown sends the word to the tools channel, the guest's second serial port.
func (g *guest) shutdown() error {
	conn, err := net.DialTimeout("unix", g.path("tools"), 5*time.Second)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("shutdown\n")); err != nil {
		conn.Close()
		return err
	}
	// QEMU drops unread input when its peer goes away, so the channel stays open for the rest of the run.
	go func() {
		conn.SetDeadline(time.Time{})
		io.Copy(io.Discard, conn)
		conn.Close()
	}()
	return nil
}

// awaitMarker waits until the guest of this run has reported itself; false when it ended before.
func (r *guestRun) awaitMarker() bool {
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	for {
		if r.hasMarker() {
			return true
		}
		select {
		case <-r.process.Done():
			return false
		case <-ticker.C:
		}
	}
}

func (r *guestRun) hasMarker() bool {
	f, err := os.Open(r.serial)
	if err != nil {
		return false
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, r.serialFrom, 1<<20))
	return err == nil && bytes.Contains(text, []byte(marker))
}
