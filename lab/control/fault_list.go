package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// faultList is what a simulator answers to GET /faults.
type faultList struct {
	Faults []struct {
		Name       string
		About      string
		Parameters []struct{ Name, Default, About string }
	}
	Armed []armedFault
}

type armedFault struct {
	Name       string
	Parameters map[string]any
}

// printFaults writes a table of the faults of one simulator, with their parameters, and those that are on.
func printFaults(out io.Writer, simulator string, answer []byte) error {
	var list faultList
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("the %s simulator's list of faults is malformed: %w", simulator, err)
	}
	fmt.Fprintf(out, "%s\n", simulator)
	for _, fault := range list.Faults {
		fmt.Fprintf(out, "  %-22s %s\n", fault.Name, fault.About)
		for _, parameter := range fault.Parameters {
			line := fmt.Sprintf("    %-16s %s", parameter.Name+"=", parameter.About)
			if parameter.Default != "" {
				line += " (default " + parameter.Default + ")"
			}
			fmt.Fprintln(out, line)
		}
	}
	for _, armed := range list.Armed {
		parameters, err := json.Marshal(armed.Parameters)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  ON: %s %s\n", armed.Name, parameters)
	}
	return nil
}
