package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// qmp is a connection to a guest's QEMU Machine Protocol socket. Commands may come from any goroutine; they are sent
// one at a time. events and gone may be waited for by one owner (the guest).
type qmp struct {
	conn    net.Conn
	sending sync.Mutex
	replies chan qmpMessage
	events  chan qmpMessage
	gone    chan struct{} // closed when QEMU has hung up
}

type qmpMessage struct {
	Event  string          `json:"event"`
	Data   json.RawMessage `json:"data"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
}

// qmpTimeout bounds one command; QEMU answers in milliseconds unless the host is overloaded.
const qmpTimeout = 20 * time.Second

var errQMPGone = errors.New("the guest's QEMU has ended")

// dialQMP connects and leaves the negotiation mode.
func dialQMP(path string) (*qmp, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	q := &qmp{conn: conn, replies: make(chan qmpMessage, 1), events: make(chan qmpMessage, 256), gone: make(chan struct{})}
	reader := bufio.NewReader(conn)
	if err := conn.SetReadDeadline(time.Now().Add(qmpTimeout)); err != nil {
		return nil, err
	}
	if _, err := reader.ReadBytes('\n'); err != nil { // the greeting
		conn.Close()
		return nil, fmt.Errorf("no QMP greeting: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	go q.read(reader)
	if _, err := q.execute("qmp_capabilities", nil); err != nil {
		conn.Close()
		return nil, err
	}
	return q, nil
}

func (q *qmp) read(reader *bufio.Reader) {
	defer close(q.gone)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		var message qmpMessage
		if json.Unmarshal(line, &message) != nil {
			continue
		}
		if message.Event == "" {
			q.replies <- message
			continue
		}
		select {
		case q.events <- message:
		default: // nobody reads: an event is only a hint
		}
	}
}

func (q *qmp) execute(command string, arguments object) (json.RawMessage, error) {
	q.sending.Lock()
	defer q.sending.Unlock()
	request := object{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := q.conn.Write(append(raw, '\n')); err != nil {
		return nil, errQMPGone
	}
	select {
	case reply := <-q.replies:
		if reply.Error != nil {
			return nil, fmt.Errorf("%s", reply.Error.Desc)
		}
		return reply.Return, nil
	case <-q.gone:
		return nil, errQMPGone
	case <-time.After(qmpTimeout):
		q.conn.Close()
		return nil, fmt.Errorf("QEMU did not answer %s in %s", command, qmpTimeout)
	}
}
