package main

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// faults is the set of injected faults. Faults with a number of times are used up; others last until cleared.
// Safe for all goroutines.
type faults struct {
	mu     sync.Mutex
	active []*activeFault
	nextID int
}

// parameters of a fault or operation as they came; numbers may be written as text.
type parameters map[string]interface{}

type activeFault struct {
	ID        int        `json:"id"`
	Name      string     `json:"name"`
	Params    parameters `json:"parameters"`
	Remaining int        `json:"remaining"` // 0: until cleared
	skip      int        // matching occasions to let pass first
	limited   bool
}

func (p parameters) text(name, fallback string) string {
	if v, ok := p[name]; ok {
		return fmt.Sprint(v)
	}
	return fallback
}

func (p parameters) texts() map[string]string {
	texts := map[string]string{}
	for name := range p {
		texts[name] = p.text(name, "")
	}
	return texts
}

func (p parameters) number(name string, fallback int64) (int64, error) {
	v, ok := p[name]
	if !ok {
		return fallback, nil
	}
	if f, isFloat := v.(float64); isFloat {
		return int64(f), nil
	}
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parameter %s must be a whole number, not %q", name, fmt.Sprint(v))
	}
	return n, nil
}

func (p parameters) seconds(name string, fallback float64) time.Duration {
	f, err := strconv.ParseFloat(p.text(name, fmt.Sprint(fallback)), 64)
	if err != nil || f < 0 {
		f = fallback
	}
	return time.Duration(f * float64(time.Second))
}

func (p parameters) flag(name string) bool {
	value, err := strconv.ParseBool(p.text(name, "false"))
	return err == nil && value
}

// matches: a parameter that is absent matches everything.
func (p parameters) matches(name, value string) bool {
	v := p.text(name, "")
	return v == "" || v == value
}

// add activates a fault. "times" limits it (default as the fault's description says), "nth" lets occasions pass.
func (f *faults) add(name string, p parameters) (*activeFault, error) {
	description, known := faultByName(name)
	if !known {
		return nil, fmt.Errorf("no fault %q; GET /faults lists them", name)
	}
	for key := range p {
		if _, ok := description.Parameters[key]; !ok {
			return nil, fmt.Errorf("fault %s has no parameter %q", name, key)
		}
	}
	times, err := p.number("times", int64(description.times))
	if err != nil {
		return nil, err
	}
	nth, err := p.number("nth", 1)
	if err != nil {
		return nil, err
	}
	after, err := p.number("after_calls", 0)
	if err != nil {
		return nil, err
	}
	if times < 0 || nth < 1 || after < 0 {
		return nil, errors.New("times, nth and after_calls must not be negative, nth counts from 1")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	a := &activeFault{ID: f.nextID, Name: name, Params: p, Remaining: int(times), limited: times > 0, skip: int(nth - 1 + after)}
	f.active = append(f.active, a)
	return a, nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = nil
}

// list is a copy for the control channel.
func (f *faults) list() []activeFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	copies := []activeFault{}
	for _, a := range f.active {
		copies = append(copies, *a)
	}
	return copies
}

// take uses up one occasion of the first active fault of that name for which match holds.
func (f *faults) take(name string, match func(parameters) bool) (parameters, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, a := range f.active {
		if a.Name != name || !match(a.Params) {
			continue
		}
		if a.skip > 0 {
			a.skip--
			continue
		}
		if a.limited {
			if a.Remaining--; a.Remaining == 0 {
				f.active = append(append([]*activeFault{}, f.active[:i]...), f.active[i+1:]...)
			}
		}
		return a.Params, true
	}
	return nil, false
}

// holds tells whether a lasting fault applies, without using it up.
func (f *faults) holds(name string, match func(parameters) bool) (parameters, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.active {
		if a.Name == name && match(a.Params) {
			return a.Params, true
		}
	}
	return nil, false
}
