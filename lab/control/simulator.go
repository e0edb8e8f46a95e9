package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"migratekit/lab/internal/sidechannel"
)

const (
	startLimit  = 90 * time.Second // the vCenter copies its guests' disks and starts them
	answerLimit = 10 * time.Second
	// An operation may wait for something, as hold_wait does for a minute at most.
	operationLimit = 70 * time.Second
	pollEvery      = 50 * time.Millisecond
	logTail        = 2000 // bytes of a simulator's log shown when it does not start
)

// endpoint is what a simulator says about itself; only the address concerns the control program.
type endpoint map[string]any

func (l lab) endpointPath(simulator string) string { return l.path(simulator, "endpoint.json") }

func (l lab) readEndpoint(simulator string) (endpoint, error) {
	text, err := os.ReadFile(l.endpointPath(simulator))
	if err != nil {
		return nil, err
	}
	var found endpoint
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("%s: %w", l.endpointPath(simulator), err)
	}
	return found, nil
}

// health is what can be seen of a simulator from outside.
type health struct {
	Name    string `json:"name"`
	Up      bool   `json:"up"`
	Process int    `json:"pid,omitempty"`
	URL     string `json:"url,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// examine tells whether a simulator runs, answers on its control socket and listens where its endpoint says.
func (l lab) examine(simulator string) health {
	result := health{Name: simulator}
	for _, process := range l.processes() {
		if process.program == "lab-"+simulator {
			result.Process = process.id
		}
	}
	if result.Process == 0 {
		result.Problem = "is not running"
		return result
	}
	if _, err := sidechannel.Call(l.state, simulator, "GET", "/faults", nil, answerLimit); err != nil {
		result.Problem = err.Error()
		return result
	}
	found, err := l.readEndpoint(simulator)
	if err != nil {
		result.Problem = "has not said where it listens: " + err.Error()
		return result
	}
	result.URL, _ = found["url"].(string)
	if address, err := url.Parse(result.URL); err != nil || address.Host == "" {
		result.Problem = fmt.Sprintf("its endpoint has no usable url %q", result.URL)
		return result
	} else if connection, err := net.DialTimeout("tcp", address.Host, answerLimit); err != nil {
		result.Problem = err.Error()
		return result
	} else {
		connection.Close()
	}
	result.Up = true
	return result
}

// start runs a simulator in the background, out of reach of this terminal, and waits until it answers.
func (l lab) start(simulator string, arguments ...string) error {
	program := filepath.Join(l.programs, "lab-"+simulator)
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%s is not built; run lab/build (%w)", program, err)
	}
	if err := os.MkdirAll(l.path(simulator), 0o700); err != nil {
		return err
	}
	// What an earlier run left would be taken for an answer of this one.
	for _, stale := range []string{l.endpointPath(simulator), sidechannel.SocketPath(l.state, simulator)} {
		if err := os.Remove(stale); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	logPath := l.path("log", simulator+".log")
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	begin, _ := log.Seek(0, io.SeekEnd)
	command := exec.Command(program, append([]string{"--state", l.path(simulator)}, arguments...)...)
	command.Dir, command.Stdout, command.Stderr = l.state, log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	return l.awaitUp(simulator, ended, logPath, begin)
}

func (l lab) awaitUp(simulator string, ended <-chan error, logPath string, logBegin int64) error {
	deadline := time.After(startLimit)
	problem := ""
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("the %s simulator ended while it started (%v). Its log %s says:\n%s", simulator, err, logPath,
				tail(logPath, logBegin))
		case <-deadline:
			return fmt.Errorf("the %s simulator was not ready after %s: it %s. Its log %s says:\n%s", simulator, startLimit,
				problem, logPath, tail(logPath, logBegin))
		case <-time.After(pollEvery):
			if _, err := os.Stat(l.endpointPath(simulator)); err != nil {
				problem = "has not said where it listens"
				continue
			}
			state := l.examine(simulator)
			if state.Up {
				return nil
			}
			problem = state.Problem
		}
	}
}

// tail returns the end of what a log gained since an offset.
func tail(path string, begin int64) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if begin < int64(len(text)) {
		text = text[begin:]
	}
	if len(text) > logTail {
		text = text[len(text)-logTail:]
	}
	return string(text)
}
