package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"migratekit/lab/internal/sidechannel"
)

const (
	politeLimit = 20 * time.Second // a simulator shuts its guests down before it ends
	childLimit  = 3 * time.Second
	killLimit   = 5 * time.Second
	detachLimit = 5 * time.Second
)

// Only these programs belong to a lab. The product's own processes mention the lab's folders too (its devices live
// there) and must never be taken for debris.
var labPrograms = []string{"lab-vcenter", "lab-cloudstack", "qemu-system-x86_64", "qemu-storage-daemon",
	"qemu-nbd", "qemu-img"}

type process struct {
	id      int
	program string
}

// processes lists the running processes of this lab: a lab program that names one of the simulators' folders among
// its arguments, or stands in it.
func (l lab) processes() []process {
	found := []process{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil || id == os.Getpid() {
			continue
		}
		if program := l.ownProgram(id); program != "" {
			found = append(found, process{id, program})
		}
	}
	return found
}

// ownProgram names the program of a process when it belongs to this lab.
func (l lab) ownProgram(id int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id)) // empty for a process that is dead already
	if err != nil || len(text) == 0 {
		return ""
	}
	arguments := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	name := filepath.Base(arguments[0])
	known := false
	for _, program := range labPrograms {
		known = known || name == program
	}
	if !known {
		return ""
	}
	folder, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", id))
	for _, simulator := range sidechannel.Simulators {
		if mentions(arguments[1:], l.path(simulator)) || mentions([]string{folder}, l.path(simulator)) {
			return name
		}
	}
	return ""
}

// mentions says whether an argument contains the path itself or something below it, and not a longer name.
func mentions(arguments []string, path string) bool {
	for _, argument := range arguments {
		for rest := argument; ; {
			at := strings.Index(rest, path)
			if at < 0 {
				break
			}
			after := rest[at+len(path):]
			beginsHere := at == 0 || strings.ContainsAny(rest[at-1:at], "=:,\"' ")
			if beginsHere && (after == "" || strings.ContainsAny(after[:1], "/,\"' ")) {
				return true
			}
			rest = after
		}
	}
	return false
}

// stopProcesses ends the lab's processes: simulators first, as they end their guests cleanly, then what is left.
func (l lab) stopProcesses(only string) error {
	chosen := func() (simulators, others []process) {
		for _, running := range l.processes() {
			switch {
			case only != "" && !l.belongs(running.id, only):
			case strings.HasPrefix(running.program, "lab-"):
				simulators = append(simulators, running)
			default:
				others = append(others, running)
			}
		}
		return simulators, others
	}
	simulators, _ := chosen()
	l.signalAndWait(simulators, syscall.SIGTERM, politeLimit)
	_, others := chosen()
	l.signalAndWait(others, syscall.SIGTERM, childLimit)
	simulators, others = chosen()
	l.signalAndWait(append(simulators, others...), syscall.SIGKILL, killLimit)
	if simulators, others = chosen(); len(simulators)+len(others) > 0 {
		return fmt.Errorf("these processes do not end, not even when killed: %v", append(simulators, others...))
	}
	return nil
}

func (l lab) belongs(id int, simulator string) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
	folder, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", id))
	return mentions(append(strings.Split(string(text), "\x00"), folder), l.path(simulator))
}

func (l lab) signalAndWait(targets []process, signal syscall.Signal, limit time.Duration) {
	for _, target := range targets {
		syscall.Kill(target.id, signal)
	}
	waitUntil(limit, func() bool {
		for _, target := range targets {
			if l.ownProgram(target.id) == target.program {
				return false
			}
		}
		return true
	})
}

func waitUntil(limit time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(pollEvery) {
		if done() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// loopDevices lists the loop devices whose backing file lies below the lab, also when the file is deleted already.
func (l lab) loopDevices() []string {
	found := []string{}
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range files {
		backing, err := os.ReadFile(file)
		if err == nil && strings.HasPrefix(string(backing), l.state+"/") {
			found = append(found, "/dev/"+filepath.Base(filepath.Dir(filepath.Dir(file))))
		}
	}
	sort.Strings(found)
	return found
}

// detachLoops releases the lab's loop devices. A device that somebody holds open is released by the kernel only when it
// is closed; that somebody is named.
func (l lab) detachLoops() error {
	for _, device := range l.loopDevices() {
		command := []string{"losetup", "-d", device}
		if os.Geteuid() != 0 {
			command = append([]string{"sudo", "-n"}, command...)
		}
		run := exec.Command(command[0], command[1:]...)
		run.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
		if out, err := run.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot release %s (%s): %w. Loop devices need root rights: run this command with sudo",
				device, strings.TrimSpace(string(out)), err)
		}
	}
	if waitUntil(detachLimit, func() bool { return len(l.loopDevices()) == 0 }) {
		return nil
	}
	device := l.loopDevices()[0]
	return fmt.Errorf("%s is still in use by %s; end that process and run 'migratekit-lab down' again", device, holders(device))
}

// holders names the processes that have a device open, as far as this user may see them.
func holders(device string) string {
	names := []string{}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == device {
			id := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + id + "/comm")
			names = append(names, strings.TrimSpace(string(name))+" (process "+id+")")
		}
	}
	if len(names) == 0 {
		return "a mount, a partition or a process of another user"
	}
	return strings.Join(names, ", ")
}

// removeTraces deletes what only says "I am running": sockets, endpoints, pid files, links to released devices.
func (l lab) removeTraces() error {
	traces := []string{l.path("lab.json")}
	for _, simulator := range sidechannel.Simulators {
		traces = append(traces, l.endpointPath(simulator))
		err := filepath.WalkDir(l.path(simulator), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case entry.Type()&fs.ModeSocket != 0, entry.Type().IsRegular() && strings.HasSuffix(path, ".pid"):
				traces = append(traces, path)
			case entry.Type()&fs.ModeSymlink != 0 && filepath.Base(filepath.Dir(path)) == "by-id":
				traces = append(traces, path)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, trace := range traces {
		if err := os.Remove(trace); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
