package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// Real servers parse requests strictly: every complex type is an xs:sequence, so a child in the wrong place or of an
// unknown name is a fault. The simulator underneath ignores both; this check restores the strictness. It needs no
// schema file: the generated Go structs list their fields in schema order, inherited ones first.

const (
	vimNamespace = "urn:vim25"
	xsiNamespace = "http://www.w3.org/2001/XMLSchema-instance"
)

// schemaError is what a strict server would complain about.
type schemaError struct{ message string }

func (e *schemaError) Error() string { return e.message }

func schemaErrorf(format string, args ...interface{}) error {
	return &schemaError{fmt.Sprintf(format, args...)}
}

type sequenceField struct {
	name               string
	kind               reflect.Type // of one element
	repeated, required bool
}

var (
	sequences  sync.Map // reflect.Type -> []sequenceField
	typeByName = types.TypeFunc()
	morefType  = reflect.TypeOf(types.ManagedObjectReference{})
)

// checkRequest verifies a SOAP request and returns the name of its method. A method that the schema does not know is
// left to the dispatcher.
func checkRequest(body io.Reader) (string, error) {
	decoder := xml.NewDecoder(body)
	method, err := findMethod(decoder)
	if err != nil {
		return "", err
	}
	name := method.Name.Local
	kind, known := typeByName(name)
	if !known {
		return name, nil
	}
	if method.Name.Space != vimNamespace {
		return name, schemaErrorf("method %s is not in namespace %s", name, vimNamespace)
	}
	return name, checkObject(decoder, kind, name)
}

func findMethod(decoder *xml.Decoder) (xml.StartElement, error) {
	inBody := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return xml.StartElement{}, schemaErrorf("malformed XML: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch {
		case inBody:
			return start, nil
		case start.Name.Local == "Body":
			inBody = true
		case start.Name.Local == "Header":
			if err := decoder.Skip(); err != nil {
				return start, schemaErrorf("malformed XML: %v", err)
			}
		}
	}
}

func checkObject(decoder *xml.Decoder, kind reflect.Type, path string) error {
	fields := sequenceOf(kind)
	seen := make([]bool, len(fields))
	next := 0 // the first field that may still come
	for {
		token, err := decoder.Token()
		if err != nil {
			return schemaErrorf("malformed XML: %v", err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			return checkRequired(fields, seen, path)
		case xml.StartElement:
			index, err := place(fields, seen, next, t, path)
			if err != nil {
				return err
			}
			seen[index], next = true, index
			if err := checkValue(decoder, fields[index], t, path); err != nil {
				return err
			}
		}
	}
}

func place(fields []sequenceField, seen []bool, next int, start xml.StartElement, path string) (int, error) {
	for i, f := range fields {
		if f.name != start.Name.Local {
			continue
		}
		if start.Name.Space != vimNamespace {
			return 0, schemaErrorf("element %q in %s is not in namespace %s", f.name, path, vimNamespace)
		}
		if i < next || (seen[i] && !f.repeated) {
			return 0, schemaErrorf("Unexpected element tag %q seen in %s: out of schema order", f.name, path)
		}
		return i, nil
	}
	return 0, schemaErrorf("Unexpected element tag %q seen in %s: unknown", start.Name.Local, path)
}

func checkRequired(fields []sequenceField, seen []bool, path string) error {
	for i, f := range fields {
		if f.required && !seen[i] {
			return schemaErrorf("Required property %s is missing from %s", f.name, path)
		}
	}
	return nil
}

func checkValue(decoder *xml.Decoder, field sequenceField, start xml.StartElement, path string) error {
	kind := field.kind
	for _, a := range start.Attr {
		if a.Name.Space == xsiNamespace && a.Name.Local == "type" {
			name := a.Value[strings.LastIndex(a.Value, ":")+1:]
			named, known := typeByName(name)
			if !known && kind.Kind() == reflect.Interface && kind.NumMethod() > 0 {
				return schemaErrorf("type %q of %s.%s is unknown", name, path, field.name)
			}
			if known {
				kind = named
			}
		}
	}
	if kind.Kind() == reflect.Interface && kind.NumMethod() > 0 {
		named, known := typeByName(strings.TrimPrefix(kind.Name(), "Base"))
		if !known {
			return schemaErrorf("xsi:type is missing on %s.%s", path, field.name)
		}
		kind = named
	}
	if kind.Kind() == reflect.Struct && kind != morefType && kind.PkgPath() == morefType.PkgPath() {
		return checkObject(decoder, kind, path+"."+field.name)
	}
	if err := decoder.Skip(); err != nil {
		return schemaErrorf("malformed XML: %v", err)
	}
	return nil
}

func sequenceOf(kind reflect.Type) []sequenceField {
	if known, ok := sequences.Load(kind); ok {
		return known.([]sequenceField)
	}
	var fields []sequenceField
	for i := 0; i < kind.NumField(); i++ {
		f := kind.Field(i)
		tag, tagged := f.Tag.Lookup("xml")
		if f.Anonymous && !tagged {
			fields = append(fields, sequenceOf(f.Type)...)
			continue
		}
		parts := strings.Split(tag, ",")
		if !tagged || parts[0] == "" || strings.Contains(tag, ",attr") {
			continue
		}
		entry := sequenceField{name: parts[0], kind: f.Type}
		switch f.Type.Kind() {
		case reflect.Slice:
			entry.kind, entry.repeated = f.Type.Elem(), true
		case reflect.Ptr:
			entry.kind = f.Type.Elem()
		default:
			entry.required = !strings.Contains(tag, "omitempty")
		}
		fields = append(fields, entry)
	}
	sequences.Store(kind, fields)
	return fields
}
