// Package sidechannel talks to the control socket of a simulator: HTTP over a unix socket in the state directory.
package sidechannel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// An answer lists a whole lab at most; anything longer is a mistake.
const answerLimit = 64 << 20

// Simulators names the folders below the state directory, one per simulator.
var Simulators = []string{"vcenter", "cloudstack"}

// SocketPath is where a simulator's control socket lives.
func SocketPath(state, simulator string) string {
	return filepath.Join(state, simulator, "control.sock")
}

// Call sends one request to a simulator and returns the body of its answer. A nil payload sends no body.
// An answer other than 2xx is an error that carries the simulator's own words.
func Call(state, simulator, method, path string, payload any, limit time.Duration) ([]byte, error) {
	socket := SocketPath(state, simulator)
	client := &http.Client{Timeout: limit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	var body io.Reader
	if payload != nil {
		text, err := json.Marshal(payload)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, "http://"+simulator+path, body)
	if err != nil {
		return nil, err
	}
	if payload != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the %s simulator does not answer on %s: %w", simulator, socket, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return nil, fmt.Errorf("the answer of the %s simulator broke off: %w", simulator, err)
	}
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the %s simulator refused %s %s: %s %s", simulator, method, path, response.Status,
			strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
