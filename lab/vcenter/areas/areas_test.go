package areas

import (
	"reflect"
	"testing"
)

const grain = Granularity

func TestNormaliseWidensMergesAndClips(t *testing.T) {
	capacity := int64(10*grain + 512)
	got := Normalise([]Area{
		{100, 10},              // widened to grain 0
		{grain, 512},           // neighbour: merged
		{5 * grain, 2 * grain}, // alone
		{6 * grain, 512},       // inside the previous one
		{10 * grain, 512},      // clipped at an end that is no multiple of the grain
		{11 * grain, 512},      // outside
	}, capacity)
	want := []Area{{0, 2 * grain}, {5 * grain, 2 * grain}, {10 * grain, 512}}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestPagesCoverEverythingExactlyOnce(t *testing.T) {
	var all []Area
	for i := int64(0); i < 5000; i++ {
		all = append(all, Area{2 * i * grain, grain})
	}
	capacity := int64(12000 * grain)
	var seen []Area
	pages := 0
	for at := int64(0); at < capacity; {
		answer := Page(all, at, capacity, 9000*grain)
		if answer.Start != at || answer.Length <= 0 || len(answer.Areas) > MaxPerAnswer {
			t.Fatalf("bad page %+v", answer)
		}
		seen = append(seen, answer.Areas...)
		at += answer.Length
		pages++
	}
	if !reflect.DeepEqual(seen, all) {
		t.Fatalf("%d areas seen of %d", len(seen), len(all))
	}
	if pages < 3 {
		t.Fatalf("%d pages", pages)
	}
}

func TestWindowSplitsAnAreaAndMayBeEmpty(t *testing.T) {
	all := []Area{{3 * grain, 4 * grain}}
	capacity := int64(10 * grain)
	want := []Answer{
		{0, 2 * grain, nil},
		{2 * grain, 2 * grain, []Area{{3 * grain, grain}}},
		{4 * grain, 2 * grain, []Area{{4 * grain, 2 * grain}}},
		{6 * grain, 2 * grain, []Area{{6 * grain, grain}}},
		{8 * grain, 2 * grain, nil},
	}
	for _, w := range want {
		if got := Page(all, w.Start, capacity, 2*grain); !reflect.DeepEqual(got, w) {
			t.Errorf("page at %d: got %+v, want %+v", w.Start, got, w)
		}
	}
}

func TestStartInsideAnAreaIsClipped(t *testing.T) {
	got := Page([]Area{{0, 4 * grain}}, grain+512, 4*grain, 100*grain)
	want := Answer{grain + 512, 3*grain - 512, []Area{{grain + 512, 3*grain - 512}}}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
}
