package watch

import (
	"sync"
	"time"
)

// Call is one command that was executed; a request that never reached its execution is not among them.
type Call struct {
	Command  string    `json:"command"`
	Object   string    `json:"object"` // an id, or the name of what is to be made
	At       time.Time `json:"at"`     // of its arrival
	Changing bool      `json:"changing"`
	Job      bool      `json:"job"`    // asynchronous: what it does comes after its answer
	Status   int       `json:"status"` // of HTTP
}

// keptCalls bounds the log; the oldest are forgotten.
const keptCalls = 20000

// Calls is the log of them, in the order in which they ended. Safe for all goroutines; the zero value is ready.
type Calls struct {
	mu   sync.Mutex
	list []Call
}

// Add appends a call.
func (c *Calls) Add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, call)
	if len(c.list) > keptCalls {
		c.list = append([]Call{}, c.list[len(c.list)-keptCalls:]...)
	}
}

// List copies the log, all of it or only what changed something; reset empties it.
func (c *Calls) List(changingOnly, reset bool) []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []Call{}
	for _, call := range c.list {
		if call.Changing || !changingOnly {
			list = append(list, call)
		}
	}
	if reset {
		c.list = nil
	}
	return list
}
