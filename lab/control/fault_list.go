package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
)

// faultList is what a simulator answers to GET /faults. The two simulators name the same things differently.
type faultList struct {
	Faults []faultEntry      `json:"faults"`
	Known  []faultEntry      `json:"known"`
	Active []json.RawMessage `json:"active"`
	Armed  []json.RawMessage `json:"armed"`
}

type faultEntry struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	About       string          `json:"about"`
	Parameters  json.RawMessage `json:"parameters"`
}

// printFaults writes a table of the faults of one simulator, with their parameters, and those that are on.
func printFaults(out io.Writer, simulator string, answer []byte) error {
	var list faultList
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the %s simulator's list of faults is malformed: %w", simulator, err)
	}
	fmt.Fprintf(out, "%s\n", simulator)
	for _, fault := range append(list.Faults, list.Known...) {
		fmt.Fprintf(out, "  %-22s %s%s\n", fault.Name, fault.Description, fault.About)
		for _, parameter := range describeParameters(fault.Parameters) {
			fmt.Fprintf(out, "    %s\n", parameter)
		}
	}
	for _, active := range append(list.Active, list.Armed...) {
		fmt.Fprintf(out, "  ON: %s\n", compactJSON(active))
	}
	return nil
}

// describeParameters takes an object of name and text, or a list of objects with name, default and text.
func describeParameters(text json.RawMessage) []string {
	lines := []string{}
	var byName map[string]string
	if json.Unmarshal(text, &byName) == nil {
		for name, about := range byName {
			lines = append(lines, fmt.Sprintf("%-16s %s", name+"=", about))
		}
		sort.Strings(lines)
		return lines
	}
	var list []struct{ Name, Default, About string }
	if json.Unmarshal(text, &list) == nil {
		for _, parameter := range list {
			line := fmt.Sprintf("%-16s %s", parameter.Name+"=", parameter.About)
			if parameter.Default != "" {
				line += " (default " + parameter.Default + ")"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func compactJSON(text json.RawMessage) string {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return string(text)
	}
	compact, err := json.Marshal(value)
	if err != nil {
		return string(text)
	}
	return string(compact)
}
