package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// faultParam is one parameter of a fault; an empty value means that it must be given.
type faultParam struct {
	Name    string `json:"name"`
	Default string `json:"default"`
	About   string `json:"about"`
}

type faultKind struct {
	Name   string       `json:"name"`
	About  string       `json:"about"`
	Params []faultParam `json:"parameters"`
}

var (
	pCommand = faultParam{"command", "*", "API command that is struck, * for any"}
	pNth     = faultParam{"nth", "1", "strikes from the n-th match on, counted from now"}
	pTimes   = faultParam{"times", "1", "how often it strikes, 0 for always"}
	pMillis  = faultParam{"ms", "1000", "milliseconds"}
	pCode    = faultParam{"code", "530", "error code"}
	pText    = faultParam{"text", "injected by the lab", "error text"}
)

// faultKinds is the whole catalogue; GET /faults shows it.
var faultKinds = []faultKind{
	{"delay_command", "the answer of a command comes late", []faultParam{pCommand, pNth, pTimes, pMillis}},
	{"fail_command", "a command is refused before it does anything", []faultParam{pCommand, pNth, pTimes, pCode, pText}},
	{"drop_request", "the connection breaks before the command is executed", []faultParam{pCommand, pNth, pTimes}},
	{"drop_answer", "the command is executed, then the connection breaks without an answer", []faultParam{pCommand, pNth, pTimes}},
	{"rate_limit", "429 with 'retry after [N] ms', before the signature check", []faultParam{pCommand, pNth, {"times", "3", pTimes.About}, pMillis}},
	{"unauthorized", "401 as for a bad signature", []faultParam{pCommand, pNth, pTimes}},
	{"unavailable", "503, the management server is shutting down", []faultParam{pCommand, pNth, pTimes}},
	{"clock_skew", "the server's clock is ahead (or, negative, behind) when 'expires' is checked", []faultParam{{"seconds", "3600", "seconds"}}},
	{"delay_job", "a job stays pending, its object in the transitional state", []faultParam{pCommand, pNth, pTimes, pMillis}},
	{"fail_job", "a job fails", []faultParam{pCommand, pNth, pTimes, pCode, pText, {"when", "before", "before: nothing was done; after: everything was done"}}},
	{"lose_job_result", "a job ends failed without any jobresult", []faultParam{pCommand, pNth, pTimes, {"code", "530", "jobresultcode: 530 restart, 0 cancelled"}, {"done", "false", "true: the work itself was completed"}}},
	{"capacity", "the job fails with 533, insufficient capacity", []faultParam{{"command", "startVirtualMachine", pCommand.About}, pNth, pTimes}},
	{"refuse_unplug", "the guest does not release a disk: detachVolume fails with 530", []faultParam{{"volume", "*", "volume id, * for any"}, pTimes, {"late_ms", "0", "above 0: the guest releases it after that time, when the job has long failed"}}},
	{"late_device", "after an attach to the appliance the device appears later than the job ends", []faultParam{{"volume", "*", "volume id, * for any"}, pTimes, pMillis}},
	{"kill_management", "the management server dies in the middle of a job (at once without a command) and restarts",
		[]faultParam{{"command", "", "API command whose job is struck; empty: now"}, pNth, pTimes,
			{"at", "transitional", "queued, transitional, during (half of a copy done), host (host done, database not) or done (only the result is lost)"},
			{"down_ms", "0", "how long the API is away"}}},
	{"hold", "a command is stopped at a point until op hold_release; op hold_wait tells that it is there",
		[]faultParam{pCommand, pNth, pTimes,
			{"at", "request", "request (arrived, nothing done; dropped when its client is gone at the release), accepted (done, or its job begun, answer not sent), " +
				"transitional (job under way), host (host done, database not) or answer (all done, the result not told)"}}},
	{"snapshot_error", "a snapshot ends in state Error", []faultParam{pNth, pTimes}},
	{"revert_partial", "a revert fails after half of the data was copied over the volume", []faultParam{pNth, pTimes}},
}

// fault is an armed fault.
type fault struct {
	kind   string
	values map[string]string
	seen   int
	struck int
}

func (f *fault) num(name string) int {
	n, _ := strconv.Atoi(f.values[name]) // checked when it was armed
	return n
}

func (f *fault) millis(name string) time.Duration {
	return time.Duration(f.num(name)) * time.Millisecond
}

// strikes counts one match and says whether the fault acts on it.
func (f *fault) strikes() bool {
	f.seen++
	if _, counted := f.values["nth"]; counted && f.seen < f.num("nth") {
		return false
	}
	if times, limited := f.values["times"]; limited && times != "0" && f.struck >= f.num("times") {
		return false
	}
	f.struck++
	return true
}

// faultBook holds the armed faults. It has its own lock and is never held together with waiting.
type faultBook struct {
	mu    sync.Mutex
	armed []*fault
}

func newFaultBook() *faultBook { return &faultBook{} }

var numericFaultParams = map[string]bool{"nth": true, "times": true, "ms": true, "code": true, "seconds": true, "late_ms": true, "down_ms": true}

// arm checks and activates a fault; unknown names and parameters are refused, so that no test waits for a typing error.
func (b *faultBook) arm(name string, given map[string]string) error {
	for _, kind := range faultKinds {
		if kind.Name != name {
			continue
		}
		values := map[string]string{}
		for _, param := range kind.Params {
			values[param.Name] = param.Default
		}
		for key, value := range given {
			if _, known := values[key]; !known {
				return fmt.Errorf("fault %s has no parameter %s", name, key)
			}
			if _, err := strconv.Atoi(value); err != nil && numericFaultParams[key] {
				return fmt.Errorf("fault %s: %s must be a number", name, key)
			}
			values[key] = value
		}
		if err := checkFaultWords(name, values); err != nil {
			return fmt.Errorf("fault %s: %w", name, err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if name == "clock_skew" {
			b.drop("clock_skew")
		}
		b.armed = append(b.armed, &fault{kind: name, values: values})
		return nil
	}
	return fmt.Errorf("unknown fault %q, GET /faults lists them", name)
}

// faultWords are the parameters that take one of several words.
var faultWords = map[string]struct{ key, words string }{
	"fail_job":        {"when", "before after"},
	"lose_job_result": {"done", "true false"},
	"kill_management": {"at", "queued transitional during host done"},
	"hold":            {"at", "request accepted transitional host answer"},
}

func checkFaultWords(fault string, values map[string]string) error {
	if choice, limited := faultWords[fault]; limited && !contains(strings.Fields(choice.words), values[choice.key]) {
		return fmt.Errorf("%s must be one of: %s", choice.key, choice.words)
	}
	return nil
}

func (b *faultBook) drop(kind string) {
	kept := b.armed[:0]
	for _, f := range b.armed {
		if f.kind != kind {
			kept = append(kept, f)
		}
	}
	b.armed = kept
}

func (b *faultBook) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = nil
}

// list shows the armed faults with how often each has struck.
func (b *faultBook) list() []object {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []object{}
	for _, f := range b.armed {
		values := object{}
		for key, value := range f.values {
			values[key] = value
		}
		out = append(out, object{"name": f.kind, "parameters": values, "matched": f.seen, "struck": f.struck})
	}
	return out
}

// each calls act for every armed fault of these kinds that strikes this command or volume.
func (b *faultBook) each(key, subject string, act map[string]func(*fault)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.armed {
		do := act[f.kind]
		if do == nil {
			continue
		}
		if wanted, filtered := f.values[key]; filtered && wanted != "*" && wanted != subject {
			continue
		}
		if f.strikes() {
			do(f)
		}
	}
}

func (b *faultBook) clockSkew() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.armed {
		if f.kind == "clock_skew" {
			return time.Duration(f.num("seconds")) * time.Second
		}
	}
	return 0
}
