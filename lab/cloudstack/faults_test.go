package main

import "testing"

func TestFaultStrikesFromTheNthMatchForSoManyTimes(t *testing.T) {
	book := newFaultBook()
	if err := book.arm("fail_command", map[string]string{"command": "listZones", "nth": "2", "times": "2", "code": "533"}); err != nil {
		t.Fatal(err)
	}
	var got []bool
	for i := 0; i < 5; i++ {
		book.forCommand("listVolumes")
		got = append(got, book.forCommand("listZones").fail != nil)
	}
	for i, want := range []bool{false, true, true, false, false} {
		if got[i] != want {
			t.Errorf("call %d: %v, want %v", i+1, got[i], want)
		}
	}
}

func TestFaultForEver(t *testing.T) {
	book := newFaultBook()
	if err := book.arm("refuse_unplug", map[string]string{"volume": "v", "times": "0"}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 3; i++ {
		if refused, _ := book.refusal("v"); !refused {
			t.Errorf("call %d was let through", i+1)
		}
	}
	if refused, _ := book.refusal("w"); refused {
		t.Error("another volume was struck")
	}
	book.clear()
	if refused, _ := book.refusal("v"); refused {
		t.Error("struck after clear")
	}
}

func TestClockSkewIsReplacedNotAdded(t *testing.T) {
	book := newFaultBook()
	for _, seconds := range []string{"60", "-30"} {
		if err := book.arm("clock_skew", map[string]string{"seconds": seconds}); err != nil {
			t.Fatal(err)
		}
	}
	if got := book.clockSkew().Seconds(); got != -30 {
		t.Errorf("skew %v s, want -30", got)
	}
}

func TestCopyingDeathNeedsACopy(t *testing.T) {
	for command, want := range map[string]string{"revertSnapshot": "during", "attachVolume": "checked"} {
		book := newFaultBook()
		if err := book.arm("kill_management", map[string]string{"command": command, "at": "during"}); err != nil {
			t.Fatal(err)
		}
		if got := book.forJob(command).kill; got != want {
			t.Errorf("%s dies at %s, want %s", command, got, want)
		}
	}
}
