package main

import (
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// params are the unpacked parameters of one request. Names are lower case; in a map parameter
// (details[0].cpuNumber=2) the part after the dot keeps its case.
type params struct {
	flat map[string]string
	maps map[string]map[string]map[string]string // name -> index -> key -> value
}

var mapParameter = regexp.MustCompile(`^([^\[\]]+)\[([^\[\]]*)\]\.?([^\[\]]*)$`)

// unpack sorts a form into plain and map parameters: 430 for a malformed name, 431 for control characters in a value.
func unpack(form url.Values) (*params, error) {
	p := &params{flat: map[string]string{}, maps: map[string]map[string]map[string]string{}}
	for name := range form {
		value := form.Get(name)
		for _, ch := range []byte(value) {
			if ch < 0x20 || ch == 0x7f {
				return nil, invalid("Received value %q for parameter %s is invalid, contains illegal ASCII non-printable characters", value, name)
			}
		}
		if !strings.ContainsAny(name, "[]") {
			p.flat[strings.ToLower(name)] = value
			continue
		}
		match := mapParameter.FindStringSubmatch(name)
		if match == nil {
			return nil, refuse(codeMalformed, "Invalid parameter %s, expected form name[index].key", name)
		}
		base := strings.ToLower(match[1])
		if p.maps[base] == nil {
			p.maps[base] = map[string]map[string]string{}
		}
		if p.maps[base][match[2]] == nil {
			p.maps[base][match[2]] = map[string]string{}
		}
		p.maps[base][match[2]][match[3]] = value
	}
	return p, nil
}

// names lists every parameter that was sent, without the parts in brackets.
func (p *params) names() []string {
	var all []string
	for name := range p.flat {
		all = append(all, name)
	}
	for name := range p.maps {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}

// has treats an empty value as absent, as the server does.
func (p *params) has(name string) bool { return p.flat[name] != "" || p.maps[name] != nil }

func (p *params) str(name string) string { return p.flat[name] }

// flag reads a boolean; what is absent or not "true" is false, as Java's Boolean.parseBoolean.
func (p *params) flag(name string) bool { return strings.EqualFold(p.flat[name], "true") }

// flagOr is flag with a default for an absent parameter.
func (p *params) flagOr(name string, absent bool) bool {
	if !p.has(name) {
		return absent
	}
	return p.flag(name)
}

// number reads an integer that was already checked by the type check; absent is (0, false).
func (p *params) number(name string) (int64, bool) {
	value, err := strconv.ParseInt(p.flat[name], 10, 64)
	return value, err == nil
}

// list reads a comma-separated value.
func (p *params) list(name string) []string {
	var out []string
	for _, part := range strings.Split(p.flat[name], ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// entries returns the elements of a map parameter in the order of their indexes.
func (p *params) entries(name string) []map[string]string {
	indexes := make([]string, 0, len(p.maps[name]))
	for index := range p.maps[name] {
		indexes = append(indexes, index)
	}
	sort.Slice(indexes, func(i, j int) bool {
		a, errA := strconv.Atoi(indexes[i])
		b, errB := strconv.Atoi(indexes[j])
		if errA == nil && errB == nil {
			return a < b
		}
		return indexes[i] < indexes[j]
	})
	out := make([]map[string]string, 0, len(indexes))
	for _, index := range indexes {
		out = append(out, p.maps[name][index])
	}
	return out
}

// details merges all entries of a map parameter into one map.
func (p *params) details(name string) map[string]string {
	merged := map[string]string{}
	for _, entry := range p.entries(name) {
		for key, value := range entry {
			merged[key] = value
		}
	}
	return merged
}

// tagPairs reads tags[i].key / tags[i].value.
func (p *params) tagPairs() map[string]string {
	pairs := map[string]string{}
	for _, entry := range p.entries("tags") {
		if entry["key"] != "" {
			pairs[entry["key"]] = entry["value"]
		}
	}
	return pairs
}
