package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The API metadata: every command with its parameters and response fields. It is the reference both for what a
// client may send and for what this simulator may answer.
//
//go:embed apis.json
var apisJSON []byte

type apiField struct {
	Name     string     `json:"name"`
	Type     string     `json:"type"`
	Added    string     `json:"added"`
	Response []apiField `json:"response"`
}

type apiParam struct {
	Name          string `json:"name"`
	Type          string `json:"type"`
	Required      bool   `json:"required"`
	Length        int    `json:"length"`
	Since         string `json:"since"`
	Added         string `json:"added"`
	OptionalSince string `json:"optional_since"`
}

type apiCommand struct {
	Name        string     `json:"name"`
	Async       bool       `json:"isasync"`
	Object      string     `json:"object"`
	List        bool       `json:"list"`
	ResponseKey string     `json:"responsekey"`
	Added       string     `json:"added"`
	Params      []apiParam `json:"params"`
	Response    []apiField `json:"response"`
}

// metadata is the part of the file that belongs to one release.
type metadata struct {
	commands map[string]*apiCommand
	order    []string
}

// loadMetadata reads the embedded file and drops commands and parameters that are newer than the release.
// A parameter that became optional later is still required before.
func loadMetadata(release string) (*metadata, error) {
	var file struct {
		Commands []*apiCommand `json:"commands"`
	}
	if err := json.Unmarshal(apisJSON, &file); err != nil {
		return nil, fmt.Errorf("apis.json: %w", err)
	}
	m := &metadata{commands: map[string]*apiCommand{}}
	for _, command := range file.Commands {
		if newer(command.Added, release) {
			continue
		}
		kept := command.Params[:0]
		for _, param := range command.Params {
			if newer(param.Added, release) {
				continue
			}
			if param.OptionalSince != "" && !newer(param.OptionalSince, release) {
				param.Required = false
			}
			kept = append(kept, param)
		}
		command.Params = kept
		m.commands[command.Name] = command
		m.order = append(m.order, command.Name)
	}
	return m, nil
}

// newer says whether release a came after release b; an unknown or inexact release (">4.18") counts as old.
func newer(a, b string) bool {
	if a == "" || strings.HasPrefix(a, ">") {
		return false
	}
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(left) && i < len(right); i++ {
		x, _ := strconv.Atoi(left[i])
		y, _ := strconv.Atoi(right[i])
		if x != y {
			return x > y
		}
	}
	return false
}

func (c *apiCommand) param(name string) *apiParam {
	for i := range c.Params {
		if strings.EqualFold(c.Params[i].Name, name) {
			return &c.Params[i]
		}
	}
	return nil
}

// transportParams belong to the request, not to a command.
var transportParams = map[string]bool{
	"command": true, "response": true, "apikey": true, "signature": true, "signatureversion": true, "expires": true,
}

// checkParams refuses what a command does not know, what is missing and what has the wrong type.
func (c *apiCommand) checkParams(p *params) error {
	lower := strings.ToLower(c.Name)
	for _, name := range p.names() {
		param := c.param(name)
		if param == nil {
			if transportParams[name] {
				continue
			}
			return invalid("Unable to execute API command %s due to unknown parameter %s", lower, name)
		}
		if value := p.flat[name]; value != "" {
			if !typeFits(param.Type, value) {
				return invalid("Unable to execute API command %s due to invalid value %s for parameter %s", lower, value, name)
			}
			if param.Length > 0 && len(value) > param.Length && param.Type == "string" {
				return invalid("Unable to execute API command %s due to invalid value. Value greater than max allowed length %d for param: %s", lower, param.Length, name)
			}
		}
	}
	for _, param := range c.Params {
		name := strings.ToLower(param.Name)
		if param.Required && !p.has(name) {
			return invalid("Unable to execute API command %s due to missing parameter %s", lower, param.Name)
		}
	}
	return nil
}

func typeFits(kind, value string) bool {
	switch kind {
	case "boolean":
		return strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
	case "integer", "long", "short", "int":
		_, err := strconv.ParseInt(value, 10, 64)
		return err == nil
	case "map":
		return false // a map parameter needs the form name[index].key
	}
	return true
}

// object is one JSON object of an answer.
type object = map[string]interface{}

// checkAnswer lists every field of an answer's object that the metadata does not have, or has with another type.
// An empty list is the only acceptable result: a client may be built against nothing but the metadata.
func (c *apiCommand) checkAnswer(o object) []string { return checkFields(c.Name, c.Response, o) }

func checkFields(path string, fields []apiField, o object) []string {
	var wrong []string
	for name, value := range o {
		field := findField(fields, name)
		if field == nil {
			wrong = append(wrong, fmt.Sprintf("%s.%s is not in the metadata", path, name))
			continue
		}
		if !valueFits(field.Type, value) {
			wrong = append(wrong, fmt.Sprintf("%s.%s: %T does not fit type %s", path, name, value, field.Type))
		}
		if len(field.Response) == 0 {
			continue
		}
		if nested, ok := value.([]object); ok {
			for _, element := range nested {
				wrong = append(wrong, checkFields(path+"."+name, field.Response, element)...)
			}
		}
	}
	return wrong
}

func findField(fields []apiField, name string) *apiField {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}

func valueFits(kind string, value interface{}) bool {
	if value == nil {
		return false // absent fields are omitted, never null
	}
	switch value.(type) {
	case bool:
		return kind == "boolean"
	case int, int64:
		return kind == "long" || kind == "integer" || kind == "int" || kind == "short"
	case float64:
		return kind == "float" || kind == "double"
	case []object, []string:
		return kind == "list" || kind == "set"
	case map[string]string:
		return kind == "map"
	case object:
		return kind == "responseobject" || kind == "map" || kind == "object"
	case string:
		return kind != "boolean" && kind != "long" && kind != "integer" && kind != "int" && kind != "list" && kind != "set" && kind != "map"
	}
	return false
}
