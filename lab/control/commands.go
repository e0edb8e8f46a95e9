package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"migratekit/lab/internal/sidechannel"
)

// errNotAllUp is the answer of status when something does not run.
var errNotAllUp = errors.New("not all of the lab is running")

func commandUp(o options) error {
	if err := o.lab.create(); err != nil {
		return err
	}
	release, err := o.lab.lock()
	if err != nil {
		return err
	}
	defer release()
	return o.lab.up(o.contents)
}

// contents is what the simulated vCenter has.
type contents struct {
	noGuests  bool   // blank disks
	inventory string // file; empty: the repository's
}

// up starts what does not run. What a killed simulator left running is stopped first, so that it starts afresh; loop
// devices stay, as the CloudStack simulator takes up the attachments that its records show.
func (l lab) up(has contents) error {
	started := time.Now()
	for _, simulator := range sidechannel.Simulators {
		if l.examine(simulator).Up {
			continue
		}
		if err := l.stopProcesses(simulator); err != nil {
			return err
		}
		fmt.Printf("starting the %s simulator ...\n", simulator)
		var extra []string
		if simulator == "vcenter" {
			images := l.path("images")
			if has.noGuests {
				images = l.path("no-images") // a folder that does not exist: the machines get blank disks
			} else if err := l.prepareImages(); err != nil {
				return fmt.Errorf("no guest images: %w\nwithout guests the lab starts with --no-guests", err)
			}
			if has.inventory == "" {
				has.inventory = filepath.Join(l.root, "lab", "vcenter", "inventory.json")
			}
			extra = []string{"--images", images, "--inventory", has.inventory}
		}
		if err := l.start(simulator, extra...); err != nil {
			return err
		}
	}
	merged := map[string]any{"state": l.state}
	for _, simulator := range sidechannel.Simulators {
		found, err := l.readEndpoint(simulator)
		if err != nil {
			return err
		}
		merged[simulator] = found
	}
	if err := writePrivate(l.path("lab.json"), merged); err != nil {
		return err
	}
	l.summarise(merged, time.Since(started))
	return nil
}

func (l lab) summarise(merged map[string]any, took time.Duration) {
	fmt.Printf("the lab is up (%.1f s), state in %s\n", took.Seconds(), l.state)
	for _, simulator := range sidechannel.Simulators {
		found, _ := merged[simulator].(endpoint)
		fmt.Printf("  %-11s %v\n", simulator, found["url"])
	}
	if vcenter, ok := merged["vcenter"].(endpoint); ok {
		machines, _ := vcenter["machines"].([]any)
		for _, entry := range machines {
			machine, _ := entry.(map[string]any)
			disks, _ := machine["disks"].([]any)
			fmt.Printf("  machine     %-14v %-8v %d disks\n", machine["name"], machine["role"], len(disks))
		}
	}
	fmt.Printf("addresses and files: migratekit-lab env --state %s\n", l.state)
}

func commandDown(o options) error {
	if !o.lab.exists() {
		// The folder may have been deleted under a running lab.
		if len(o.lab.processes()) == 0 && len(o.lab.loopDevices()) == 0 {
			fmt.Printf("there is no lab in %s\n", o.lab.state)
			return nil
		}
		return o.lab.down()
	}
	release, err := o.lab.lock()
	if err != nil {
		return err
	}
	defer release()
	if err := o.lab.down(); err != nil {
		return err
	}
	fmt.Println("the lab is down; its disks are kept until 'migratekit-lab reset'")
	return nil
}

func (l lab) down() error {
	if err := l.stopProcesses(""); err != nil {
		return err
	}
	if err := l.detachLoops(); err != nil {
		return err
	}
	return l.removeTraces()
}

func commandReset(o options) error {
	if !o.lab.exists() {
		fmt.Printf("there is no lab in %s\n", o.lab.state)
		return nil
	}
	release, err := o.lab.lock()
	if err != nil {
		return err
	}
	defer release()
	wasUp := len(o.lab.processes()) > 0
	if err := o.lab.down(); err != nil {
		return err
	}
	for _, folder := range append([]string{"images", "log"}, sidechannel.Simulators...) {
		if err := os.RemoveAll(o.lab.path(folder)); err != nil {
			return fmt.Errorf("deleting the lab's data: %w", err)
		}
	}
	fmt.Println("the lab is empty")
	if !wasUp {
		return nil
	}
	if err := o.lab.create(); err != nil {
		return err
	}
	return o.lab.up(o.contents)
}

func commandStatus(o options) error {
	report := struct {
		State      string   `json:"state"`
		Up         bool     `json:"up"`
		Simulators []health `json:"simulators"`
		Guests     int      `json:"guests"`
		Loops      []string `json:"loop_devices"`
	}{State: o.lab.state, Up: true, Loops: o.lab.loopDevices()}
	for _, simulator := range sidechannel.Simulators {
		state := o.lab.examine(simulator)
		report.Up = report.Up && state.Up
		report.Simulators = append(report.Simulators, state)
	}
	for _, running := range o.lab.processes() {
		if strings.HasPrefix(running.program, "qemu-system") {
			report.Guests++
		}
	}
	if o.json {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	} else {
		fmt.Printf("lab in %s\n", report.State)
		for _, state := range report.Simulators {
			if state.Up {
				fmt.Printf("  %-11s up    %s (process %d)\n", state.Name, state.URL, state.Process)
			} else {
				fmt.Printf("  %-11s down  %s\n", state.Name, state.Problem)
			}
		}
		fmt.Printf("  %d guests running, %d loop devices in use\n", report.Guests, len(report.Loops))
	}
	if !report.Up {
		return errNotAllUp
	}
	return nil
}

// commandEnv prints every plain value of both endpoints: MIGRATEKIT_LAB_VCENTER_URL and so on.
func commandEnv(o options) error {
	lines := []string{"export MIGRATEKIT_LAB_STATE=" + quote(o.lab.state)}
	for _, simulator := range sidechannel.Simulators {
		found, err := o.lab.readEndpoint(simulator)
		if err != nil {
			return fmt.Errorf("the lab in %s is not up: %w", o.lab.state, err)
		}
		names := []string{}
		for name := range found {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			if text, plain := found[name].(string); plain {
				variable := strings.ToUpper("migratekit_lab_" + simulator + "_" + name)
				lines = append(lines, "export "+variable+"="+quote(text))
			}
		}
	}
	fmt.Println(strings.Join(lines, "\n"))
	return nil
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
