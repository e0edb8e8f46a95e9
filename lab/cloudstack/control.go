package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// The side channel: HTTP over the unix socket control.sock. It exists for the lab's command and for tests; the
// product never sees it.

func (c *cloud) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/faults", func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			controlAnswer(w, http.StatusOK, object{"faults": faultKinds, "armed": c.faults.list()})
		case http.MethodDelete:
			c.faults.clear()
			c.desk.Release() // who waits at a fault that is off would wait for ever
			controlAnswer(w, http.StatusOK, object{"ok": true})
		default:
			controlAnswer(w, http.StatusMethodNotAllowed, object{"error": "GET or DELETE"})
		}
	})
	mux.HandleFunc("/fault", c.post(c.armFault))
	mux.HandleFunc("/op", c.post(c.operate))
	mux.HandleFunc("/state", func(w http.ResponseWriter, r *http.Request) {
		controlAnswer(w, http.StatusOK, c.inventory())
	})
	return mux
}

// post reads a JSON object, takes its "name" out and hands both on; values become text, so that 3, "3" and
// true need no care.
func (c *cloud) post(act func(string, map[string]string) (object, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			controlAnswer(w, http.StatusMethodNotAllowed, object{"error": "POST a JSON object"})
			return
		}
		var raw map[string]interface{}
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		decoder.UseNumber()
		if err := decoder.Decode(&raw); err != nil {
			controlAnswer(w, http.StatusBadRequest, object{"error": "not a JSON object: " + err.Error()})
			return
		}
		values := map[string]string{}
		for key, value := range raw {
			values[key] = fmt.Sprint(value)
		}
		name := values["name"]
		delete(values, "name")
		result, err := act(name, values)
		if err != nil {
			controlAnswer(w, http.StatusBadRequest, object{"error": err.Error()})
			return
		}
		if result == nil {
			result = object{"ok": true}
		}
		controlAnswer(w, http.StatusOK, result)
	}
}

func controlAnswer(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	_ = encoder.Encode(body) // the client going away is its own business
}

// armFault: kill_management without a command strikes at once.
func (c *cloud) armFault(name string, values map[string]string) (object, error) {
	if name == "kill_management" && values["command"] == "" {
		probe := newFaultBook()
		if err := probe.arm(name, values); err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.killManagement(probe.armed[0].millis("down_ms"))
		return nil, nil
	}
	return nil, c.faults.arm(name, values)
}

// listenControl opens the socket; a stale one of a crashed predecessor is replaced (the lock on the directory is held).
// The name is relative to the directory, because a socket path may have 107 characters only.
func listenControl(dir string) (net.Listener, error) {
	path := filepath.Join(dir, "control.sock")
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	listener, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/control.sock", folder.Fd()))
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // removed by name at the end
	return listener, os.Chmod(path, 0o600)
}
