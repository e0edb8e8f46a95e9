package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"migratekit/lab/internal/sidechannel"
)

func commandFault(o options) error {
	if len(o.plain) == 0 {
		return fmt.Errorf("%w: fault needs list, clear, or a simulator and a fault's name", errUsage)
	}
	switch o.plain[0] {
	case "list":
		return o.lab.listFaults(o.plain[1:], o.json)
	case "clear":
		_, err := o.lab.onBoth(o.plain[1:], "DELETE")
		return err
	}
	return o.lab.post("/fault", "fault", o.plain)
}

func commandOp(o options) error {
	if len(o.plain) == 0 {
		return fmt.Errorf("%w: op needs a simulator and an operation's name", errUsage)
	}
	return o.lab.post("/op", "op", o.plain)
}

// onBoth sends a request about the faults to both simulators.
func (l lab) onBoth(rest []string, method string) (map[string]json.RawMessage, error) {
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: nothing may follow, but there is %q", errUsage, rest[0])
	}
	answers := map[string]json.RawMessage{}
	for _, simulator := range sidechannel.Simulators {
		answer, err := sidechannel.Call(l.state, simulator, method, "/faults", nil, answerLimit)
		if err != nil {
			return nil, err
		}
		answers[simulator] = answer
	}
	return answers, nil
}

func (l lab) listFaults(rest []string, asJSON bool) error {
	answers, err := l.onBoth(rest, "GET")
	if err != nil {
		return err
	}
	if asJSON {
		text, err := json.MarshalIndent(answers, "", "  ")
		if err == nil {
			fmt.Println(string(text))
		}
		return err
	}
	for _, simulator := range sidechannel.Simulators {
		if err := printFaults(os.Stdout, simulator, answers[simulator]); err != nil {
			return err
		}
	}
	return nil
}

// post sends {"name": NAME, key: value ...} to a simulator and shows what it answers.
func (l lab) post(path, verb string, plain []string) error {
	simulator := plain[0]
	known := false
	for _, name := range sidechannel.Simulators {
		known = known || name == simulator
	}
	if !known || len(plain) < 2 {
		return fmt.Errorf("%w: it reads %s vcenter|cloudstack NAME [key=value ...]", errUsage, verb)
	}
	payload, err := parsePairs(plain[2:])
	if err != nil {
		return err
	}
	payload["name"] = plain[1]
	answer, err := sidechannel.Call(l.state, simulator, "POST", path, payload, operationLimit)
	if err != nil {
		return err
	}
	if answer = bytes.TrimSpace(answer); len(answer) > 0 {
		fmt.Println(string(answer))
	}
	return nil
}

// parsePairs reads key=value; a value that is JSON (a number, true, a list) is taken as such, anything else is text.
func parsePairs(pairs []string) (map[string]any, error) {
	payload := map[string]any{}
	for _, pair := range pairs {
		key, text, found := strings.Cut(pair, "=")
		if !found || key == "" || key == "name" {
			return nil, fmt.Errorf("%w: expected key=value, not %q", errUsage, pair)
		}
		if json.Valid([]byte(text)) {
			payload[key] = json.RawMessage(text)
		} else {
			payload[key] = text
		}
	}
	return payload, nil
}
