package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// loopHost plays the KVM host of the appliance: a volume attached to it appears as a loop device with a link
// by-id/virtio-<serial>, as a virtio disk would. Loop devices need root; everything else here does not.
type loopHost struct {
	links string
	mu    sync.Mutex
}

func newLoopHost(links string) *loopHost { return &loopHost{links: links} }

func (h *loopHost) link(volumeID string) string {
	return filepath.Join(h.links, "virtio-"+serial(volumeID))
}

// privileged runs a command as root, through "sudo -n" when this process is not root.
func privileged(args ...string) (string, error) {
	if os.Geteuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// deviceOf finds the loop device whose backing file is path; "" when there is none.
func deviceOf(path string) string {
	found, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, entry := range found {
		raw, err := os.ReadFile(entry)
		if err != nil {
			continue // detached in between
		}
		backing := strings.TrimSuffix(strings.TrimSpace(string(raw)), " (deleted)")
		if backing == path {
			return "/dev/" + strings.Split(entry, "/")[3]
		}
	}
	return ""
}

// attach makes the loop device of a volume, or takes the one that is already there; the link appears after late.
func (h *loopHost) attach(volumeID, path string, late time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	device := deviceOf(path)
	if device == "" {
		out, err := privileged("losetup", "--direct-io=off", "-f", "--show", path)
		if err != nil {
			return fmt.Errorf("no loop device for volume %s (root or sudo is needed): %w", volumeID, err)
		}
		device = out
		if os.Geteuid() != 0 {
			if _, err := privileged("chown", fmt.Sprint(os.Getuid()), device); err != nil {
				return err
			}
		}
	}
	if late <= 0 {
		return h.point(volumeID, device)
	}
	time.AfterFunc(late, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if deviceOf(path) == device {
			if err := h.point(volumeID, device); err != nil {
				log.Printf("late link of volume %s: %v", volumeID, err)
			}
		}
	})
	return nil
}

// point makes the link and removes any stale link to the same node: loop numbers are used again.
func (h *loopHost) point(volumeID, device string) error {
	entries, err := os.ReadDir(h.links)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		other := filepath.Join(h.links, entry.Name())
		if target, err := os.Readlink(other); err == nil && target == device {
			os.Remove(other)
		}
	}
	temporary := h.link(volumeID) + ".new"
	os.Remove(temporary)
	if err := os.Symlink(device, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, h.link(volumeID))
}

// errStillHeld means that somebody keeps the device open. The kernel lets it go when the last holder closes it.
var errStillHeld = errors.New("device is held open")

// unplugPoll is how often a device in the process of unplug is looked at.
const unplugPoll = 50 * time.Millisecond

// detach asks for the removal and waits until the device is gone. On errStillHeld the link stays until it really is.
func (h *loopHost) detach(volumeID, path string, wait time.Duration) error {
	device := deviceOf(path)
	if device == "" {
		os.Remove(h.link(volumeID))
		return nil
	}
	if _, err := privileged("losetup", "-d", device); err != nil && deviceOf(path) != "" {
		return err
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(unplugPoll) {
		if deviceOf(path) == "" {
			os.Remove(h.link(volumeID))
			return nil
		}
		if !time.Now().Before(deadline) {
			break
		}
	}
	go func() { // the guest may release it later: the link must not outlive the device
		for deviceOf(path) == device {
			time.Sleep(unplugPoll)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if deviceOf(path) == "" {
			os.Remove(h.link(volumeID))
		}
	}()
	return errStillHeld
}

// resize tells the loop device that its file has grown.
func (h *loopHost) resize(path string) error {
	device := deviceOf(path)
	if device == "" {
		return nil
	}
	_, err := privileged("losetup", "-c", device)
	return err
}

// flush writes what the device still holds in memory to its file.
func (h *loopHost) flush(path string) error {
	device := deviceOf(path)
	if device == "" {
		return nil
	}
	_, err := privileged("blockdev", "--flushbufs", device)
	return err
}

// releaseAll removes every link and every loop device on files under a directory.
func (h *loopHost) releaseAll(under string) {
	entries, _ := os.ReadDir(h.links)
	for _, entry := range entries {
		os.Remove(filepath.Join(h.links, entry.Name()))
	}
	for path, device := range devicesUnder(under) {
		if _, err := privileged("losetup", "-d", device); err != nil {
			log.Printf("%s of %s stays: %v", device, path, err)
		}
	}
}

// devicesUnder maps backing files below a directory to their devices.
func devicesUnder(dir string) map[string]string {
	devices := map[string]string{}
	found, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, entry := range found {
		raw, err := os.ReadFile(entry)
		if err != nil {
			continue
		}
		backing := strings.TrimSuffix(strings.TrimSpace(string(raw)), " (deleted)")
		if strings.HasPrefix(backing, dir+"/") {
			devices[backing] = "/dev/" + strings.Split(entry, "/")[3]
		}
	}
	return devices
}

// restoreLoops makes reality follow the records after a crash: volumes recorded on the appliance have a device, no
// other volume has one. mu is held.
func (c *cloud) restoreLoops() error {
	appliance := c.st.appliance()
	wanted := map[string]bool{}
	var failed error
	for _, v := range c.st.disksOf(appliance.ID) {
		if v.Type == "ROOT" || v.NeverPlaced {
			continue
		}
		wanted[c.volumePath(v.ID)] = true
	}
	for path, device := range devicesUnder(filepath.Join(c.dir, "volumes")) {
		if !wanted[path] {
			if _, err := privileged("losetup", "-d", device); err != nil {
				log.Printf("stray %s stays: %v", device, err)
			}
		}
	}
	entries, _ := os.ReadDir(c.loops.links)
	for _, entry := range entries {
		os.Remove(filepath.Join(c.loops.links, entry.Name()))
	}
	for path := range wanted {
		if err := c.loops.attach(filepath.Base(path), path, 0); err != nil {
			log.Printf("%v", err)
			failed = err
		}
	}
	return failed
}
