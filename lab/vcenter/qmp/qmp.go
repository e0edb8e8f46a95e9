// Package qmp is a small client of QEMU's machine protocol, used for qemu-storage-daemon and qemu-system.
//
// Contract: one Client per monitor socket; Run may be called from several goroutines, commands are sent one at a
// time; every command has a time limit, after which the connection is unusable. Protocol: QEMU docs/interop/qmp-spec.
package qmp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Client is a connection to one monitor.
type Client struct {
	mu   sync.Mutex // held for one command and its answer
	conn net.Conn
	dec  *json.Decoder
}

// Error is a refusal by QEMU, as opposed to a broken connection.
type Error struct {
	Command     string
	Class       string `json:"class"`
	Description string `json:"desc"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("qmp %s: %s: %s", e.Command, e.Class, e.Description)
}

type message struct {
	Greeting json.RawMessage `json:"QMP"`
	Event    string          `json:"event"`
	Return   json.RawMessage `json:"return"`
	Error    *Error          `json:"error"`
}

// commandTimeout bounds one command; block jobs are asynchronous, so nothing legitimate takes this long.
const commandTimeout = 30 * time.Second

// Dial connects to the monitor socket, waiting up to limit for it to appear, and leaves negotiation mode.
func Dial(path string, limit time.Duration) (*Client, error) {
	deadline := time.Now().Add(limit)
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			c := &Client{conn: conn, dec: json.NewDecoder(conn)}
			if err := c.negotiate(); err != nil {
				conn.Close()
				return nil, err
			}
			return c, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no monitor at %s: %w", path, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *Client) negotiate() error {
	c.conn.SetDeadline(time.Now().Add(commandTimeout))
	var hello message
	if err := c.dec.Decode(&hello); err != nil {
		return fmt.Errorf("qmp greeting: %w", err)
	}
	if hello.Greeting == nil {
		return errors.New("qmp greeting: not a monitor")
	}
	return c.Run("qmp_capabilities", nil, nil)
}

// Args are the arguments of a command.
type Args map[string]interface{}

// Run sends one command and decodes its answer into result (nil: ignored). Events in between are dropped.
func (c *Client) Run(command string, args Args, result interface{}) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	request := map[string]interface{}{"execute": command}
	if args != nil {
		request["arguments"] = args
	}
	c.conn.SetDeadline(time.Now().Add(commandTimeout))
	if err := json.NewEncoder(c.conn).Encode(request); err != nil {
		return fmt.Errorf("qmp %s: %w", command, err)
	}
	for {
		var answer message
		if err := c.dec.Decode(&answer); err != nil {
			return fmt.Errorf("qmp %s: %w", command, err)
		}
		switch {
		case answer.Error != nil:
			answer.Error.Command = command
			return answer.Error
		case answer.Return != nil:
			if result == nil {
				return nil
			}
			return json.Unmarshal(answer.Return, result)
		}
	}
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }
