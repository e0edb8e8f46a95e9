package main

import "time"

// commandPlan is what faults do to one request.
type commandPlan struct {
	delay       time.Duration
	dropRequest bool
	dropAnswer  bool
	early       *apiError // before the signature check: 429, 401, 503
	fail        *apiError // after it
	holdAt      string    // point at which it is stopped, "" for none
}

func (b *faultBook) forCommand(name string) commandPlan {
	var plan commandPlan
	b.each("command", name, map[string]func(*fault){
		"delay_command": func(f *fault) { plan.delay += f.millis("ms") },
		"drop_request":  func(*fault) { plan.dropRequest = true },
		"drop_answer":   func(*fault) { plan.dropAnswer = true },
		"rate_limit":    func(f *fault) { plan.early = rateLimit(f.millis("ms")) },
		"unauthorized":  func(*fault) { plan.early = refuse(codeUnauthorized, badCredentials) },
		"unavailable": func(*fault) {
			plan.early = refuse(codeUnavailable, "Management server is preparing for shutdown and cannot accept new jobs")
		},
		"hold":         func(f *fault) { plan.holdAt = f.values["at"] },
		"fail_command": func(f *fault) { plan.fail = refuse(f.num("code"), "%s", f.values["text"]) },
	})
	return plan
}

// jobPlan is what faults do to one job.
type jobPlan struct {
	delay      time.Duration
	fail       *apiError
	failAfter  bool
	loseResult bool
	lostCode   int
	kill       string // point at which the management server dies
	down       time.Duration
	partial    bool // copies stop half-way
	snapError  bool
}

// killPoints translates the words of the catalogue into the points of jobRun.run. "during" needs a copy to be in the
// middle of; a job without one dies in the transitional state instead.
var killPoints = map[string]string{"queued": "before", "transitional": "checked", "during": "during", "host": "worked", "done": "done"}

func (b *faultBook) forJob(command string) jobPlan {
	var plan jobPlan
	b.each("command", command, map[string]func(*fault){
		"delay_job": func(f *fault) { plan.delay += f.millis("ms") },
		"fail_job": func(f *fault) {
			plan.fail, plan.failAfter = refuse(f.num("code"), "%s", f.values["text"]), f.values["when"] == "after"
		},
		"lose_job_result": func(f *fault) {
			plan.loseResult, plan.lostCode = true, f.num("code")
			if f.values["done"] != "true" {
				plan.fail = internal("lost")
			}
		},
		"capacity": func(*fault) {
			plan.fail = refuse(codeCapacity, "Unable to create a deployment for VM due to insufficient capacity")
		},
		"kill_management": func(f *fault) {
			plan.kill, plan.down = killPoints[f.values["at"]], f.millis("down_ms")
			if plan.kill == "during" && !copies[command] {
				plan.kill = "checked"
			}
		},
	})
	switch command {
	case "createSnapshot":
		b.each("", "", map[string]func(*fault){"snapshot_error": func(*fault) { plan.snapError = true }})
	case "revertSnapshot":
		b.each("", "", map[string]func(*fault){"revert_partial": func(*fault) { plan.partial = true }})
	}
	return plan
}

// copies are the commands whose job copies a disk.
var copies = map[string]bool{"createSnapshot": true, "revertSnapshot": true}

// refusal is what faults do to one hot-unplug: refused, and with late > 0 done after that time all the same.
func (b *faultBook) refusal(volume string) (refused bool, late time.Duration) {
	b.each("volume", volume, map[string]func(*fault){
		"refuse_unplug": func(f *fault) { refused, late = true, f.millis("late_ms") },
	})
	return refused, late
}

// lateDevice is how long a new device of the appliance stays invisible.
func (b *faultBook) lateDevice(volume string) time.Duration {
	var d time.Duration
	b.each("volume", volume, map[string]func(*fault){"late_device": func(f *fault) { d = f.millis("ms") }})
	return d
}
