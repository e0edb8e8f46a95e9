package main

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/vmware/govmomi/vim25/mo"
)

func TestSessionCookieKeepsItsQuotes(t *testing.T) {
	cookie := quoteCookie("vmware_soap_session=abc-1; HttpOnly")
	if !strings.HasPrefix(cookie, `vmware_soap_session="abc-1"; Path=/; HttpOnly; Secure`) {
		t.Fatal(cookie)
	}
	for header, want := range map[string]string{
		`vmware_soap_session="abc-1"`:            "abc-1",
		`other=1; vmware_soap_session="abc-1"`:   "abc-1",
		`vmware_soap_session=abc-1`:              "",
		`vmware_soap_session=""`:                 "",
		`xvmware_soap_session="abc-1"`:           "",
		`vmware_client=x; vmware_soap_session="`: "",
	} {
		r := &http.Request{Header: http.Header{"Cookie": {header}}}
		if got := requireQuotes(r); got != want {
			t.Errorf("%s: %q", header, got)
		}
		if want == "" && r.Header.Get("Cookie") != "" {
			t.Errorf("%s was passed on", header)
		}
	}
}

func TestVersions(t *testing.T) {
	for action, good := range map[string]bool{"": true, "urn:vim25": true, "urn:vim25/6.7": true, `"urn:vim25/7.0.3.0"`: true,
		"urn:vim25/8.0.1.0": false, "urn:vim25/6.77": false} {
		if err := checkVersion(action); (err == nil) != good {
			t.Errorf("%q: %v", action, err)
		}
	}
}

func TestPropertyPaths(t *testing.T) {
	kind, known := managedType("VirtualMachine")
	if !known || kind != reflect.TypeOf(mo.VirtualMachine{}) {
		t.Fatal(kind, known)
	}
	for path, good := range map[string]bool{"name": true, "parent": true, "config.hardware.device": true, "snapshot": true,
		"runtime.powerState": true, "config.nothing": false, "runtime.powerState.x": false, "": false, "config..x": false} {
		if got := hasPath(kind, strings.Split(path, ".")); got != good {
			t.Errorf("%q: %v", path, got)
		}
	}
	if _, known := managedType("NoSuchType"); known {
		t.Error("unknown type accepted")
	}
}
