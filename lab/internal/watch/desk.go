// Package watch lets a test see what a simulator is asked, and stop it at a chosen instant.
package watch

import (
	"sync"
	"time"
)

// Held is a command that waits at a point until it is released.
type Held struct {
	Command string    `json:"command"`
	Object  string    `json:"object"`
	At      string    `json:"at"`
	Since   time.Time `json:"since"`
	Gone    bool      `json:"client_gone"` // its client does not wait any more

	client <-chan struct{} // closed when the client is gone; may be nil
	open   chan struct{}
}

// Desk knows what is held. Safe for all goroutines; the zero value is ready.
type Desk struct {
	mu      sync.Mutex
	held    []*Held
	arrived chan struct{} // closed at the next arrival
}

// HoldRequest stops the caller until Release; client is closed when nobody waits for the answer any more.
func (d *Desk) HoldRequest(command, object, at string, client <-chan struct{}) {
	d.hold(&Held{Command: command, Object: object, At: at, client: client}, nil)
}

// Hold stops the caller until Release, or until done is closed; false then.
func (d *Desk) Hold(command, object, at string, done <-chan struct{}) bool {
	return d.hold(&Held{Command: command, Object: object, At: at}, done)
}

func (d *Desk) hold(h *Held, done <-chan struct{}) bool {
	h.Since, h.open = time.Now().UTC(), make(chan struct{})
	d.mu.Lock()
	d.held = append(d.held, h)
	if d.arrived != nil {
		close(d.arrived)
		d.arrived = nil
	}
	d.mu.Unlock()
	select {
	case <-h.open:
		return true
	case <-done:
		d.remove(h)
		return false
	}
}

func (d *Desk) remove(gone *Held) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.held[:0]
	for _, h := range d.held {
		if h != gone {
			kept = append(kept, h)
		}
	}
	d.held = kept
}

// List shows what is held now.
func (d *Desk) List() []Held {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list()
}

func (d *Desk) list() []Held {
	list := []Held{}
	for _, h := range d.held {
		shown := *h
		select {
		case <-h.client:
			shown.Gone = true
		default:
		}
		list = append(list, shown)
	}
	return list
}

// Wait answers as soon as something is held, and with an empty list when nothing is within the limit.
func (d *Desk) Wait(limit time.Duration) []Held {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		d.mu.Lock()
		list := d.list()
		if d.arrived == nil {
			d.arrived = make(chan struct{})
		}
		arrived := d.arrived
		d.mu.Unlock()
		if len(list) > 0 {
			return list
		}
		select {
		case <-arrived:
		case <-timer.C:
			return list
		}
	}
}

// Release lets everything go on and says what it was.
func (d *Desk) Release() []Held {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.list()
	for _, h := range d.held {
		close(h.open)
	}
	d.held = nil
	return list
}
