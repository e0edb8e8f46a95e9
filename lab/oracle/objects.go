package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"migratekit/lab/internal/sidechannel"
)

const stateLimit = 20 * time.Second

// An object is something that exists on one side of a migration and does not go away by itself.
type object struct {
	Side  string `json:"side"` // vcenter or cloudstack
	Kind  string `json:"kind"` // volume, snapshot, vm, machine, network ...
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	State string `json:"state,omitempty"`
}

// What a simulator's state also lists, but what is history or a property of something else: nothing to clean up.
var passing = map[string]bool{"jobs": true, "events": true, "sessions": true, "tags": true, "faults": true, "tasks": true}

// labObjects lists every object of both simulators, sorted.
func labObjects(state string) ([]object, error) {
	objects := []object{}
	for _, side := range sidechannel.Simulators {
		answer, err := sidechannel.Call(state, side, "GET", "/state", nil, stateLimit)
		if err != nil {
			return nil, err
		}
		found, err := parseState(side, answer)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// parseState takes every list of things with an identifier out of a simulator's state, and the snapshots inside them.
func parseState(side string, answer []byte) ([]object, error) {
	var lists map[string]json.RawMessage
	if err := json.Unmarshal(answer, &lists); err != nil {
		return nil, fmt.Errorf("the state of the %s simulator is not a JSON object: %w", side, err)
	}
	objects := []object{}
	for name, list := range lists {
		if passing[strings.ToLower(name)] {
			continue
		}
		var things []map[string]any
		if json.Unmarshal(list, &things) == nil { // what is not a list of things is a figure or a setting
			objects = collect(objects, side, name, things)
		}
	}
	sort.Slice(objects, func(i, j int) bool {
		a, b := objects[i], objects[j]
		return a.Kind+" "+a.ID < b.Kind+" "+b.ID
	})
	return objects, nil
}

func collect(objects []object, side, list string, things []map[string]any) []object {
	kind := strings.TrimSuffix(strings.ToLower(list), "s")
	for _, thing := range things {
		found := object{Side: side, Kind: kind, ID: field(thing, "id", "uuid", "moref", "ref"),
			Name: field(thing, "name"), State: field(thing, "state")}
		if removed := field(thing, "removed"); found.ID != "" && removed != "true" && found.State != "Expunged" {
			objects = append(objects, found)
		}
		for name, value := range thing {
			inner, isList := value.([]any)
			if !isList || !strings.HasSuffix(strings.ToLower(name), "snapshots") {
				continue
			}
			objects = collect(objects, side, name, onlyThings(inner))
		}
	}
	return objects
}

func onlyThings(values []any) []map[string]any {
	things := []map[string]any{}
	for _, value := range values {
		if thing, ok := value.(map[string]any); ok {
			things = append(things, thing)
		}
	}
	return things
}

// field returns the first of the named fields that is there, whatever the case of its name.
func field(thing map[string]any, names ...string) string {
	for _, wanted := range names {
		for name, value := range thing {
			if strings.EqualFold(name, wanted) && value != nil {
				return fmt.Sprint(value)
			}
		}
	}
	return ""
}

// audit is the comparison of what exists with what is known to exist.
type audit struct {
	Orphans []object `json:"orphans"` // exist, but nobody knows them
	Missing []object `json:"missing"` // are known, but do not exist
	Objects int      `json:"objects"` // how many exist
}

// findOrphans compares. An entry of the ledger matches by its identifier, and by its side when it names one. The
// baseline holds what was there before; it may disappear without being missed.
func findOrphans(existing, ledger, baseline []object) audit {
	result := audit{Orphans: []object{}, Missing: []object{}, Objects: len(existing)}
	known := append(append([]object{}, ledger...), baseline...)
	for _, thing := range existing {
		if !contains(known, thing) {
			result.Orphans = append(result.Orphans, thing)
		}
	}
	for _, entry := range ledger {
		if !contains(existing, entry) {
			result.Missing = append(result.Missing, entry)
		}
	}
	return result
}

func contains(list []object, wanted object) bool {
	for _, entry := range list {
		if entry.ID == wanted.ID && (entry.Side == wanted.Side || entry.Side == "" || wanted.Side == "") {
			return true
		}
	}
	return false
}

// readObjects reads a list of objects: a JSON array, or an object with the array in "objects".
func readObjects(path string) ([]object, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []object
	if err := json.Unmarshal(text, &list); err != nil {
		var wrapped struct {
			Objects *[]object `json:"objects"`
		}
		if json.Unmarshal(text, &wrapped) != nil || wrapped.Objects == nil {
			return nil, fmt.Errorf("%s is no list of objects: %w", path, err)
		}
		list = *wrapped.Objects
	}
	for i, entry := range list {
		if entry.ID == "" {
			return nil, fmt.Errorf("%s: entry %d has no id", path, i)
		}
	}
	return list, nil
}
