package watch

import (
	"testing"
	"time"
)

func TestHeldCommandGoesOnAfterTheRelease(t *testing.T) {
	desk := &Desk{}
	ended := make(chan bool)
	go func() { ended <- desk.Hold("detachVolume", "v", "host", nil) }()
	held := desk.Wait(10 * time.Second)
	if len(held) != 1 || held[0].Command != "detachVolume" || held[0].At != "host" || held[0].Object != "v" {
		t.Fatalf("held: %v", held)
	}
	select {
	case <-ended:
		t.Fatal("it went on by itself")
	default:
	}
	if released := desk.Release(); len(released) != 1 {
		t.Errorf("released: %v", released)
	}
	if !<-ended {
		t.Error("it was not released but ended")
	}
	if len(desk.List()) != 0 {
		t.Error("still held")
	}
}

func TestHoldEndsWithItsSurroundings(t *testing.T) {
	desk := &Desk{}
	done := make(chan struct{})
	ended := make(chan bool)
	go func() { ended <- desk.Hold("a", "b", "host", done) }()
	desk.Wait(10 * time.Second)
	close(done)
	if <-ended {
		t.Error("nobody released it")
	}
	if len(desk.List()) != 0 {
		t.Error("still held")
	}
}

func TestWaitGivesUp(t *testing.T) {
	if held := (&Desk{}).Wait(0); len(held) != 0 {
		t.Errorf("held: %v", held)
	}
}

func TestCallsAreBoundedFilteredAndForgotten(t *testing.T) {
	calls := &Calls{}
	for i := 0; i < keptCalls+5; i++ {
		calls.Add(Call{Command: "listVolumes"})
	}
	calls.Add(Call{Command: "attachVolume", Changing: true})
	if n := len(calls.List(false, false)); n != keptCalls {
		t.Errorf("%d calls kept", n)
	}
	changing := calls.List(true, true)
	if len(changing) != 1 || changing[0].Command != "attachVolume" {
		t.Errorf("changing: %v", changing)
	}
	if n := len(calls.List(false, false)); n != 0 {
		t.Errorf("%d calls after the reset", n)
	}
}

func TestOperationsOfOthersAreNotAnswered(t *testing.T) {
	if _, known, err := Operate(&Desk{}, &Calls{}, "write", nil); known || err != nil {
		t.Error("not ours")
	}
	if _, known, err := Operate(&Desk{}, &Calls{}, "hold_wait", map[string]string{"ms": "soon"}); !known || err == nil {
		t.Error("a typing error must be told")
	}
}
