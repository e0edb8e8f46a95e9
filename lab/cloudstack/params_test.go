package main

import (
	"errors"
	"net/url"
	"reflect"
	"testing"
)

func TestUnpackKeepsTheCaseOfKeysOnly(t *testing.T) {
	p, err := unpack(url.Values{"VolumeId": {"v"}, "Details[0].cpuNumber": {"2"}, "details[1].memory": {"512"}})
	if err != nil {
		t.Fatal(err)
	}
	if p.str("volumeid") != "v" {
		t.Errorf("plain parameter lost: %v", p.flat)
	}
	if want := map[string]string{"cpuNumber": "2", "memory": "512"}; !reflect.DeepEqual(p.details("details"), want) {
		t.Errorf("details %v, want %v", p.details("details"), want)
	}
}

func TestUnpackOrdersEntriesByNumber(t *testing.T) {
	p, err := unpack(url.Values{"n[10].id": {"c"}, "n[2].id": {"b"}, "n[0].id": {"a"}})
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, entry := range p.entries("n") {
		got += entry["id"]
	}
	if got != "abc" {
		t.Errorf("order %q, want abc", got)
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, code := range map[string]int{"a[0][1].k": codeMalformed, "a]0[": codeMalformed, "a[0": codeMalformed, "[0].k": codeMalformed} {
		_, err := unpack(url.Values{name: {"v"}})
		var e *apiError
		if !errors.As(err, &e) || e.code != code {
			t.Errorf("%s: %v, want code %d", name, err, code)
		}
	}
	for _, value := range []string{"a\x00", "\n", "\x7f"} {
		_, err := unpack(url.Values{"name": {value}})
		var e *apiError
		if !errors.As(err, &e) || e.code != codeParameter {
			t.Errorf("%q: %v, want code 431", value, err)
		}
	}
}

func TestTagPairs(t *testing.T) {
	p, _ := unpack(url.Values{"tags[0].key": {"a"}, "tags[0].value": {"1"}, "tags[1].key": {"b"}})
	if want := map[string]string{"a": "1", "b": ""}; !reflect.DeepEqual(p.tagPairs(), want) {
		t.Errorf("tags %v, want %v", p.tagPairs(), want)
	}
}
