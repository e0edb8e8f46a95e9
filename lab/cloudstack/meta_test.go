package main

import (
	"net/url"
	"strings"
	"testing"
)

func loaded(t *testing.T) *metadata {
	t.Helper()
	m, err := loadMetadata(release)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNewer(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"", "4.18.0", false}, {">4.18", "4.18.0", false}, {"4.20.1", "4.20.1", false}, {"4.20.0", "4.20.1", false},
		{"4.21.0", "4.20.1", true}, {"4.9.0", "4.20.1", false}, {"4.20.10", "4.20.9", true},
	} {
		if got := newer(test.a, test.b); got != test.want {
			t.Errorf("newer(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

func TestMetadataIsThatOfTheRelease(t *testing.T) {
	m := loaded(t)
	if m.commands["createVolume"].param("storageid") != nil {
		t.Error("createVolume storageid came with 4.22.1")
	}
	if !m.commands["deployVirtualMachine"].param("templateid").Required {
		t.Error("templateid is required before 4.21")
	}
	if m.commands["deployVirtualMachine"].param("VolumeId") != nil {
		t.Error("volumeid came with 4.21")
	}
}

func TestCheckAnswerFindsInventions(t *testing.T) {
	list := loaded(t).commands["listVolumes"]
	if wrong := list.checkAnswer(object{"id": "x", "size": int64(1), "tags": []object{{"key": "k", "value": "v"}}}); len(wrong) > 0 {
		t.Errorf("good answer refused: %v", wrong)
	}
	for name, bad := range map[string]object{
		"invented field": {"colour": "red"}, "null": {"name": nil}, "number as text": {"size": "1"}, "text as number": {"name": 1},
		"nested": {"tags": []object{{"shade": "x"}}}, "list as text": {"tags": "x"}, "boolean as text": {"destroyed": "true"},
	} {
		if wrong := list.checkAnswer(bad); len(wrong) != 1 {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}

func TestCheckParams(t *testing.T) {
	attach := loaded(t).commands["attachVolume"]
	for query, want := range map[string]string{
		"id=a&virtualmachineid=b":              "",
		"id=a&virtualmachineid=b&deviceid=one": "invalid value one for parameter deviceid",
		"id=a":                                 "missing parameter virtualmachineid",
		"id=&virtualmachineid=b":               "missing parameter id",
		"id=a&virtualmachineid=b&colour=red":   "unknown parameter colour",
	} {
		form, _ := url.ParseQuery(query)
		p, err := unpack(form)
		if err != nil {
			t.Fatal(err)
		}
		err = attach.checkParams(p)
		if want == "" && err != nil {
			t.Errorf("%s: %v", query, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}

func TestEveryPlayedParameterExists(t *testing.T) {
	m := loaded(t)
	for command, names := range played {
		meta := m.commands[command]
		if meta == nil {
			t.Errorf("%s is no command", command)
			continue
		}
		for name := range names {
			if meta.param(name) == nil {
				t.Errorf("%s has no parameter %s", command, name)
			}
		}
	}
	for name := range commandTable() {
		for _, param := range m.commands[name].Params {
			lower := strings.ToLower(param.Name)
			if param.Required && !playedEverywhere[lower] && !played[name][lower] {
				t.Errorf("%s requires %s, which is not played", name, param.Name)
			}
		}
	}
}
