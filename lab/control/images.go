package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const imageLimit = 5 * time.Minute // building takes two seconds, copying less; a loaded host may need more

var firmwares = []string{"bios", "uefi"}

// prepareImages puts the guests' disks into the lab. They are built once and kept in the repository's build folder
// under a key of recipe and kernel, so that a second lab, or the next one, only copies them.
func (l lab) prepareImages() error {
	builder := filepath.Join(l.root, "lab", "guests", "build-beacon")
	key, err := runTool(builder, "--key")
	if err != nil {
		return err
	}
	key = strings.TrimSpace(key)
	keyFile := l.path("images", "key")
	if present, err := os.ReadFile(keyFile); err == nil && string(present) == key && l.hasImages(l.path("images")) {
		return nil
	}
	cache := filepath.Join(l.root, "build", "images", key)
	if err := l.fillCache(builder, cache); err != nil {
		return err
	}
	if err := os.RemoveAll(l.path("images")); err != nil {
		return err
	}
	if err := os.MkdirAll(l.path("images"), 0o700); err != nil {
		return err
	}
	for _, firmware := range firmwares {
		if _, err := runTool("cp", "-r", "--sparse=always", "--reflink=auto", beaconFolder(cache, firmware), l.path("images")); err != nil {
			return err
		}
	}
	return os.WriteFile(keyFile, []byte(key), 0o600)
}

// fillCache builds what the cache lacks; two labs that start together build once.
func (l lab) fillCache(builder, cache string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	release, err := lockFile(filepath.Join(filepath.Dir(cache), ".lock"), "another lab builds the guest images; waiting for it")
	if err != nil {
		return err
	}
	defer release()
	if l.hasImages(cache) {
		return nil
	}
	fmt.Println("building the guest images ...")
	for _, firmware := range firmwares {
		if _, err := runTool(builder, beaconFolder(cache, firmware), firmware); err != nil {
			return err
		}
	}
	return nil
}

func beaconFolder(parent, firmware string) string { return filepath.Join(parent, "beacon-"+firmware) }

func (l lab) hasImages(parent string) bool {
	for _, firmware := range firmwares {
		for _, disk := range []string{"root.img", "data.img"} {
			if _, err := os.Stat(filepath.Join(beaconFolder(parent, firmware), disk)); err != nil {
				return false
			}
		}
	}
	return true
}

// runTool runs a short-lived program; what it says on stderr becomes the error.
func runTool(name string, arguments ...string) (string, error) {
	limited, stop := context.WithTimeout(context.Background(), imageLimit)
	defer stop()
	command := exec.CommandContext(limited, name, arguments...)
	complaint := &strings.Builder{}
	command.Stderr = complaint
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}
