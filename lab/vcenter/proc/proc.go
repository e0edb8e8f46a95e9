// Package proc starts helper processes so that none outlives the simulator, and removes what a crash left behind.
//
// Contract: every process gets a pid file; children die with the simulator even after kill -9 (parent-death signal).
package proc

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a running child.
type Process struct {
	cmd     *exec.Cmd
	pidFile string
	done    chan struct{} // closed when the child was reaped
}

// starts runs process creation on one locked thread for ever: the parent-death signal is bound to the thread that
// forked, and a thread that the Go runtime retires would take the children with it.
var starts = func() chan func() {
	queue := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range queue {
			f()
		}
	}()
	return queue
}()

// Start runs argv with output going to logPath and writes pidFile.
func Start(argv []string, logPath, pidFile string) (*Process, error) {
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	result := make(chan error)
	starts <- func() { result <- cmd.Start() }
	if err := <-result; err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", argv[0], err)
	}
	p := &Process{cmd: cmd, pidFile: pidFile, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		os.Remove(pidFile)
		close(p.done)
	}()
	return p, os.WriteFile(pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600)
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running tells whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Stop asks with SIGTERM, kills after grace and waits for the end.
func (p *Process) Stop(grace time.Duration) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// Kill ends the process at once and waits until it is reaped.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// Reap kills the processes named by pid files in dir whose command line mentions dir, so that a recycled pid of
// somebody else is never touched. It returns how many were found alive.
func Reap(dir string) int {
	files, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	killed := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		pid, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if err == nil && convErr == nil && mentions(pid, dir) {
			killed++
			syscall.Kill(pid, syscall.SIGKILL)
			for i := 0; i < 500 && mentions(pid, dir); i++ {
				time.Sleep(10 * time.Millisecond)
			}
		}
		os.Remove(file)
	}
	return killed
}

func mentions(pid int, dir string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(line, []byte(dir))
}
