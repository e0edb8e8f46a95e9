package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// The control channel is HTTP over a unix socket in the state directory. It stands outside of what is simulated:
// GET /faults, POST /fault, DELETE /faults, GET /state, POST /op.

func (l *lab) controlSocket() string { return filepath.Join(l.state, "control.sock") }

func (l *lab) serveControl() error {
	os.Remove(l.controlSocket())
	listener, err := net.Listen("unix", l.controlSocket())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/faults", l.controlFaults)
	mux.HandleFunc("/fault", l.controlFault)
	mux.HandleFunc("/state", func(w http.ResponseWriter, r *http.Request) {
		if onlyMethod(w, r, http.MethodGet) {
			writeJSON(w, http.StatusOK, l.snapshotState())
		}
	})
	mux.HandleFunc("/op", l.controlOperation)
	go http.Serve(listener, mux)
	return nil
}

func onlyMethod(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": "use " + method})
	return false
}

func writeJSON(w http.ResponseWriter, status int, value interface{}) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	encoder.Encode(value)
}

func (l *lab) controlFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		writeJSON(w, http.StatusOK, map[string]interface{}{"faults": faultDescriptions, "armed": l.faults.list()})
	case http.MethodDelete:
		l.faults.clear()
		l.desk.Release() // who waits at a fault that is off would wait for ever
		l.publishAll()
		writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
	default:
		onlyMethod(w, r, http.MethodGet)
	}
}

func readParameters(w http.ResponseWriter, r *http.Request) (parameters, bool) {
	p := parameters{}
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "the body is no JSON object: " + err.Error()})
		return nil, false
	}
	return p, true
}

func (l *lab) controlFault(w http.ResponseWriter, r *http.Request) {
	if !onlyMethod(w, r, http.MethodPost) {
		return
	}
	p, ok := readParameters(w, r)
	if !ok {
		return
	}
	name := p.text("name", "")
	delete(p, "name")
	result, err := l.injectFault(name, p)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	l.publishAll()
	writeJSON(w, http.StatusOK, result)
}

// injectFault activates a fault; those that act at once are carried out here and stay nowhere.
func (l *lab) injectFault(name string, p parameters) (interface{}, error) {
	if machine := p.text("machine", ""); machine != "" && l.machineByName(machine) == nil {
		return nil, fmt.Errorf("no machine %q", machine)
	}
	after, err := p.number("after_calls", 0)
	if err != nil {
		return nil, err
	}
	if at := p.text("at", "request"); name == "hold" && at != "request" && at != "answer" {
		return nil, fmt.Errorf("at must be request or answer, not %q", at)
	}
	switch {
	case name == "session_expire" && after == 0:
		l.endSessions()
	case name == "cbt_reset":
		vm := l.machineByName(p.text("machine", ""))
		if vm == nil {
			return nil, fmt.Errorf("cbt_reset needs a machine")
		}
		disk, err := strconv.ParseInt(p.text("disk", "0"), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("disk must be a device key")
		}
		if disk != 0 && vm.machine.diskIndex(int32(disk)) < 0 {
			return nil, fmt.Errorf("%s has no disk %d", vm.machine.spec.Name, disk)
		}
		if err := vm.resetTracking(int32(disk)); err != nil {
			return nil, err
		}
	default:
		return l.faults.add(name, p)
	}
	return map[string]bool{"ok": true}, nil
}
