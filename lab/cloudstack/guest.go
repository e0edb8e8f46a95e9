package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// guest is one running QEMU process. It outlives a crash of this simulator and is adopted by the next one.
type guest struct {
	vm      string
	dir     string
	pid     int
	uefi    bool
	scsi    bool
	q       *qmp
	gone    chan struct{} // closed when the process has ended
	mu      sync.Mutex
	deleted map[string]bool // devices whose unplug the guest has confirmed
	ports   map[string]int  // q35: device -> root port in use
	wake    chan struct{}
}

// guestStart bounds the time from exec to the first QMP answer.
const guestStart = 30 * time.Second

// startGuest launches QEMU and waits until it answers.
func startGuest(ctx context.Context, spec *guestSpec) (*guest, error) {
	if err := os.MkdirAll(spec.dir, 0o755); err != nil {
		return nil, err
	}
	for _, stale := range []string{"qmp.sock", "qemu.pid"} {
		os.Remove(filepath.Join(spec.dir, stale))
	}
	if err := spec.copyVariables(); err != nil {
		return nil, err
	}
	logFile, err := os.Create(filepath.Join(spec.dir, "qemu.log"))
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	cmd := exec.Command("qemu-system-x86_64", spec.arguments()...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = spec.dir, logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a signal to the simulator's group is not for guests
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	g, err := connectGuest(ctx, spec.vm, spec.dir, cmd.Process.Pid, ended)
	if err != nil {
		_ = cmd.Process.Kill()
		<-ended
		text, _ := os.ReadFile(filepath.Join(spec.dir, "qemu.log"))
		return nil, fmt.Errorf("QEMU did not start: %w: %s", err, lastLine(string(text)))
	}
	g.uefi, g.scsi = spec.uefi, spec.rootBus == "scsi"
	return g, nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// connectGuest waits for the QMP socket. The path goes through /proc/self/fd, because a socket path may have 107
// characters only and state directories can be deep.
func connectGuest(ctx context.Context, vm, dir string, pid int, ended <-chan struct{}) (*guest, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	path := fmt.Sprintf("/proc/self/fd/%d/qmp.sock", folder.Fd())
	deadline := time.Now().Add(guestStart)
	for {
		q, err := dialQMP(path)
		if err == nil {
			g := &guest{vm: vm, dir: dir, pid: pid, q: q, gone: make(chan struct{}), deleted: map[string]bool{},
				ports: map[string]int{}, wake: make(chan struct{}, 1)}
			go g.watch(ended)
			return g, nil
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("the process ended")
		case <-ctx.Done():
			return nil, errServerDied
		case <-time.After(30 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no QMP answer in %s: %w", guestStart, err)
		}
	}
}

// adoptGuest connects to a QEMU that an earlier simulator started; nil when there is none.
func adoptGuest(vm, dir string) *guest {
	pid := guestPid(dir)
	if pid == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	g, err := connectGuest(ctx, vm, dir, pid, pollExit(pid))
	if err != nil {
		return nil
	}
	return g
}

// guestPid reads the pid file and believes it only when that process is a QEMU of this directory.
func guestPid(dir string) int {
	raw, err := os.ReadFile(filepath.Join(dir, "qemu.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), dir) {
		return 0
	}
	return pid
}

// pollExit watches a process that is not our child.
func pollExit(pid int) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		for syscall.Kill(pid, 0) == nil {
			time.Sleep(100 * time.Millisecond)
		}
		close(ended)
	}()
	return ended
}

// watch reads events until the process has ended.
func (g *guest) watch(ended <-chan struct{}) {
	defer close(g.gone)
	for {
		select {
		case event := <-g.q.events:
			if event.Event != "DEVICE_DELETED" {
				continue
			}
			var data struct {
				Device string `json:"device"`
			}
			if json.Unmarshal(event.Data, &data) == nil && data.Device != "" {
				g.mu.Lock()
				g.deleted[data.Device] = true
				delete(g.ports, data.Device)
				g.mu.Unlock()
				select {
				case g.wake <- struct{}{}:
				default:
				}
			}
		case <-ended:
			return
		}
	}
}

func (g *guest) alive() bool {
	select {
	case <-g.gone:
		return false
	default:
		return true
	}
}

// waitGone says whether the process ended within d.
func (g *guest) waitGone(ctx context.Context, d time.Duration) bool {
	select {
	case <-g.gone:
		return true
	case <-ctx.Done():
		return !g.alive()
	case <-time.After(d):
		return false
	}
}

// kill ends the process and waits until it is gone, so that its disk files are free.
func (g *guest) kill() {
	if !g.alive() {
		return
	}
	_, _ = g.q.execute("quit", nil)
	if !g.waitGone(context.Background(), 5*time.Second) {
		_ = syscall.Kill(g.pid, syscall.SIGKILL)
		g.waitGone(context.Background(), 5*time.Second)
	}
}

// stop presses the power button and kills the guest when it does not react in time.
func (g *guest) stop(ctx context.Context, wait time.Duration) {
	if _, err := g.q.execute("system_powerdown", nil); err == nil && g.waitGone(ctx, wait) {
		return
	}
	if ctx.Err() == nil {
		g.kill()
	}
}
