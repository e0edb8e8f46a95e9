package main

import "testing"

func anything(parameters) bool { return true }

func TestFaultIsUsedUp(t *testing.T) {
	f := &faults{}
	if _, err := f.add("query_fault", parameters{"times": "2", "nth": 2.0}); err != nil {
		t.Fatal(err)
	}
	var hits []bool
	for i := 0; i < 4; i++ {
		_, hit := f.take("query_fault", anything)
		hits = append(hits, hit)
	}
	for i, want := range []bool{false, true, true, false} {
		if hits[i] != want {
			t.Errorf("occasion %d: %v", i+1, hits[i])
		}
	}
	if len(f.list()) != 0 {
		t.Error("a used-up fault stays")
	}
}

func TestLastingFaultHoldsUntilCleared(t *testing.T) {
	f := &faults{}
	if _, err := f.add("tools_not_running", parameters{"machine": "a"}); err != nil {
		t.Fatal(err)
	}
	if !f.toolsHidden("a") || !f.toolsHidden("a") || f.toolsHidden("b") {
		t.Error("wrong machine or used up")
	}
	f.clear()
	if f.toolsHidden("a") {
		t.Error("still there")
	}
}

func TestWrongParametersAreRefused(t *testing.T) {
	f := &faults{}
	for name, p := range map[string]parameters{
		"nothing": {}, "slow_tasks": {"colour": 1}, "query_fault": {"times": -1}, "folder_status": {"times": "x"},
		"drop_connection": {"nth": 0}} {
		if _, err := f.add(name, p); err == nil {
			t.Errorf("%s %v was accepted", name, p)
		}
	}
}

func TestFaultsAreMadeByName(t *testing.T) {
	if name := faultName(makeFault("FileLocked")); name != "FileLocked" {
		t.Error(name)
	}
	if name := faultName(makeFault("VirtualMachine")); name != "RuntimeFault" {
		t.Error(name)
	}
}
